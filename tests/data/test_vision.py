"""Labelled images from file names and folders, in memory and streamed."""

import errno
import os
import re
import tempfile
from zlib import crc32

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vicinal.data import cache, decoded_file, images, storage, whole_images
from vicinal.data.augment import IMAGENET_STATS, Normalize, RandomView
from vicinal.data.decoded_on_demand import DecodedOnDemand
from vicinal.data.folders import image_files, name_labeller, split_by_folder, split_by_name
from vicinal.data.image_data import StreamedImages
from vicinal.data.images import BadImage, read_image
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples, Split
from vicinal.data.split_loader import TensorData
from vicinal.data.storage import choose_storage, storage_of
from vicinal.data.vision import ImageDataLoaders, cut_off, one_size, shapes_of
from vicinal.errors import VicinalError

from .pictures import BROKEN, encoded, noise, pixels, write

PATTERN = r"(.+)_\d+.png$"


@pytest.fixture(autouse=True)
def _an_empty_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path_factory.mktemp("cache")))


KINDS = {"mapped": DecodedOnDemand, "memory": TensorData, "streamed": StreamedImages}


def store(monkeypatch, kind):
    """Leave so little of what goes before it that images are stored in this way."""
    if kind != "mapped":
        monkeypatch.setattr(cache, "LIMIT", 0)
    if kind == "streamed":
        monkeypatch.setattr(storage, "MEMORY_SHARE", 0)


@pytest.fixture
def streaming(monkeypatch):
    store(monkeypatch, "streamed")


def named(folder, broken=(), count=24):
    """pug_0, cat_1, pug_2, … of several sizes."""
    names = [f"{'pug' if i % 2 == 0 else 'great_cat'}_{i}" for i in range(count)]
    images = {
        name: BROKEN + bytes([i]) if i in broken else noise(8 + i % 3, 10, seed=i)
        for i, name in enumerate(names)
    }
    return write(folder, **images)


def from_name_re(folder, **kwargs):
    default = {"seed": 0, "item_size": 6, "bs": 4, "device": "cpu"}
    return ImageDataLoaders.from_name_re(folder, PATTERN, **default | kwargs)


def seen(part, epochs=1):
    given = [batch for _ in range(epochs) for batch in part]
    return torch.cat([x for x, _ in given]), torch.cat([y for _, y in given])


def files_of(samples, vocab):
    """(file name, class) of each sample."""
    return [
        (image.name, vocab[label])
        for image, label in zip(samples.images, samples.labels, strict=True)
    ]


