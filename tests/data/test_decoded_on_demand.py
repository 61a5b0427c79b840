"""Images that are decoded when a batch needs them: the same pixels, and what may go wrong."""

import errno
import gc
import os
import pickle
import subprocess
import sys
from threading import Thread

import numpy as np
import pytest
import torch

from vicinal.data import cache, filling, images, whole_images
from vicinal.data.decoded_on_demand import DecodedOnDemand, MappedImages, on_demand
from vicinal.data.filling import cached
from vicinal.data.images import BadImage, decode
from vicinal.data.samples import Samples

from .pictures import BROKEN, encoded, noise, smooth

COUNT = 30
#: The start and the end are as they should be, and the pixels are not there.
HOLLOW = encoded(noise(40, 40))[:60] + bytes(200) + encoded(noise())[-12:]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path):
    """PNG and JPEG files, half of which have one size."""
    found = []
    for number in range(COUNT):
        kind, side = ("JPEG", ".jpg") if number % 3 else ("PNG", ".png")
        found.append(tmp_path / f"{number:02}{side}")
        height = 24 if number % 2 else 24 + number
        found[-1].write_bytes(encoded(noise(height, 24, seed=number), kind))
    return found


@pytest.fixture
def read(monkeypatch):
    """How many images were decoded each time that some were."""
    counts, original = [], filling.read_together

    def counted(contents, *how):
        counts.append(len(contents))
        return original(contents, *how)

    monkeypatch.setattr(filling, "read_together", counted)
    return counts


def of(stored):
    return Samples(stored, list(range(len(stored))))


def refused(error):
    raise AssertionError(error)


def made(stored, size=8, instead=refused):
    return on_demand(of(stored), size, instead)


def batches(count=COUNT, size=8, seed=0):
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return [batch.tolist() for batch in order.split(size)]


