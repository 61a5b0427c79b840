"""Decoded images on disk: the same pixels, sooner; and never those of other images."""

import errno
import gc
import os
import subprocess
import sys
import time
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from vicinal import ImageDataLoaders
from vicinal.cli import run
from vicinal.data import cache, decoded_file, filling, images
from vicinal.data.decoded_file import has_content
from vicinal.data.images import BadImage, decode
from vicinal.data.samples import Samples
from vicinal.data.vision import one_size, shapes_of

from .pictures import BROKEN, encoded, noise


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


@pytest.fixture
def decoded(monkeypatch):
    """How many images were decoded each time that all were."""
    counts, original = [], filling.Filling.finish

    def finish(self):
        counts.append(len(self.samples))
        return original(self)

    monkeypatch.setattr(filling.Filling, "finish", finish)
    return counts


def of(stored):
    return Samples(stored, list(range(len(stored))))


def cached(stored, size=8, **options):
    return torch.tensor(filling.cached(of(stored), size, **options)[0].images)


def in_memory(stored, size=8):
    return decode(of(stored), size)[0].images


def disk(monkeypatch, free):
    usage = cache.shutil._ntuple_diskusage(2 * free, free, free)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)


class TestContent:
    def test_images_are_decoded_once(self, files, decoded):
        expected = in_memory(files)
        for _ in range(2):
            assert torch.equal(cached(files), expected)
        assert decoded == [12]
        assert [entry.size for entry in cache.entries()] == [cache.decoded_size(12, 8)]

    def test_labels_stay_with_their_images(self, files):
        for _ in range(2):
            samples, bad = filling.cached(of(files), 8)
            assert (samples.labels, bad) == (list(range(12)), [])

    def test_the_content_is_the_key(self, files, tmp_path, decoded):
        expected = cached(files)
        moved = [file.rename(tmp_path / f"{i}.png") for i, file in enumerate(files)]
        as_bytes = [file.read_bytes() for file in moved]
        for stored in (moved, as_bytes, [{"bytes": b, "path": "x"} for b in as_bytes]):
            assert torch.equal(cached(stored), expected)
        assert len(decoded) == 1

    @pytest.mark.parametrize("change", ["content", "order", "size", "fewer", "version"])
    def test_other_images_are_decoded(self, files, change, monkeypatch):
        cached(files)
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
            monkeypatch.setattr(decoded_file, "VERSION", 0)
        assert torch.equal(cached(files, size), in_memory(files, size))
        assert len(cache.entries()) == 2

    def test_images_without_content_are_refused(self, folder):
        for image in (noise(9, 9), torch.zeros(3, 9, 9)):
            assert not has_content(of([image] * 3))
            with pytest.raises(OSError, match="no files"):
                filling.cached(of([encoded(noise()), image]), 8)
        assert not folder.exists()

    @pytest.mark.parametrize("change", [-2316, -193, -192, -12, -1, 1, 192, 193])
    def test_a_file_of_another_length_is_made_anew(self, files, decoded, change):
        expected = cached(files)
        (entry,) = cache.entries()
        content = entry.file.read_bytes()
        entry.file.write_bytes(content[: len(content) + change].ljust(len(content) + change, b"\1"))
        assert torch.equal(cached(files), expected)
        assert entry.file.read_bytes() == content
        assert decoded == [12, 12]

    def test_images_are_not_read_for_the_key_where_others_as_many_are_cached(
        self, files, monkeypatch
    ):
        cached(files[:6])
        monkeypatch.setattr(decoded_file, "content_key", None)
        assert torch.equal(cached(files[6:]), in_memory(files[6:]))

    def test_the_key_tells_apart_what_begins_alike(self, files):
        for second in (1, 2):
            stored = [files[0], files[second], files[3], files[4]]
            assert torch.equal(cached(stored), in_memory(stored))
        assert len(cache.entries()) == 2

    def test_loaders_take_their_images_from_the_cache(self, files, monkeypatch):
        def loaders():
            return ImageDataLoaders.from_folder(
                files[0].parents[1], size=8, bs=2, seed=0, device="cpu"
            )

        first = loaders()
        first.prepare()
        monkeypatch.setattr(filling, "read_together", None)
        second = loaders()
        for part in ("train", "valid"):
            one, other = getattr(first, part).dataset, getattr(second, part).dataset
            assert np.array_equal(one.x, other.x)
            assert torch.equal(one.y, other.y)

    def test_nothing_can_be_written_to_what_is_in_the_cache(self, files):
        dls = ImageDataLoaders.from_folder(files[0].parents[1], size=8, bs=2, device="cpu")
        with pytest.raises(ValueError, match="read-only"):
            dls.train.dataset.x[0] = 0
        before, _ = dls.train.dataset.__getitems__([3, 1])
        dls.train.dataset.__getitems__([3, 1])[0].zero_()  # a batch is a copy
        assert torch.equal(dls.train.dataset.__getitems__([3, 1])[0], before)
        assert before.any()