class TestFromNameRe:
    def test_the_class_is_read_off_the_name(self, tmp_path):
        split = split_by_name(named(tmp_path), PATTERN, 0.25, seed=0)
        assert split.vocab == ["great_cat", "pug"]
        for part in (split.train, split.valid):
            assert all(name.startswith(label) for name, label in files_of(part, split.vocab))

    def test_the_share_is_held_out(self, tmp_path):
        split = split_by_name(named(tmp_path), PATTERN, 0.25, seed=0)
        assert (len(split.train), len(split.valid)) == (18, 6)
        assert len({*split.train.images, *split.valid.images}) == 24

    def test_the_seed_decides_the_split_and_the_batches(self, tmp_path):
        named(tmp_path)
        first, again, other = (from_name_re(tmp_path, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(seen(first.train)[0], seen(again.train)[0])
        assert torch.equal(seen(first.valid)[0], seen(again.valid)[0])
        assert not torch.equal(seen(first.valid)[0], seen(other.valid)[0])

    def test_batches_hold_the_images_with_their_labels(self, tmp_path):
        split = split_by_name(named(tmp_path), PATTERN, 0.2, seed=0)
        dls = from_name_re(tmp_path)
        x, y = seen(dls.valid)
        expected = torch.stack([read_image(file, 6) for file in split.valid.images])
        torch.testing.assert_close(x, Normalize(*IMAGENET_STATS).valid(expected))
        assert y.tolist() == split.valid.labels
        assert (dls.vocab, dls.c, dls.bs) == (["great_cat", "pug"], 2, 4)

    def test_sizes(self, tmp_path):
        dls = from_name_re(named(tmp_path), item_size=8, size=6, min_scale=0.5)
        assert dls.one_batch()[0].shape == (4, 3, 6, 6)
        assert next(iter(dls.valid))[0].shape == (5, 3, 6, 6)
        view = dls.train.transforms[0]
        assert isinstance(view, RandomView)
        assert (view.size, view.min_scale) == (6, 0.5)

    def test_without_a_size_images_have_to_be_of_one(self, tmp_path):
        with pytest.raises(VicinalError, match=r"the images differ in size .* give a size"):
            from_name_re(named(tmp_path), item_size=None)

    def test_without_a_size_images_of_one_keep_it(self, tmp_path):
        write(tmp_path, **{f"{'ab'[i % 2]}_{i}": noise(7, 7, seed=i) for i in range(10)})
        assert from_name_re(tmp_path, item_size=None).one_batch()[0].shape == (4, 3, 7, 7)

    def test_own_changes_and_statistics(self, tmp_path):
        own = Normalize([0.5] * 3, [0.5] * 3)
        dls = from_name_re(named(tmp_path), batch_tfms=[], normalize=own)
        assert dls.train.transforms == dls.valid.transforms == [own]

    def test_hidden_files_are_no_images(self, tmp_path):
        named(tmp_path)
        write(tmp_path, **{".pug_1": None, ".thumbnails__dog_1": None})
        assert from_name_re(tmp_path).vocab == ["great_cat", "pug"]

    def test_a_name_that_does_not_match_is_named(self, tmp_path):
        write(named(tmp_path), pug=None)
        with pytest.raises(VicinalError, match=r"the name 'pug\.png' does not match the pattern"):
            split_by_name(tmp_path, PATTERN, 0.2, 0)

    def test_a_group_that_took_no_part_is_no_match(self):
        label = name_labeller(r"(?:(pug)|cat)_\d")
        assert label("pug_1") == "pug"
        with pytest.raises(VicinalError, match="'cat_1' does not match"):
            label("cat_1")

    def test_a_pattern_without_group(self, tmp_path):
        with pytest.raises(VicinalError, match=r"has no group: put .* in parentheses"):
            split_by_name(named(tmp_path), r".+_\d+", 0.2, 0)

    def test_a_pattern_that_is_none(self, tmp_path):
        with pytest.raises(VicinalError, match=r"'\(' is no regular expression: missing \)"):
            split_by_name(named(tmp_path), "(", 0.2, 0)

    def test_one_class(self, tmp_path):
        write(tmp_path, pug_1=None, pug_2=None)
        with pytest.raises(VicinalError, match="only the class 'pug': training needs two"):
            from_name_re(tmp_path)

    def test_a_batch_size_larger_than_the_data(self, tmp_path):
        with pytest.raises(VicinalError, match="batch size 64 is larger than the 19 training"):
            from_name_re(named(tmp_path), bs=64)

    def test_folders_that_tell_the_part(self, tmp_path):
        write(tmp_path / "train", pug_1=None, pug_2=None, cat_1=None)
        write(tmp_path / "valid", cat_2=noise(seed=3), pug_3=noise(seed=4))
        split = split_by_name(tmp_path, r"(.+)_\d", 0.2, 0)
        assert {file.parent.name for file in split.valid.images} == {"valid"}
        assert (sorted(split.train.labels), sorted(split.valid.labels)) == ([0, 1, 1], [0, 1])
        assert split.notes == ["validation: the folder valid"]

    def test_a_folder_that_is_missing(self, tmp_path):
        with pytest.raises(VicinalError, match=r"none does not exist: give the folder"):
            from_name_re(tmp_path / "none")

    def test_a_folder_without_images(self, tmp_path):
        (tmp_path / "notes.txt").touch()
        with pytest.raises(VicinalError, match=r"holds no images, but notes\.txt: give a folder"):
            from_name_re(tmp_path)

    def test_a_file_in_place_of_a_folder(self, tmp_path):
        file = named(tmp_path) / "pug_0.png"
        with pytest.raises(VicinalError, match=r"pug_0\.png is a file: give the folder"):
            from_name_re(file)


def class_folders(root, **counts):
    names = [f"{name}__{i}" for name, count in counts.items() for i in range(count)]
    seeds = {name: crc32(f"{root.name}/{name}".encode()) for name in names}
    return write(root, **{name: noise(seed=seed) for name, seed in seeds.items()})


class TestFromFolder:
    def test_training_and_validation_folders(self, tmp_path):
        class_folders(tmp_path / "train", pug=5, cat=4)
        class_folders(tmp_path / "valid", pug=2, cat=3, ant=1)
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["ant", "cat", "pug"]
        assert sorted(split.train.labels) == [1] * 4 + [2] * 5
        assert sorted(split.valid.labels) == [0] + [1] * 3 + [2] * 2
        unknown = "unknown: 1 validation sample is of a class that no training sample has: ant"
        assert split.notes == ["validation: the folder valid", unknown]
        for part in (split.train, split.valid):
            for file, label in zip(part.images, part.labels, strict=True):
                assert file.parent.name == split.vocab[label]

    @pytest.mark.parametrize(
        ("train", "valid"),
        [("train", "val"), ("Train", "Test"), ("training", "validation"), ("train", "testing")],
    )
    def test_other_names_of_the_folders(self, tmp_path, train, valid):
        class_folders(tmp_path / train, pug=5, cat=4)
        class_folders(tmp_path / valid, pug=2, cat=3)
        split = split_by_folder(tmp_path, 0.2, 0)
        assert (len(split.train), len(split.valid)) == (9, 5)

    def test_validation_goes_before_test(self, tmp_path):
        class_folders(tmp_path / "train", pug=5, cat=4)
        class_folders(tmp_path / "test", pug=1, cat=1)
        class_folders(tmp_path / "val", pug=2, cat=3)
        left_out = "left out: 2 images beside train, in test"
        assert split_by_folder(tmp_path, 0.2, 0).notes == [left_out, "validation: the folder val"]

    def test_a_training_folder_alone(self, tmp_path):
        class_folders(tmp_path / "train", pug=6, cat=4)
        class_folders(tmp_path / "unlabelled", none=3)
        split = split_by_folder(tmp_path, 0.3, 0)
        assert split.vocab == ["cat", "pug"]
        assert (len(split.train), len(split.valid)) == (7, 3)
        held_out = "validation: 3 images held out at random (30%)"
        assert split.notes == ["left out: 3 images beside train, in unlabelled", held_out]

    def test_a_class_that_is_called_like_a_part(self, tmp_path):
        class_folders(tmp_path, car=4, train=5, val=3)
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["car", "train", "val"]
        assert len(split.train) + len(split.valid) == 12

    def test_an_image_beside_the_class_folders_of_a_part(self, tmp_path):
        class_folders(tmp_path / "train", pug=6, cat=4)
        write(tmp_path / "train", cover=noise(seed=99))
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["cat", "pug"]
        assert "left out: 1 image in no class folder: cover.png" in split.notes

    def test_a_test_part_without_classes(self, tmp_path):
        class_folders(tmp_path / "train", pug=6, cat=4)
        write(tmp_path / "test", unknown=None, other=None)
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["cat", "pug"]
        assert split.notes[0] == "left out: 2 images beside train, in test"

    def test_a_validation_part_beside_classes(self, tmp_path):
        class_folders(tmp_path, pug=6, cat=4)
        class_folders(tmp_path / "valid", pug=2, cat=3)
        with pytest.raises(VicinalError, match="holds the part valid, but none that is called tr"):
            split_by_folder(tmp_path, 0.2, 0)

    def test_images_that_are_no_squares_stay_as_they_are(self, tmp_path):
        for i in range(12):
            for name in ("pug", "cat"):
                file = tmp_path / name / f"{i}.png"
                file.parent.mkdir(exist_ok=True)
                noise(10, 30, seed=i + 100 * (name == "cat")).save(file)
        dls = ImageDataLoaders.from_folder(tmp_path, bs=4, batch_tfms=[], seed=0, device="cpu")
        data, labels = dls.valid.dataset, next(iter(dls.valid))[1]
        assert (len(data), labels.shape) == (5, (5,))
        x = dls.test_batch(sorted((tmp_path / "pug").iterdir())[:2])
        assert x.shape == (2, 3, 10, 30)
        noise(30, 10).save(tmp_path / "other.png")
        with pytest.raises(VicinalError, match=r"other\.png has 30x10 pixels, the training"):
            dls.test_batch([tmp_path / "other.png"])

    def test_class_folders_alone(self, tmp_path):
        class_folders(tmp_path, pug=6, cat=4)
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["cat", "pug"]
        assert (len(split.train), len(split.valid)) == (8, 2)
        assert split.notes == ["validation: 2 images held out at random (20%)"]

    def test_images_may_lie_deeper_in_their_class_folder(self, tmp_path):
        write(tmp_path / "train", pug__2024__may__1=None, pug__2=None, cat__a__1=None)
        write(tmp_path / "valid", pug__1=None, cat__b__1=None)
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["cat", "pug"]
        assert sorted(split.train.labels) == [0, 1, 1]

    def test_hidden_folders_are_no_classes(self, tmp_path):
        class_folders(tmp_path, pug=6, cat=4)
        write(tmp_path, **{".checkpoints__1": None, "cat__.hidden": None})
        split = split_by_folder(tmp_path, 0.2, 0)
        assert split.vocab == ["cat", "pug"]
        assert len(split.train) + len(split.valid) == 10

    def test_an_image_in_no_class_folder_is_named(self, tmp_path):
        write(class_folders(tmp_path, pug=6, cat=4), **dict.fromkeys(["stray", "other"]))
        with pytest.raises(VicinalError, match=r"other\.png is in no class folder: .*pattern"):
            split_by_folder(tmp_path, 0.2, 0)

    def test_batches(self, tmp_path):
        class_folders(tmp_path / "train", pug=6, cat=6)
        class_folders(tmp_path / "valid", pug=2, cat=3)
        dls = ImageDataLoaders.from_folder(tmp_path, size=6, bs=4, seed=0, device="cpu")
        x, y = seen(dls.valid)
        assert x.shape == (5, 3, 6, 6)
        assert y.tolist() == [0, 0, 0, 1, 1]
        assert sorted(seen(dls.train)[1].tolist()) == [0] * 6 + [1] * 6

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda root: root / "none", "none does not exist"),
            (lambda root: root, "holds no images"),
            (lambda root: write(root, a=None) / "a.png", r"a\.png is a file"),
        ],
        ids=["missing", "empty", "file"],
    )
    def test_no_folder_of_images(self, tmp_path, make, message):
        with pytest.raises(VicinalError, match=message):
            ImageDataLoaders.from_folder(make(tmp_path))


