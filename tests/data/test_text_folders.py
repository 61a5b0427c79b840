"""Texts in folders of their classes, as of film reviews and newsgroups."""

import pytest

from vicinal.data.sources import load_split
from vicinal.errors import VicinalError


def texts(folder, names, ending=".txt"):
    """A text a file, of words that name it."""
    for name in names:
        file = folder / f"{name}{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"this is what {name} says\n", encoding="utf-8")
    return folder


def classes(*folders, count=5):
    return [f"{folder}/{i}" for folder in folders for i in range(count)]


@pytest.mark.parametrize("ending", [".txt", ""])
def test_a_class_a_folder(tmp_path, ending):
    split = load_split(texts(tmp_path, classes("sci.space", "rec.autos"), ending))
    assert (split.kind, split.vocab) == ("texts", ["rec.autos", "sci.space"])
    assert (len(split.train), len(split.valid)) == (8, 2)
    for part in (split.train, split.valid):
        for text, label in zip(split.texts(part), part.y.tolist(), strict=True):
            assert text.startswith(f"this is what {split.vocab[label]}/")


def test_parts_and_what_lies_beside_them(tmp_path):
    """As the film reviews of Stanford are packed."""
    names = classes("train/pos", "train/neg", "test/pos", "test/neg")
    texts(tmp_path, [*names, *classes("train/unsup", count=9), "README", "train/urls_pos"])
    split = load_split(tmp_path)
    assert split.vocab == ["neg", "pos"]
    assert (len(split.train), len(split.valid)) == (10, 10)
    assert all("test/" in text for text in split.texts(split.valid))
    assert "left out: 11 files ending .txt" in split.notes
    assert not any("image" in note for note in split.notes)


def test_a_table_deeper_down_does_not_take_the_place_of_texts(tmp_path):
    texts(tmp_path, classes("a", "b"))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "all.csv").write_text("x,label\n" + "1,a\n2,b\n" * 10)
    split = load_split(tmp_path)
    assert (split.kind, split.vocab) == ("texts", ["a", "b"])
    assert "left out: all.csv" in split.notes


def test_groups_by_the_paths(tmp_path):
    names = [
        f"{label}/{who}_{i}" for label in "ab" for who in ("ann", "bob", "eve") for i in (1, 2)
    ]
    split = load_split(texts(tmp_path, names), group=r"/(\w+)_", valid_pct=0.3)
    sides = [{t.split("/")[1][:3] for t in split.texts(p)} for p in (split.train, split.valid)]
    assert not sides[0] & sides[1]


def test_texts_in_latin_1_are_said(tmp_path):
    texts(tmp_path, classes("a", "b"))
    (tmp_path / "a" / "0.txt").write_bytes("schöne Grüße an alle hier".encode("latin-1"))
    split = load_split(tmp_path)
    assert "encoding: 1 files that are not in UTF-8, taken as Latin-1" in split.notes
    assert "schöne Grüße an alle hier" in [*split.texts(split.train), *split.texts(split.valid)]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"a\0b", "zero bytes: remove it$"), (b" ", "a/0.txt")]
)
def test_a_file_that_is_no_text_is_named(tmp_path, content, reason):
    texts(tmp_path, classes("a", "b"))
    (tmp_path / "a" / "0.txt").write_bytes(content)
    with pytest.raises(VicinalError, match=reason):
        load_split(tmp_path)


def test_texts_of_no_class(tmp_path):
    with pytest.raises(VicinalError, match=r"test, train .* put the texts into some$") as error:
        load_split(texts(tmp_path, classes("train", "test")))
    assert "image" not in str(error.value)


def test_an_option_that_does_not_apply(tmp_path):
    with pytest.raises(VicinalError, match="is a folder of texts, so --text body does not apply"):
        load_split(texts(tmp_path, classes("a", "b")), text="body")


def test_images_without_an_ending(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1").write_bytes(b"\x89PNG\0")
    with pytest.raises(VicinalError, match=r"zero bytes: .* if it is an image, add the ending"):
        load_split(tmp_path)
