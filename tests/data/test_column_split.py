"""Images in Parquet files: which column holds them, their labels, groups and parts."""

import datasets
import pyarrow as pa
import pyarrow.parquet
import pytest

from vicinal.data.sources import load_split
from vicinal.errors import VicinalError

from .pictures import encoded, noise

pytestmark = pytest.mark.usefixtures("offline")


def pictures(count):
    return [encoded(noise(4, 4, seed=i)) for i in range(count)]


def store(folder, name="train.parquet", names=None, **columns):
    """Images as bytes alone, and columns; the label's classes have names where they are given."""
    count = len(next(iter(columns.values())))
    table = pa.table({"img": pa.array(pictures(count), pa.binary()), **columns})
    if names is not None:
        features = datasets.Features.from_arrow_schema(table.schema)
        features["label"] = datasets.ClassLabel(names=names)
        features["img"] = datasets.Value("binary")
        table = table.cast(features.arrow_schema)
    folder.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(table, folder / name)
    return folder


def test_bytes_of_image_files_are_images(tmp_path):
    path = store(tmp_path / "pets", "PETS.PARQUET", label=[0, 1] * 5)
    for data in (path, path / "PETS.PARQUET"):
        split = load_split(data)
        assert (split.kind, len(split.train), len(split.valid)) == ("images", 8, 2)
        assert split.train.images[0]["bytes"] in pictures(10)


def test_other_bytes_are_no_images(tmp_path):
    table = pa.table({"key": [b"\x00\x01"] * 20, "x": [*range(20)], "label": ["a", "b"] * 10})
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    assert load_split(tmp_path).kind == "rows"


@pytest.mark.parametrize("parts", [["train.parquet"], ["train.parquet", "test.parquet"]])
def test_an_index_of_a_class_without_a_name_is_refused(tmp_path, parts):
    for name in parts:
        store(tmp_path / "pets", name, names=["cat", "dog"], label=[0, 1, 2] * 2)
    with pytest.raises(VicinalError, match=r"label holds 2.*, but the data name 2 classes"):
        load_split(tmp_path / "pets")


def test_bytes_are_streamed_too(tmp_path):
    split = load_split(store(tmp_path / "pets", label=[0, 1] * 5), stream=True)
    assert split.preview().images[0]["bytes"] in pictures(10)


def test_minus_one_is_no_label(tmp_path):
    path = store(tmp_path / "pets", names=["cat", "dog"], label=[0, 1, -1, 1, 0, -1, 1, 0])
    with pytest.raises(VicinalError, match="2 of 8 labels in column label are missing"):
        load_split(path)
    split = load_split(path, drop_missing=True)
    assert (split.vocab, len(split.train) + len(split.valid)) == (["cat", "dog"], 6)
    assert "left out: 2 of 8 images of train, without a label" in split.notes


@pytest.mark.parametrize(
    ("labels", "options", "vocab"),
    [
        ([-1, 1], {}, ["-1", "1"]),
        ([-1, 0, 1], {"label_kind": "classes"}, ["-1", "0", "1"]),
    ],
)
def test_minus_one_is_a_class_among_signs_or_where_that_is_said(tmp_path, labels, options, vocab):
    path = store(tmp_path / "pets", label=labels * 5)
    assert load_split(path, **options).vocab == vocab


def test_whole_numbers_are_classes_and_many_are_said(tmp_path):
    split = load_split(store(tmp_path / "pets", age=[20 + i for i in range(30)] * 2))
    assert len(split.vocab) == 30
    assert split.notes[0] == "labels: column age, whose whole numbers are taken as 30 classes"
    with pytest.raises(VicinalError, match="column age holds values, and images are learned with"):
        load_split(tmp_path / "pets", label_kind="values")