class TestStorage:
    @pytest.mark.parametrize(("kind", "workers"), [("memory", 0), ("streamed", 0), ("streamed", 2)])
    def test_batches_are_the_same_wherever_images_are(self, tmp_path, monkeypatch, kind, workers):
        named(tmp_path)
        mapped = from_name_re(tmp_path)
        store(monkeypatch, kind)
        other = from_name_re(tmp_path, workers=workers)
        assert type(mapped.train.dataset) is type(mapped.valid.dataset) is DecodedOnDemand
        assert type(other.train.dataset) is type(other.valid.dataset) is KINDS[kind]
        for name in ("train", "valid"):
            expected, given = (seen(getattr(dls, name), 2) for dls in (mapped, other))
            torch.testing.assert_close(given[0], expected[0])
            assert torch.equal(given[1], expected[1])

    @pytest.mark.parametrize("kind", KINDS)
    def test_corrupt_images_are_left_out_where_asked(self, tmp_path, monkeypatch, capsys, kind):
        named(tmp_path, broken=range(0, 24, 5))
        store(monkeypatch, kind)
        split = split_by_name(tmp_path, PATTERN, 0.2, 0)
        good = [int(file.stem.split("_")[-1]) % 5 != 0 for file in split.valid.images]
        assert 0 < sum(good) < len(good)
        dls = from_name_re(tmp_path, skip_bad=True, workers=0)
        x, y = seen(dls.valid)
        good_files = [file for file, fine in zip(split.valid.images, good, strict=True) if fine]
        expected = torch.stack([read_image(file, 6) for file in good_files])
        torch.testing.assert_close(x, Normalize(*IMAGENET_STATS).valid(expected))
        labels = [y for y, fine in zip(split.valid.labels, good, strict=True) if fine]
        assert y.tolist() == labels
        if kind != "streamed":
            said = capsys.readouterr().out
            assert re.search(r"left out: \d of \d+ images .*_\d*[05]\.png", said)

    @pytest.mark.parametrize("kind", ["mapped", "memory"])
    def test_a_class_whose_images_are_all_corrupt(self, tmp_path, monkeypatch, capsys, kind):
        store(monkeypatch, kind)
        class_folders(tmp_path, cat=4, dog=4)
        write(tmp_path / "fox", **{f"{i}": BROKEN + bytes([i]) for i in range(3)})
        ImageDataLoaders.from_folder(tmp_path, size=6, bs=2, device="cpu", skip_bad=True)
        assert (
            "emptied: no training image can be read of 1 of 3 classes: fox"
            in capsys.readouterr().out
        )

    @pytest.mark.parametrize("kind", ["mapped", "memory"])
    def test_a_corrupt_image_is_named(self, tmp_path, monkeypatch, kind):
        store(monkeypatch, kind)
        named(tmp_path, broken=[5])
        for _ in range(2):
            with pytest.raises(BadImage, match=r"^1 of \d+ images .*great_cat_5\.png .*skip_bad"):
                from_name_re(tmp_path)

    @pytest.mark.parametrize("kind", ["mapped", "memory"])
    def test_nothing_but_corrupt_images(self, tmp_path, monkeypatch, kind):
        store(monkeypatch, kind)
        with pytest.raises(BadImage, match="none of the 19 images can be read, the first is"):
            from_name_re(named(tmp_path, broken=range(24)), skip_bad=True)

    @pytest.mark.parametrize("kind", ["mapped", "memory"])
    @pytest.mark.parametrize("fault", ["deleted", "cut off"])
    def test_a_file_that_goes_bad_while_others_are_decoded(
        self, tmp_path, monkeypatch, kind, fault
    ):
        store(monkeypatch, kind)
        split = split_by_name(named(tmp_path), PATTERN, 0.2, 0)
        last = split.train.images[-1]
        content = last.read_bytes()
        module, name = (decoded_file, "encoded") if kind == "mapped" else (images, "read_image")
        original = getattr(module, name)

        def read(image, *size):
            if image == split.train.images[1]:
                last.unlink() if fault == "deleted" else last.write_bytes(content[:100])
            return original(image, *size)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, read)
            patch.setattr(images, "processors", lambda: 1)
            patch.setattr(whole_images, "PREFETCHED", 0)
            with pytest.raises(BadImage, match=f"1 of 19 images cannot be read: {last} "):
                from_name_re(tmp_path).prepare()
        last.write_bytes(content)
        expected = torch.stack([read_image(file, 6) for file in split.train.images])
        read, _ = from_name_re(tmp_path).train.dataset.__getitems__(range(19))
        assert torch.equal(read, expected)

    def test_images_without_content_are_held_in_memory(self):
        pictures = [noise(6, 6, seed=i) for i in range(12)]
        decoded = torch.stack([pixels(image) for image in pictures])
        for kind in (pictures, decoded):
            part = Samples(kind, [0, 1] * 6)
            split = Split(part, part, ["a", "b"])
            assert storage_of(split, 6).kind == "memory"
            dls = ImageDataLoaders.from_split(split, item_size=6, bs=4, device="cpu")
            assert torch.equal(dls.train.dataset.x, decoded)

    @pytest.mark.parametrize("when", ["at first", "in the end"])
    def test_a_cache_that_turns_out_to_be_full_is_done_without(
        self, tmp_path, monkeypatch, capsys, when
    ):
        expected = seen(from_name_re(named(tmp_path / "a"), item_size=7).valid)[0]
        cache.clear()

        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        owner, name = (tempfile, "mkstemp") if when == "at first" else (os, "fsync")
        monkeypatch.setattr(owner, name, full)
        dls = from_name_re(tmp_path / "a", item_size=7)
        assert isinstance(dls.train.dataset, TensorData) == (when == "at first")
        dls.prepare()
        assert torch.equal(seen(dls.valid)[0], expected)
        said = capsys.readouterr().out
        assert "the cache cannot be used (No space left on device): images are in mem" in said
        assert list(cache.folder().iterdir()) == []

        monkeypatch.setattr(storage, "MEMORY_SHARE", 0)
        dls = from_name_re(tmp_path / "a", item_size=7, workers=1)
        assert isinstance(dls.train.dataset, StreamedImages) == (when == "at first")
        for _ in range(2):
            torch.testing.assert_close(seen(dls.valid)[0], expected)
        how = "1 process" if when == "at first" else "this process"
        assert capsys.readouterr().out.count(f"images are streamed through {how}: ") == 1

    @given(
        needed=st.integers(0, 10**12),
        free=st.integers(0, 10**12),
        room=st.integers(0, 10**12),
        workers=st.integers(0, 8),
    )
    def test_what_is_chosen_fits(self, needed, free, room, workers):
        chosen = choose_storage(needed, free=free, room=room, workers=workers)
        fits = {"mapped": needed <= room, "memory": needed <= free / 2, "streamed": True}
        assert fits[chosen.kind]
        before = list(fits)[: list(fits).index(chosen.kind)]
        assert not any(fits[kind] for kind in before)

    @pytest.mark.parametrize(
        ("needed", "free", "room", "workers", "text"),
        [
            (
                60e9,
                20e9,
                70e9,
                2,
                "mapped from the cache, 60.0 GB on disk: decoded at first use, and kept",
            ),
            (6e8, 2e10, 0, 2, "in memory, 600.0 MB (half of 20.0 GB free is the limit)"),
            (
                6e10,
                2e10,
                3e9,
                2,
                "streamed through 2 processes: 60.0 GB are too many for memory (10.0 GB) and cache "
                "(3.0 GB)",
            ),
            (
                9,
                2,
                0,
                0,
                "streamed through this process: 9 bytes are too many for memory (1 byte) and cache "
                "(0 bytes)",
            ),
        ],
    )
    def test_the_description(self, needed, free, room, workers, text):
        chosen = choose_storage(int(needed), free=int(free), room=int(room), workers=workers)
        assert chosen.text == text

    def test_it_is_chosen_by_this_machine_and_these_images(self, monkeypatch):
        samples = Samples([b""] * 500, [0] * 500)
        split = Split(samples, samples, ["a", "b"])
        needed = 1000 * (3 * 10 * 10 + 1)
        memory = type("Memory", (), {"available": 2 * needed})
        monkeypatch.setattr(storage.psutil, "virtual_memory", lambda: memory)
        monkeypatch.setattr(cache, "LIMIT", needed)
        assert storage_of(split, 10).kind == "mapped"
        assert storage_of(split, 10, may_cache=False).kind == "memory"
        assert storage_of(split, 11).kind == "streamed"
        cache.LIMIT = needed - 1
        assert storage_of(split, 10).kind == "memory"
        assert storage_of(split, 11, workers=3).text.startswith("streamed through 3 processes")


