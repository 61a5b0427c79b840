"""Decoded images on disk: the same pixels, sooner; and never those of other images."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import ImageDataLoaders
from vicinal.cli import run
from vicinal.data import cache, vision
from vicinal.data.images import decode
from vicinal.data.samples import Samples


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path):
    """Images of two classes, each of another size and content."""
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return sorted((tmp_path / "photos").rglob("*.png"))


class Counted:
    """Decoding that counts how often it is done."""

    def __init__(self, images, size=8):
        self.samples, self.size, self.times = Samples(images, [0] * len(images)), size, 0

    def __call__(self):
        self.times += 1
        return decode(self.samples, self.size)[0]

    def cached(self, **options):
        return cache.cached(self.samples, self.size, self, **options).images


def test_images_are_decoded_once(files, folder):
    first, second = Counted(files), Counted(files)
    pixels = first.cached()
    again = second.cached()
    assert (first.times, second.times) == (1, 0)
    assert torch.equal(pixels, again)
    assert [entry.size for entry in cache.entries()] == [pixels.nbytes]
    assert again[[3, 1]].shape == (2, 3, 8, 8)


def test_the_content_is_the_key(files, tmp_path):
    Counted(files).cached()
    moved = [file.rename(tmp_path / f"{i}.png") for i, file in enumerate(files)]
    as_bytes = [file.read_bytes() for file in moved]
    for images in (moved, as_bytes, [{"bytes": b, "path": "x"} for b in as_bytes]):
        same = Counted(images)
        same.cached()
        assert same.times == 0


@pytest.mark.parametrize("change", ["content", "order", "size", "fewer", "version"])
def test_other_images_are_decoded(files, change, monkeypatch):
    Counted(files).cached()
    size = 8
    if change == "content":  # of the same name, length and time
        status, content = files[2].stat(), bytearray(files[2].read_bytes())
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(files[2])
        files[2].write_bytes(files[2].read_bytes().ljust(len(content), b"\0"))
        os.utime(files[2], ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "order":
        files[0], files[1] = files[1], files[0]
    elif change == "size":
        size = 9
    elif change == "fewer":
        files.pop()
    else:
        monkeypatch.setattr(cache, "VERSION", 0)
    other = Counted(files, size)
    assert torch.equal(other.cached(), decode(other.samples, size)[0].images)
    assert other.times == 1


def test_writing_to_what_comes_from_the_cache_does_not_change_it(files):
    Counted(files).cached()
    Counted(files).cached().zero_()
    assert Counted(files).cached().any()


def test_a_cut_off_file_is_made_anew(files):
    pixels = Counted(files).cached()
    (entry,) = cache.entries()
    entry.file.write_bytes(entry.file.read_bytes()[:-1])
    again = Counted(files)
    assert torch.equal(again.cached(), pixels)
    assert again.times == 1
    assert cache.entries()[0].size == pixels.nbytes


def test_the_least_recently_used_make_room(files):
    parts = [Counted(files[i : i + 2]) for i in range(0, 8, 2)]
    one = 2 * 3 * 8 * 8
    for part in parts[:3]:
        part.cached(limit=3 * one)
        time.sleep(0.02)
    parts[0].cached(limit=3 * one)  # used again
    time.sleep(0.02)
    parts[3].cached(limit=3 * one)
    assert [entry.size for entry in cache.entries()] == [one] * 3
    for number in (3, 0, 2, 1):  # the one that had to go is asked for last
        parts[number].cached(limit=3 * one)
    assert [part.times for part in parts] == [1, 2, 1, 1]


def test_what_is_larger_than_the_cache_is_not_kept(files):
    part = Counted(files)
    part.cached(limit=100)
    assert cache.entries() == []


def test_what_is_in_use_may_be_removed(files):
    Counted(files).cached()
    mapped = Counted(files).cached()
    expected = mapped.clone()
    cache.clear()
    assert torch.equal(mapped, expected)


def test_images_that_are_no_files_are_not_kept(folder):
    part = Counted([Image.new("RGB", (9, 9))] * 3)
    part.cached()
    assert part.times == 1
    assert not folder.exists()


def test_bad_images_are_left_out_each_time(files, capsys):
    files[3].write_bytes(b"no image")
    for _ in range(2):
        dls = ImageDataLoaders.from_folder(
            files[0].parents[1], size=8, bs=2, seed=0, skip_bad=True, device="cpu"
        )
        assert len(dls.train.dataset) + len(dls.valid.dataset) == 11
        assert "0" in capsys.readouterr().out


def test_loaders_take_their_images_from_the_cache(files, monkeypatch):
    def loaders():
        return ImageDataLoaders.from_folder(files[0].parents[1], size=8, bs=2, seed=0, device="cpu")

    first = loaders()
    monkeypatch.setattr(vision, "decode", None)
    second = loaders()
    for part in ("train", "valid"):
        assert torch.equal(getattr(first, part).dataset.x, getattr(second, part).dataset.x)
        assert torch.equal(getattr(first, part).dataset.y, getattr(second, part).dataset.y)


@pytest.mark.parametrize("where", ["a file", "full"])
def test_where_it_cannot_be_written_nothing_is_kept(files, folder, monkeypatch, where):
    if where == "a file":
        folder.write_text("")
    else:
        monkeypatch.setattr(
            cache.shutil, "disk_usage", lambda _: cache.shutil._ntuple_diskusage(10, 10, 0)
        )
    part = Counted(files)
    assert part.cached().any()
    assert cache.entries() == []


def test_what_the_killed_left_half_written_goes(files, folder):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder.mkdir()
    half, own = folder / f".{gone.pid}.abc", folder / f".{os.getpid()}.abc"
    half.write_bytes(b"1")
    own.write_bytes(b"1")
    Counted(files).cached()
    assert not half.exists()
    assert own.exists()


def test_the_command_shows_and_clears_it(files, capsys, folder):
    assert run(["cache"]) == 0
    assert "0 of at most" in capsys.readouterr().out
    Counted(files * 200, 32).cached()
    assert run(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "7 MB" in shown
    assert ".pixels" in shown
    assert run(["cache", "--clear"]) == 0
    assert "freed:          7 MB" in capsys.readouterr().out
    assert cache.entries() == []