class Opened(Counter):
    """How often each file was opened, while it counts: an audit hook cannot be removed."""

    counts = False

    def __call__(self, event, arguments):
        if self.counts and event == "open":
            self[str(arguments[0])] += 1


@pytest.fixture(scope="module")
def audited():
    opened = Opened()
    sys.addaudithook(opened)
    return opened


class TestOpening:
    """A file is opened once for a first epoch: size, key and pixels come from one read."""

    @pytest.fixture
    def opened(self, tmp_path, monkeypatch, audited):
        """Train, and say how often each photo was opened meanwhile."""
        monkeypatch.chdir(tmp_path)

        def train(*options):
            arguments = ["train", "photos", "--epochs", "1", "--model", "resnet9", *options]
            audited.clear()
            audited.counts = True
            try:
                assert run(arguments) == 0
            finally:
                audited.counts = False
            return [audited[str(file)] for file in sorted(Path("photos").rglob("*.jpg"))]

        return train

    @pytest.mark.parametrize("storage", ["cache", "memory"])
    @pytest.mark.parametrize(
        "side", [pytest.param("one size", marks=pytest.mark.slow), "several sizes"]
    )
    def test_each_once(self, tmp_path, monkeypatch, opened, storage, side):
        if storage == "memory":
            monkeypatch.setattr(cache, "LIMIT", 0)
        for number in range(30):
            file = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            height = 24 if side == "one size" else 24 + number
            # Of files that have as many bytes, the ends are looked at, too: they may be copies.
            noise(height, 24, seed=number).save(file, comment="x" * 40 * number)
        options = ["--out", "first"] + ([] if side == "one size" else ["--size", "16"])
        assert opened(*options) == [1] * 30
        if storage == "cache":  # and on the next run once, for the key
            assert opened(*options, "--overwrite") == [1] * 30
            assert len(cache.entries()) == 2

    def test_what_is_looked_at_is_not_held_beyond_a_limit(self, tmp_path, monkeypatch):
        files = [tmp_path / f"{number}.png" for number in range(4)]
        for number, file in enumerate(files):
            noise(24, 24, seed=number).save(file)
        monkeypatch.setattr(images, "PREFETCHED", 2 * files[0].stat().st_size + 100)
        samples = of(files)
        assert one_size(shapes_of(samples)) == 24
        assert len(samples.prefetched) == 2
        assert torch.equal(decode(samples, 8)[0].images, in_memory(files))
        assert samples.prefetched == {}


class TestBadImages:
    @pytest.mark.parametrize("fault", ["broken", "missing"])
    def test_the_good_ones_stay(self, files, decoded, fault):
        files[3].unlink() if fault == "missing" else files[3].write_bytes(BROKEN)
        good = files[:3] + files[4:]
        for _ in range(2):
            with pytest.raises(BadImage, match=r"^1 of 12 images cannot be read: \S+3\.png \("):
                filling.cached(of(files), 8)
            samples, bad = filling.cached(of(files), 8, skip_bad=True)
            assert torch.equal(torch.tensor(samples.images), in_memory(good))
            assert samples.labels == [0, 1, 2, *range(4, 12)]
            assert bad[0].startswith(f"{files[3]} (")
        assert decoded == [12]

    def test_nothing_but_bad_ones(self, files):
        for file in files:
            file.write_bytes(BROKEN)
        for _ in range(2):
            with pytest.raises(BadImage, match="none of the 12 images can be read, the first is"):
                filling.cached(of(files), 8, skip_bad=True)

    def test_loaders_name_them_each_time(self, files, capsys):
        files[3].write_bytes(BROKEN)
        for _ in range(2):
            dls = ImageDataLoaders.from_folder(
                files[0].parents[1], size=8, bs=2, seed=0, skip_bad=True, device="cpu"
            )
            assert len(dls.train.dataset) + len(dls.valid.dataset) == 11
            assert str(files[3]) in capsys.readouterr().out

    @pytest.mark.parametrize("when", ["before", "while"])
    def test_an_image_that_is_back_is_read(self, files, decoded, monkeypatch, when):
        content, expected = files[3].read_bytes(), in_memory(files)
        with monkeypatch.context() as patch:
            if when == "before":
                files[3].unlink()
            else:  # the key has been made by then
                alone, together = images.read_image, filling.read_together

                def gone(content, *how):
                    if content == files[3].read_bytes():
                        raise BadImage("it is gone")
                    return alone(content, *how)

                def without(contents, *how):
                    read, bad = together(contents, *how), files[3].read_bytes()
                    return [
                        BadImage("it is gone") if content == bad else image
                        for content, image in zip(contents, read, strict=True)
                    ]

                patch.setattr(filling, "read_together", without)
                patch.setattr(images, "read_image", gone)
            assert len(cached(files, skip_bad=True)) == 11
        files[3].write_bytes(content)
        assert torch.equal(cached(files), expected)
        assert decoded == [12, 12]