class TestStreaming:
    def test_one_batch_in_the_middle_of_an_epoch_changes_nothing(self, tmp_path, streaming):
        named(tmp_path)
        expected = seen(from_name_re(tmp_path, workers=0).train)[0]
        dls = from_name_re(tmp_path, workers=2)
        given = []
        for x, _ in dls.train:
            dls.one_batch()
            given.append(x)
        torch.testing.assert_close(torch.cat(given), expected)

    def test_streaming_leaves_the_number_of_threads_alone(self, tmp_path, streaming):
        threads = torch.get_num_threads()
        list(from_name_re(named(tmp_path), workers=0).train)
        assert torch.get_num_threads() == threads

    def test_decoded_images_are_streamed_too(self, streaming):
        images = torch.stack([pixels(noise(8, 8, seed=i)) for i in range(12)])
        split = Split(Samples(images, [0, 1] * 6), Samples(images[:5], [0] * 5), ["a", "b"])
        dls = ImageDataLoaders.from_split(split, item_size=4, bs=4, workers=0, device="cpu")
        expected = dls.test_batch([noise(8, 8, seed=i) for i in range(5)])
        assert seen(dls.valid)[0].shape == expected.shape == (5, 3, 4, 4)
        assert (seen(dls.valid)[0] - expected).abs().max() < 0.05

    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("name", ["train", "valid"])
    def test_a_corrupt_image_is_named_in_one_sentence(self, tmp_path, streaming, workers, name):
        split = split_by_name(named(tmp_path), PATTERN, 0.2, 0)
        file = getattr(split, name).images[2]
        file.write_bytes(BROKEN)
        dls = from_name_re(tmp_path, workers=workers)
        sentence = rf"^1 of \d images cannot be read: {re.escape(str(file))} \([^\n]+\); repair or"
        with pytest.raises(BadImage, match=rf"{sentence}[^\n]+\Z"):
            list(getattr(dls, name))

    def test_worker_processes_leave_out_corrupt_images_where_asked(self, tmp_path, streaming):
        named(tmp_path, broken=range(0, 24, 5))
        alone, helped = (from_name_re(tmp_path, skip_bad=True, workers=n) for n in (0, 2))
        for name in ("train", "valid"):
            expected, given = (seen(getattr(dls, name)) for dls in (alone, helped))
            torch.testing.assert_close(given[0], expected[0])
            assert torch.equal(given[1], expected[1])
        assert 12 <= len(expected[1]) + len(seen(helped.train)[1]) < 24

    def test_a_batch_of_nothing_but_corrupt_images_is_passed_over(self, tmp_path, streaming):
        split = split_by_name(named(tmp_path), PATTERN, 0.2, 0)
        split.valid.images[4].write_bytes(BROKEN)
        dls = from_name_re(tmp_path, bs=2, skip_bad=True, workers=0)
        assert [len(y) for _, y in dls.valid] == [4]

    def test_nothing_but_corrupt_images(self, tmp_path, streaming):
        dls = from_name_re(named(tmp_path, broken=range(24)), skip_bad=True, workers=0)
        with pytest.raises(VicinalError, match="none of the 19 samples can be read"):
            list(dls.train)


