"""Which files lie below a folder, each once, and which of them are images."""

import os

import pytest
from PIL import Image

from vicinal.data.listing import endings, find_images, is_image, list_folder

from .pictures import write


def test_images_are_found_by_their_ending_in_the_order_of_their_names(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a/deep/3.webp", "c.jpeg", "notes.txt", "d.pdf", "e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["a/deep/3.webp", "b/1.png", "b/2.JPG", "c.jpeg"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    root = tmp_path / ".data"
    write(root, cats__1=None, cats__ok=None)
    write(root, **{"cats__.2": None, ".checkpoints__3": None, "__.DS": None})
    assert [path.name for path in find_images(root)] == ["1.png", "ok.png"]


def test_a_link_that_leads_back_is_not_followed(tmp_path):
    write(tmp_path, cats__1=None, dogs__2=None)
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "cats" / "up").symlink_to("..", target_is_directory=True)
    assert [path.name for path in find_images(tmp_path)] == ["1.png", "2.png"]


def test_linked_class_folders_are_followed(tmp_path):
    real = tmp_path / "real" / "cat"
    real.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(real / "1.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat").symlink_to(real)
    assert find_images(tmp_path / "photos") == [tmp_path / "photos" / "cat" / "1.png"]


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_links_to_each_other_list_each_file_once(tmp_path):
    write(tmp_path, a__1=None, a__2=None, b__3=None)
    (tmp_path / "a" / "other").symlink_to("../b")
    (tmp_path / "b" / "other").symlink_to("../a")
    found = list_folder(tmp_path)
    assert names(found.files, tmp_path) == ["a/1.png", "a/2.png", "b/3.png"]
    assert names(found.links, tmp_path) == ["a/other", "b/other"]


def test_an_alias_of_a_folder_is_listed_under_the_folder_own_name(tmp_path):
    write(tmp_path, cat__1=None)
    (tmp_path / "also").symlink_to("cat")  # sorted before cat
    found = list_folder(tmp_path)
    assert names(found.files, tmp_path) == ["cat/1.png"]
    assert names(found.links, tmp_path) == ["also"]


def test_two_links_to_one_folder_elsewhere(tmp_path):
    write(tmp_path / "store", cat__1=None, cat__2=None)
    root = tmp_path / "photos"
    for part in ("valid", "train"):
        (root / part).mkdir(parents=True)
        (root / part / "cat").symlink_to(tmp_path / "store" / "cat")
    found = list_folder(root)
    assert names(found.files, root) == ["train/cat/1.png", "train/cat/2.png"]
    assert names(found.links, root) == ["valid/cat"]


def test_folders_of_file_systems_without_numbers(tmp_path, monkeypatch):
    write(tmp_path, cat__1=None, dog__2=None)
    status = os.stat(tmp_path)
    monkeypatch.setattr(os, "stat", lambda path, **how: status)
    assert names(list_folder(tmp_path).files, tmp_path) == ["cat/1.png", "dog/2.png"]


def test_a_link_to_a_hidden_folder_is_followed(tmp_path):
    write(tmp_path, **{".store__cat__1": None})
    (tmp_path / "cat").symlink_to(".store/cat")
    assert names(find_images(tmp_path), tmp_path) == ["cat/1.png"]


@pytest.mark.parametrize(
    "name", ["@eaDir", "lost+found", "$RECYCLE.BIN", "__MACOSX", "System Volume Information"]
)
def test_what_systems_leave_is_no_data(tmp_path, name):
    write(tmp_path / name, **{"cat__1": None, "IMG": None})
    write(tmp_path, cat__1=None)
    (tmp_path / "cat" / "Thumbs.db").touch()
    (tmp_path / "cat" / "desktop.ini").touch()
    found = list_folder(tmp_path)
    assert names(found.files, tmp_path) == ["cat/1.png"]
    assert names(found.folders, tmp_path) == ["cat"]


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    write(tmp_path, cat__1=None, dog__2=None)
    scan = os.scandir

    def scandir(folder):
        if os.path.basename(folder) == "dog":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = list_folder(tmp_path)
    assert names(found.files, tmp_path) == ["cat/1.png"]
    assert found.closed == {tmp_path / "dog": "Permission denied"}


def test_a_pipe_is_no_file_and_a_broken_link_is_one(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert names(find_images(tmp_path), tmp_path) == ["gone.png"]


@pytest.mark.parametrize("ending", ["h5", "wmf", "mpg", "pdf", "svg", "txt"])
def test_what_cannot_be_decoded_is_no_image(tmp_path, ending):
    assert not is_image(tmp_path / f"1.{ending}")


def test_formats_that_are_registered_later_are_images(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "EXTENSION", {**Image.registered_extensions()})
    assert not is_image(tmp_path / "1.vic")
    Image.register_extension("VIC", ".vic")
    assert is_image(tmp_path / "1.VIC")


def test_endings_are_counted(tmp_path):
    files = [tmp_path / f"{i}.{ending}" for i, ending in enumerate(["xml"] * 3 + ["txt"] * 2)]
    assert endings([*files, tmp_path / "a", tmp_path / "b", tmp_path / "LICENSE.md"]) == (
        "3 files ending .xml, 2 files ending .txt, 2 files without an ending and LICENSE.md"
    )
    assert (
        endings([tmp_path / f"1.{i}" for i in range(6)]) == "1.0, 1.1, 1.2, 1.3 and 2 other files"
    )
