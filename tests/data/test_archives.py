"""Zip archives: unpacked once, and read as their folder would be."""

import os
import zipfile
from pathlib import Path

import pytest

from vicinal.data.sources import load_split
from vicinal.errors import VicinalError

from .pictures import encoded, noise

pytestmark = pytest.mark.usefixtures("offline")


def packed(file, names, content=None):
    with zipfile.ZipFile(file, "w") as opened:
        for seed, name in enumerate(names):
            opened.writestr(name, content or encoded(noise(4, 4, seed=seed)))
    return file


NAMES = [f"pets/{'cat' if i % 2 else 'dog'}/{i}.png" for i in range(10)]


def test_class_folders_in_an_archive(tmp_path):
    file = packed(tmp_path / "pets.zip", [*NAMES, "__MACOSX/pets/cat/._1.png"])
    split = load_split(file)
    assert (split.vocab, len(split.train), len(split.valid)) == (["cat", "dog"], 8, 2)
    (folder,) = (tmp_path / "known" / "unpacked").iterdir()
    assert split.notes[-1] == f"archive: unpacked to {folder}"
    assert all(image.is_relative_to(folder) for image in split.train.images)


def test_it_is_unpacked_once_and_anew_when_it_changes(tmp_path):
    file = packed(tmp_path / "pets.zip", NAMES)
    first = load_split(file).train.images[0]
    os.utime(first, (1, 1))
    assert load_split(file).train.images[0].stat().st_mtime == 1
    packed(file, [*NAMES, "pets/cat/11.png"])
    split = load_split(file)
    assert len(split.train) + len(split.valid) == 11


def test_entries_stay_inside_the_folder(tmp_path):
    file = packed(tmp_path / "pets.zip", [*NAMES, "../../../outside.png", "/srv/pets_outside.png"])
    load_split(file)
    (folder,) = (tmp_path / "known" / "unpacked").iterdir()
    assert [*tmp_path.rglob("outside.png")] == [folder / "outside.png"]
    assert not Path("/srv/pets_outside.png").exists()


def test_a_table_in_an_archive(tmp_path):
    table = "x,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20))
    assert load_split(packed(tmp_path / "rows.zip", ["rows.csv"], table)).kind == "rows"


def test_errors_name_the_archive(tmp_path):
    file = packed(tmp_path / "pets.zip", NAMES)
    with pytest.raises(VicinalError) as error:
        load_split(file, label="name")
    assert str(error.value).startswith(f"{file} has no columns, so --label name does not apply")


def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path):
    file = packed(tmp_path / "pets.zip", NAMES)
    content = bytearray(file.read_bytes())
    content[60:70] = bytes(10)
    file.write_bytes(content)
    with pytest.raises(VicinalError, match=r"pets.zip is damaged \(.*\): fetch it anew, or unpack"):
        load_split(file)
    assert not list((tmp_path / "known" / "unpacked").iterdir())


def test_an_error_names_the_archive(tmp_path):
    archive = packed(tmp_path / "pets.zip", ["cat/1.png", "cat/2.png"])
    with pytest.raises(VicinalError, match=r"^2 images in .*pets\.zip have only the class 'cat'"):
        load_split(archive)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 and no end"])
def test_what_only_begins_as_an_archive(tmp_path, content):
    (tmp_path / "pets.zip").write_bytes(content)
    with pytest.raises(VicinalError, match=r"pets\.zip is a damaged archive, or none: fetch"):
        load_split(tmp_path / "pets.zip")