class TestSizes:
    def test_parts_of_two_sizes_need_a_size(self):
        def part(side):
            return Samples([noise(side, side, seed=i) for i in range(6)], [0, 1] * 3)

        split = Split(part(6), part(7), ["a", "b"])
        with pytest.raises(VicinalError, match=r"6x6 pixels, validation images 7x7\): give a size"):
            ImageDataLoaders.from_split(split, bs=2)
        dls = ImageDataLoaders.from_split(split, bs=2, item_size=5, device="cpu")
        assert next(iter(dls.valid))[0].shape == (4, 3, 5, 5)

    def test_files_pil_images_and_tensors_to_be_predicted_are_treated_alike(self, tmp_path):
        dls = from_name_re(named(tmp_path))
        split = split_by_name(tmp_path, PATTERN, 0.2, 0)
        expected, _ = seen(dls.valid)
        torch.testing.assert_close(dls.test_batch(split.valid.images), expected)
        opened = [Image.open(file) for file in split.valid.images]
        torch.testing.assert_close(dls.test_batch(opened), expected)
        decoded = [read_image(file, 6) for file in split.valid.images]
        torch.testing.assert_close(dls.test_batch(decoded), expected)


class TestShapes:
    def size(self, *images):
        return one_size(shapes_of(Samples(list(images), [0] * len(images))))

    def test_images_of_one_size(self):
        assert self.size(*[encoded(noise(9, 9, seed=i)) for i in range(5)]) == 9
        assert self.size(*[encoded(noise(9, 8, seed=i)) for i in range(5)]) == (9, 8)

    def test_other_images(self):
        assert self.size(encoded(noise(9, 9)), encoded(noise(8, 8))) is None

    def test_corrupt_images_are_passed_over(self):
        assert self.size(BROKEN, encoded(noise(9, 9))) == 9
        assert self.size(BROKEN) is None

    def test_few_are_read_where_they_differ(self):
        class Counted(list):
            read = 0

            def __getitem__(self, index):
                Counted.read += 1
                return super().__getitem__(index)

        images = Counted(encoded(noise(8 + i % 2, 9)) for i in range(64))
        assert len(shapes_of(Samples(images, [0] * 64))) == Counted.read == 8

    @pytest.mark.parametrize(
        ("shapes", "size", "share"),
        [([(8, 8)], 4, 0), ([(10, 40)], 4, 0.75), ([(10, 40)], (4, 16), 0), ([], 4, 0)],
    )
    def test_what_a_crop_cuts_off(self, shapes, size, share):
        assert cut_off(shapes, size) == pytest.approx(share)


@pytest.mark.parametrize("kind", KINDS)
def test_oblong_sizes_wherever_images_are(tmp_path, monkeypatch, kind):
    store(monkeypatch, kind)
    named(tmp_path, count=12)
    dls = ImageDataLoaders.from_name_re(
        tmp_path, PATTERN, seed=1, item_size=(8, 12), size=(6, 10), bs=4, device="cpu", workers=0
    )
    assert isinstance(dls.train.dataset, KINDS[kind])
    assert dls.item_size == Resizing(8, 12)
    assert dls.one_batch()[0].shape == (4, 3, 6, 10)
    x, _ = next(iter(dls.valid))
    split = split_by_name(tmp_path, PATTERN, 0.2, 1)
    expected = dls.test_batch([read_image(file, Resizing(8, 12)) for file in split.valid.images])
    torch.testing.assert_close(x, expected)
    torch.testing.assert_close(dls.test_batch(split.valid.images), expected)


def test_image_files_are_listed_in_order(tmp_path):
    write(tmp_path, b__1=None, a__2=None)
    assert [file.name for file in image_files(str(tmp_path))] == ["2.png", "1.png"]
