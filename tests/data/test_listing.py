"""Which files below a folder are images."""

from PIL import Image

from vicinal.data.listing import find_images

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