class TestRoom:
    def test_the_least_recently_used_make_room(self, files, monkeypatch, decoded):
        parts = [files[i : i + 2] for i in range(0, 8, 2)]
        monkeypatch.setattr(cache, "LIMIT", 3 * cache.decoded_size(2, 8))
        for part in [*parts[:3], parts[0], parts[3]]:  # the first is used again
            cached(part)
            time.sleep(0.02)
        assert len(cache.entries()) == 3
        assert len(decoded) == 4
        for number in (3, 0, 2, 1):  # the evicted one is requested last
            cached(parts[number])
        assert len(decoded) == 5

    def test_what_is_larger_is_refused_and_what_is_there_stays(self, files, monkeypatch):
        cached(files[:2])
        monkeypatch.setattr(cache, "LIMIT", cache.decoded_size(12, 8) - 1)
        with pytest.raises(OSError, match="no room") as caught:
            cached(files)
        assert caught.value.errno == errno.ENOSPC
        assert len(cache.entries()) == 1

    def test_both_parts_of_data_that_just_fit_stay(self, files, monkeypatch):
        monkeypatch.setattr(cache, "LIMIT", cache.decoded_size(12, 8))
        cached(files, 6)
        for part in (files[:9], files[9:]):
            cached(part)
        assert sum(entry.size for entry in cache.entries()) == cache.LIMIT

    def test_it_grows_by_half_of_what_is_free(self, files, folder, monkeypatch):
        one = cache.decoded_size(2, 8)
        disk(monkeypatch, free=2 * one)
        assert cache.room() == one
        cached(files[:2])
        disk(monkeypatch, free=one)
        assert cache.room() == one + one // 2
        disk(monkeypatch, free=0)
        assert cache.room() == one  # what is there may be used, or make room for other data
        cached(files[:2])
        cached(files[2:4])
        assert [entry.size for entry in cache.entries()] == [one]

    @pytest.mark.parametrize("where", ["below a file", "read-only", "full"])
    def test_there_is_none_where_nothing_can_be_written(self, folder, monkeypatch, where):
        if where == "below a file":
            folder.write_text("")
        elif where == "full":
            disk(monkeypatch, free=0)
        else:  # root may write everywhere but to what is mounted read-only
            monkeypatch.setattr(cache.os, "access", lambda *_: False)
        assert cache.room() == 0

    def test_what_is_in_use_may_be_removed(self, files):
        mapped = filling.cached(of(files), 8)[0].images
        expected = np.array(mapped)
        assert cache.clear() == cache.decoded_size(12, 8)
        assert np.array_equal(mapped, expected)

    def test_a_file_that_is_larger_than_memory_is_mapped(self, tmp_path):
        side = 1000
        count = 2 * (psutil.virtual_memory().total + psutil.swap_memory().total) // (3 * side**2)
        file = tmp_path / "large.pixels"
        with file.open("wb") as opened:  # of nothing but holes
            opened.truncate(count * 3 * side**2)
            opened.seek(0, os.SEEK_END)
            opened.write(b"\1" * count)
        found = decoded_file.mapped(file, of([b""] * count), side)
        file.unlink()
        assert found.pixels[[0, count - 1]].shape == (2, 3, side, side)


MEASURED = """
import sys
from pathlib import Path
from PIL import Image
from vicinal.data import filling
from vicinal.data.samples import Samples

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

filling.cached(Samples([Path("0.png")], [0]), 500)
before = peak()
filling.cached(Samples([Path("0.png"), Path("1.png")] * 150, [0] * 300), 500)
print(peak() - before, file=sys.stderr)
"""


class TestEarlyWrites:
    """The disk writes while more images are decoded."""

    def test_they_are_the_same(self, files, monkeypatch):
        synced, original = [], os.fsync
        monkeypatch.setattr(filling, "EARLY", 1)
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(file) or original(file))
        assert torch.equal(cached(files), in_memory(files))
        assert len(synced) >= 2

    def test_an_error_is_raised_though_it_is_reported_once(self, files, monkeypatch):
        errors = [OSError(errno.EIO, "Input/output error")]

        def fsync(file):
            if errors:
                raise errors.pop()

        monkeypatch.setattr(filling, "EARLY", 1)
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="Input/output"):
            cached(files)
        assert cache.entries() == []