class TestPixels:
    @pytest.mark.parametrize("held", [0, images.PREFETCHED])
    def test_they_are_those_of_images_that_are_decoded_at_once(
        self, files, read, held, monkeypatch
    ):
        monkeypatch.setattr(whole_images, "PREFETCHED", held)
        expected = decode(of(files), 8)[0].images
        data = made(files)
        assert isinstance(data, DecodedOnDemand)
        assert read == []
        for batch in batches()[:2]:
            x, y = data.__getitems__(batch)
            assert torch.equal(x, expected[batch])
            assert y.tolist() == batch
        assert sum(read) == 16
        for batch in batches():
            assert torch.equal(data.__getitems__(batch)[0], expected[batch])
        assert sum(read) == COUNT
        assert torch.equal(torch.tensor(data.x), expected)

    def test_the_file_is_the_one_of_images_that_are_decoded_at_once(self, files):
        cached(of(files), 8)
        (entry,) = cache.entries()
        content = entry.file.read_bytes()
        cache.clear()
        data = made(files)
        for batch in batches():
            data.__getitems__(batch)
        (other,) = cache.entries()
        assert other.file == entry.file
        assert other.file.read_bytes() == content

    def test_the_next_training_finds_it(self, files, read):
        first = made(files)
        for batch in batches():
            first.__getitems__(batch)
        read.clear()
        again = made(files)
        assert isinstance(again, MappedImages)
        assert np.array_equal(again.x, first.x)
        assert read == []

    def test_those_of_a_dropped_last_batch_are_decoded_with_the_last_whole_one(self, files):
        data = made(files)
        for batch in batches(size=8)[:-2]:
            data.__getitems__(batch)
        assert (data.missing, cache.entries()) == (14, [])
        data.__getitems__(batches(size=8)[-2])
        assert data.missing == 0
        assert len(cache.entries()) == 1

    @pytest.mark.parametrize("indices", [range(3), [-1, 0, -1], np.array([2, 2])])
    def test_indices_of_all_kinds(self, files, indices):
        expected = decode(of(files), 8)[0].images
        assert torch.equal(made(files).__getitems__(indices)[0], expected[list(indices)])

    def test_one_that_is_not_there(self, files):
        with pytest.raises(IndexError):
            made(files).__getitems__([COUNT])

    @pytest.mark.parametrize("how", ["x", "pickle", "prepare"])
    def test_all_at_a_time(self, files, how):
        data = made(files)
        data.__getitems__([3, 4])
        if how == "pickle":
            data = pickle.loads(pickle.dumps(data))
        elif how == "prepare":
            done = []
            data.complete(lambda: done.append(1))
            assert len(done) == COUNT - 2
        assert torch.equal(torch.tensor(data.x), decode(of(files), 8)[0].images)
        assert len(cache.entries()) == 1

    def test_two_threads(self, files, read):
        expected, data, wrong = decode(of(files), 8)[0].images, made(files), []

        def look(seed):
            read = [(batch, data.__getitems__(batch)[0]) for batch in batches(seed=seed)]
            wrong.extend(batch for batch, x in read if not torch.equal(x, expected[batch]))

        threads = [Thread(target=look, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert sum(read) == COUNT

    def test_two_data_sets_of_the_same_images(self, files):
        """As training and validation parts can be; neither waits for the other."""
        one, other = made(files), made(files)
        for batch in batches():
            assert torch.equal(one.__getitems__(batch)[0], other.__getitems__(batch)[0])
        assert len(list(cache.folder().iterdir())) == 1
        assert np.array_equal(one.x, other.x)

    def test_all_of_it_is_taken_from_who_was_faster(self, files, read):
        data = made(files)
        data.__getitems__([0])
        cached(of(files), 8)
        read.clear()
        expected = decode(of(files), 8)[0].images
        assert torch.equal(torch.tensor(data.x), expected)
        assert read == []
        assert len(list(cache.folder().iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_reads_and_leaves_the_file_to_its_parent(files):
    expected, data = decode(of(files), 8)[0].images, made(files)
    data.__getitems__([0, 1])
    if os.fork() == 0:
        good = torch.equal(data.__getitems__([1, 2])[0], expected[[1, 2]])
        good = good and torch.equal(torch.tensor(data.x), expected)
        del data
        gc.collect()
        os._exit(0 if good else 1)
    assert os.wait()[1] == 0
    assert cache.entries() == []
    assert torch.equal(torch.tensor(data.x), expected)
    assert len(cache.entries()) == 1


class TestBadImages:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("empty", b""),
            ("text", BROKEN),
            ("cut JPEG", encoded(smooth(90, 90), "JPEG")[:-100]),
            ("no header", encoded(smooth(90, 90), "JPEG")[:30] + b"\xff\xd9"),
            ("cut PNG", encoded(noise(40, 40))[:-100]),
            ("cut GIF", encoded(noise(40, 40), "GIF")[:-100]),
            ("cut WebP", encoded(noise(40, 40), "WEBP")[:-100]),
            ("cut BMP", encoded(noise(40, 40), "BMP")[:-100]),
            ("cut TIFF", encoded(noise(40, 40), "TIFF")[:1000]),
            ("missing", None),
        ],
    )
    def test_most_are_found_before_the_first_batch(self, files, read, name, content):
        files[7].unlink() if content is None else files[7].write_bytes(content)
        for _ in range(2):
            with pytest.raises(BadImage, match=rf"^1 of {COUNT} images cannot .*{files[7]} .*skip"):
                made(files)
        assert sum(read) == COUNT  # so that the count is right, and --skip-bad reads no more
        samples, bad = cached(of(files), 8, skip_bad=True)
        good = files[:7] + files[8:]
        assert torch.equal(torch.tensor(samples.images), decode(of(good), 8)[0].images)
        assert len(bad) == 1
        assert sum(read) == COUNT
        assert len(list(cache.folder().iterdir())) == 1

    def test_one_that_is_damaged_in_its_middle_ends_the_training(self, files, read):
        files[3].write_bytes(HOLLOW)
        files[20].write_bytes(HOLLOW)
        data = made(files)
        good = [index for index in range(COUNT) if index not in (3, 20)]
        assert len(data.__getitems__(good[:8])[0]) == 8
        sentence = rf"^2 of {COUNT} images cannot be read, the first is {files[3]} .*skip_bad"
        for indices in ([20, 9], good[:8]):  # there is no way around it
            with pytest.raises(BadImage, match=sentence):
                data.__getitems__(indices)
        with pytest.raises(BadImage, match=sentence):
            data.complete()
        assert sum(read) == COUNT
        samples, _ = cached(of(files), 8, skip_bad=True)
        assert samples.labels == good
        expected = decode(of([files[index] for index in good]), 8)[0].images
        assert torch.equal(torch.tensor(samples.images), expected)
        assert sum(read) == COUNT

    def test_nothing_but_bad_ones(self, files):
        for file in files:
            file.write_bytes(HOLLOW)
        data = made(files)
        with pytest.raises(BadImage, match=f"none of the {COUNT} images can be read, the first is"):
            data.__getitems__([0])

    def test_a_repaired_image_is_read(self, files):
        content = files[3].read_bytes()
        files[3].write_bytes(HOLLOW)
        with pytest.raises(BadImage):
            made(files).complete()
        files[3].write_bytes(content)
        assert torch.equal(torch.tensor(made(files).x), decode(of(files), 8)[0].images)

    @pytest.mark.parametrize("held", [0, images.PREFETCHED])
    def test_a_file_that_changes_after_it_was_looked_at(self, files, monkeypatch, held):
        """The key is that of what was decoded: the changed file is another image."""
        monkeypatch.setattr(whole_images, "PREFETCHED", held)
        before, data = decode(of(files), 8)[0].images, made(files)
        files[5].write_bytes(encoded(noise(24, 24, seed=99)))
        after = decode(of(files), 8)[0].images
        assert not torch.equal(before[5], after[5])
        assert torch.equal(torch.tensor(data.x), before if held else after)
        assert torch.equal(torch.tensor(made(files).x), after)

    def test_of_what_is_no_file_nothing_is_decoded_here(self, folder):
        for stored in ([noise(9, 9)] * 3, [encoded(noise()), torch.zeros(3, 9, 9)]):
            with pytest.raises(OSError, match="no files"):
                made(stored)
        assert not folder.exists()


class TestDisk:
    @pytest.mark.parametrize("when", ["pwrite", "fsync", "replace"])
    def test_one_that_fails_is_done_without(self, files, folder, monkeypatch, when):
        expected, errors = decode(of(files), 8)[0].images, []

        def instead(error):
            errors.append(error.errno)
            return MappedImages(expected.numpy() + 1, torch.arange(COUNT))

        data = made(files, instead=instead)
        assert torch.equal(data.__getitems__([0, 1])[0], expected[:2])

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, when, full)
        monkeypatch.setattr(filling, "EARLY", 1)
        read = torch.tensor(data.x)
        assert torch.equal(read, expected + 1)  # what was there already is not trusted either
        assert torch.equal(data.__getitems__([0, 1])[0], read[:2])
        assert errors == [errno.ENOSPC]
        assert list(folder.glob(".decoding*")) == cache.entries() == []

    def test_the_disk_fails_and_what_takes_its_place_is_interrupted(self, files, monkeypatch):
        expected, left = decode(of(files), 8)[0].images, [KeyboardInterrupt]

        def instead(error):
            if left:
                raise left.pop()
            return MappedImages(expected.numpy(), torch.arange(COUNT))

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        data = made(files, instead=instead)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(KeyboardInterrupt):
            data.complete()
        assert torch.equal(data.__getitems__([4, 1])[0], expected[[4, 1]])
        assert left == cache.entries() == []

    def test_files_that_are_being_filled_have_their_share_of_the_room(self, files, monkeypatch):
        needed = cache.decoded_size(COUNT, 8)
        monkeypatch.setattr(cache, "LIMIT", 3 * needed)
        data = made(files)
        assert 2 * needed <= cache.room() < 3 * needed
        del data
        gc.collect()
        assert cache.room() == 3 * needed

    def test_what_is_not_needed_any_more_is_removed(self, files, folder):
        data = made(files)
        data.__getitems__([0])
        assert len(list(folder.iterdir())) == 1
        del data
        gc.collect()
        assert list(folder.iterdir()) == []

    def test_what_was_read_is_not_held_for_longer(self, files):
        samples = of(files)
        data = on_demand(samples, 8, refused)
        data.__getitems__([5])
        assert samples.prefetched.keys() == {*range(COUNT)} - {5}
        del data
        gc.collect()
        assert samples.prefetched == {}

    def test_it_goes_on_after_an_interruption(self, files, monkeypatch):
        expected, data = decode(of(files), 8)[0].images, made(files)
        original = filling.read_together

        def interrupted(contents, *how):
            raise KeyboardInterrupt

        monkeypatch.setattr(filling, "read_together", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.__getitems__([0, 1])
        monkeypatch.setattr(filling, "read_together", original)
        assert torch.equal(data.__getitems__([0, 1])[0], expected[:2])
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.complete()
        assert torch.equal(torch.tensor(data.x), expected)
        assert torch.equal(data.__getitems__([7])[0], expected[[7]])
        assert cache.entries() == []


ENDED = """
import os, signal, sys
from pathlib import Path
from vicinal.data.decoded_on_demand import on_demand
from vicinal.data.samples import Samples

files = sorted(Path().glob("[0-9]*"))
data = on_demand(Samples(files, [0] * len(files)), 8, None)
data.__getitems__([0, 1])
print(len(os.listdir(os.environ["VICINAL_CACHE"])))
if sys.argv[1] == "end":
    sys.exit()
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "left"), [("SIGINT", 0), ("end", 0), ("SIGKILL", 1)])
def test_what_is_left_when_the_process_ends(tmp_path, files, folder, how, left):
    done = subprocess.run(
        [sys.executable, "-c", ENDED, how], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "1\n", done.stderr
    assert len(list(folder.iterdir())) == left
    assert torch.equal(torch.tensor(made(files).x), decode(of(files), 8)[0].images)
    assert list(folder.iterdir()) == [cache.entries()[0].file]