def test_lists_of_labels_are_no_class(tmp_path):
    path = store(tmp_path / "pets", label=["Mass;Effusion", "Mass", "Effusion"] * 3)
    with pytest.raises(VicinalError, match=r"'Mass;Effusion', which may be several labels of one"):
        load_split(path)
    split = load_split(path, label_sep=";")
    assert (split.targets_are, split.vocab) == ("labels", ["Effusion", "Mass"])
    assert sorted({*split.train.labels, *split.valid.labels}) == [(0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("label", [[["a", "b"], ["a"], []] * 4, ["a|b", "a", None] * 4])
def test_lists_and_vertical_bars_are_several_labels(tmp_path, label):
    split = load_split(store(tmp_path / "pets", label=label))
    assert (split.targets_are, split.vocab) == ("labels", ["a", "b"])
    both = [*split.train.labels, *split.valid.labels]
    assert sorted(both) == sorted([(1.0, 1.0), (1.0, 0.0), (0.0, 0.0)] * 4)


def test_one_class_for_each_image_is_not_several_labels(tmp_path):
    with pytest.raises(VicinalError, match="leave out --label-kind labels"):
        load_split(store(tmp_path / "pets", label=[0, 1, 2] * 4), label_kind="labels")


def test_columns_of_0_and_1_in_parquet_are_several_labels(tmp_path):
    path = store(tmp_path / "pets", sea=[0, 1] * 6, sky=[1, 1, 0] * 4)
    split = load_split(path, label="sea,sky")
    assert split.vocab == ["sea", "sky"]
    both = [*split.train.labels, *split.valid.labels]
    assert sorted(both) == sorted(zip([0, 1] * 6, [1, 1, 0] * 4, strict=True))


def test_numbers_in_lists_have_the_names_of_hugging_face(tmp_path):
    import datasets

    names = datasets.List(datasets.ClassLabel(names=["sky", "sea", "sun"]))
    features = datasets.Features({"image": datasets.Image(), "labels": names})
    rows = {"image": [{"bytes": each, "path": None} for each in pictures(6)]}
    table = datasets.Dataset.from_dict(rows | {"labels": [[0, 1], [1], []] * 2}, features)
    table.save_to_disk(tmp_path / "saved")
    split = load_split(tmp_path / "saved")
    assert split.vocab == ["sky", "sea"]
    assert "unused: 1 label (sun), which no image has: left out" in split.notes
    assert (1.0, 1.0) in {*split.train.labels, *split.valid.labels}


def test_groups_are_held_out_as_a_whole(tmp_path):
    path = store(tmp_path / "pets", label=[0, 1] * 6, patient=[7, 8, 9, 7, 8, 9] * 2)
    split = load_split(path, group="patient", label="label")
    numbers = [pictures(12).index(image["bytes"]) for image in split.valid.images]
    assert len({[7, 8, 9, 7, 8, 9][number % 6] for number in numbers}) == 1
    assert len(split.valid) == 4
    with pytest.raises(VicinalError, match="no column patent among label, patient, did you mean"):
        load_split(path, group="patent", label="label")
    with pytest.raises(VicinalError, match="streamed, one image after the other, so --group"):
        load_split(path, group="patient", label="label", stream=True)


@pytest.mark.parametrize("options", [{}, {"split_column": "split"}])
def test_parts_by_a_column(tmp_path, options):
    parts = ["train"] * 6 + ["test"] * 2 + ["val"] * 2
    path = store(tmp_path / "pets", label=[0, 1] * 5, split=parts)
    split = load_split(path, label="label", **options)
    assert [image["bytes"] for image in split.valid.images] == pictures(10)[8:]
    assert (split.train.labels, split.valid.labels) == ([0, 1] * 3, [0, 1])
    assert "left alone: the part test, 2 images" in split.notes
    store(path, "validation.parquet", label=[0, 1], split=["val"] * 2)
    assert len(load_split(path, label="label").train) == 10
    with pytest.raises(VicinalError, match="have the parts train, validation already, so --split"):
        load_split(path, label="label", split_column="split")


@pytest.mark.parametrize("unlabelled", [{"id": [1, 2]}, {"id": [1, 2], "label": [-1, -1]}])
def test_a_part_without_labels_is_left_alone(tmp_path, unlabelled):
    path = store(tmp_path / "pets", label=[0, 1] * 5, id=[*range(10)])
    store(path, "test.parquet", **unlabelled)
    split = load_split(path)
    assert (len(split.train), len(split.valid)) == (8, 2)
    assert any(note.startswith("left alone: ") and "test" in note for note in split.notes)


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    path = store(tmp_path / "pets", label=[0, 1] * 5)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "file" / "cache")
    with pytest.raises(VicinalError, match=r"file/cache, cannot be written .*: set HF_DATASETS_CA"):
        load_split(path)


@pytest.mark.parametrize(
    "names",
    [
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
        ("pets/train-0.parquet", "pets/validation-0.parquet"),
    ],
)
def test_a_clone_of_a_hub_s_repository(tmp_path, names):
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        store(file.parent, file.name, label=[0, 1] * 3)
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    split = load_split(tmp_path)
    assert (len(split.train), len(split.valid)) == (6, 6)
    assert any(note.startswith("validation: the data's part ") for note in split.notes)


def test_a_clone_with_several_configurations_asks_for_one(tmp_path):
    for name in ("small", "large"):
        store(tmp_path / name, label=[0, 1] * 3)
    with pytest.raises(VicinalError, match="holds tables in the folders large, small: give one"):
        load_split(tmp_path)
    assert load_split(tmp_path / "small").kind == "images"


def saved(**columns):
    """As ``datasets`` holds it, with the images as PNG files."""
    table = datasets.Dataset.from_dict(
        {"image": [{"bytes": image, "path": None} for image in pictures(6)], **columns}
    )
    return table.cast_column("image", datasets.Image())


class TestSavedFolders:
    def test_of_one_table(self, tmp_path):
        table = saved(label=[0, 1] * 3).cast_column("label", datasets.ClassLabel(names=["a", "b"]))
        table.save_to_disk(tmp_path / "pets")
        split = load_split(tmp_path / "pets", valid_pct=0.5)
        assert (split.vocab, len(split.train), len(split.valid)) == (["a", "b"], 3, 3)
        assert split.train.images[0]["bytes"] in pictures(6)

    def test_of_parts(self, tmp_path):
        parts = {"train": saved(label=["a", "b"] * 3), "test": saved(label=["b", "a"] * 3)}
        datasets.DatasetDict(parts).save_to_disk(tmp_path / "pets")
        split = load_split(tmp_path / "pets")
        assert (split.train.labels, split.valid.labels) == ([0, 1] * 3, [1, 0] * 3)
        with pytest.raises(VicinalError, match="pets is stored on this machine, so --stream does"):
            load_split(tmp_path / "pets", stream=True)

    def test_of_rows(self, tmp_path):
        columns = {"x": [float(i) for i in range(20)], "label": ["a", "b"] * 10}
        datasets.Dataset.from_dict(columns).save_to_disk(tmp_path / "rows")
        split = load_split(tmp_path / "rows")
        assert (split.kind, split.vocab, len(split.train)) == ("rows", ["a", "b"], 16)

    def test_with_a_file_missing(self, tmp_path):
        saved(label=["a", "b"] * 3).save_to_disk(tmp_path / "pets")
        (tmp_path / "pets" / "data-00000-of-00001.arrow").unlink()
        with pytest.raises(VicinalError, match="pets was written by save_to_disk and cannot be re"):
            load_split(tmp_path / "pets")


def test_copies_are_told_and_stay_on_one_side(tmp_path):
    pets = [encoded(noise(4, 4, seed=i % 10)) for i in range(20)]
    images, labels = pa.array(pets, pa.binary()), [0, 1] * 9 + [1, 0]
    table = pa.table({"img": images, "label": labels})
    pyarrow.parquet.write_table(table, tmp_path / "all.parquet")
    split = load_split(tmp_path)
    held, learned = ({i["bytes"] for i in part.images} for part in (split.valid, split.train))
    assert len(held) == 2
    assert not held & learned
    assert "duplicates: 10 images with the same bytes as another one" in split.notes
    assert split.notes[-1].startswith("conflicts: 4 images with the same bytes as one of another")

    pyarrow.parquet.write_table(table.slice(0, 12), tmp_path / "all.parquet")
    pyarrow.parquet.write_table(table.slice(8, 2), tmp_path / "test.parquet")
    notes = load_split(tmp_path).notes
    assert "duplicates: 2 images of the validation part" in notes[-1]


def test_parts_in_a_column_of_another_name_are_asked_about(tmp_path):
    path = store(tmp_path / "pets", label=[0, 1] * 3, origin=["train"] * 4 + ["test"] * 2)
    with pytest.raises(
        VicinalError, match=r"origin holds train, test.* or leave it out with --drop"
    ):
        load_split(path, label="label")
    assert len(load_split(path, label="label", split_column="origin").valid) == 2
    assert len(load_split(path, drop=["origin"]).valid) == 1
    with pytest.raises(VicinalError, match="no column orgin among label, origin"):
        load_split(path, drop=["orgin"])