class TestMemory:
    def test_few_images_are_there_at_a_time(self, files, monkeypatch):
        """Also where the disk is slower than the decoding."""
        alive, most, original = weakref.WeakSet(), [0], filling.read_together

        def read(contents, *how):
            read = original(contents, *how)
            alive.update(read)
            most[0] = max(most[0], len(alive))
            return read

        monkeypatch.setattr(filling, "read_together", read)
        monkeypatch.setattr(images.os, "cpu_count", lambda: 2)
        gc.collect()
        filling.cached(of(files * 20), 8, on_image=lambda: time.sleep(0.001))
        # Those that are ahead, and the ones in the hands of who decodes and who writes them.
        assert 2 <= most[0] <= 2 * images.AHEAD + images.TOGETHER

    @pytest.mark.slow
    @pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux keeps the peak")
    def test_the_peak_is_far_below_what_is_decoded(self, tmp_path):
        for number in range(2):
            noise(50, 50, seed=number).save(tmp_path / f"{number}.png")
        done = subprocess.run(
            [sys.executable, "-c", MEASURED], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        size = max(entry.size for entry in cache.entries())
        assert size == cache.decoded_size(300, 500) > 200 * 2**20
        assert int(done.stderr.split()[-1]) < size / 4
        cache.clear()


DECODING = """
import sys
from pathlib import Path
import torch
from vicinal.data import filling
from vicinal.data.samples import Samples

count, original = 0, filling.read_together
def slow(contents, *arguments):
    global count
    count += len(contents)
    Path(f"started-{sys.argv[1]}").touch()
    torch.rand(1), __import__("time").sleep(float(sys.argv[2]))
    return original(contents, *arguments)
filling.read_together = slow

files = sorted(Path("photos").rglob("*.png"))
samples, _ = filling.cached(Samples(files, [0] * len(files)), 8)
print(count, int(samples.images.sum()))
"""


@pytest.mark.slow
class TestTwoProcesses:
    def start(self, tmp_path, name, seconds):
        return subprocess.Popen(
            [sys.executable, "-c", DECODING, name, str(seconds)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )

    def test_decode_the_same_images_once(self, tmp_path, files, folder):
        processes = [self.start(tmp_path, str(number), 0.1) for number in range(2)]
        said = [process.communicate()[0].split() for process in processes]
        assert sorted(int(count) for count, _ in said) == [0, 12]
        assert {int(total) for _, total in said} == {int(in_memory(files).sum())}
        assert list(folder.iterdir()) == [cache.entries()[0].file]

    def test_one_that_is_killed_leaves_the_work_to_the_other(self, tmp_path, files, folder):
        killed = self.start(tmp_path, "killed", 1)
        while not (tmp_path / "started-killed").exists():
            assert killed.poll() is None
            time.sleep(0.02)
        killed.kill()
        killed.communicate()
        assert cache.entries() == []
        assert len(list(folder.iterdir())) == 2  # its lock, and what it has half-written
        assert torch.equal(cached(files), in_memory(files))
        assert list(folder.iterdir()) == [cache.entries()[0].file]

    def test_what_the_killed_left_half_written_goes(self, files, folder):
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        folder.mkdir()
        half, own = folder / f".{gone.pid}.abc", folder / f".{os.getpid()}.abc"
        half.write_bytes(b"1")
        own.write_bytes(b"1")
        cached(files)
        assert not half.exists()
        assert own.exists()


FULL = """
import resource, signal
from pathlib import Path
from vicinal import ImageDataLoaders

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))  # no file can grow beyond these bytes
dls = ImageDataLoaders.from_folder(Path("photos"), size=8, bs=2, seed=0, device="cpu")
print(type(dls.train.dataset).__name__, len(dls.train.dataset))
"""


@pytest.mark.slow
def test_a_disk_that_is_full_in_the_middle_is_reported_and_done_without(tmp_path, files, folder):
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("the cache cannot be used (File too large): images are in mem")
    assert said[1:] == ["TensorData 10"]
    assert list(folder.iterdir()) == []


def test_the_command_shows_and_clears_it(files, capsys):
    assert run(["cache"]) == 0
    assert "0 of at most" in capsys.readouterr().out
    cached(files * 200, 32)
    assert run(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "7 MB" in shown
    assert ".pixels" in shown
    assert run(["cache", "--clear"]) == 0
    assert "freed:          7 MB" in capsys.readouterr().out
    assert cache.entries() == []
