"""Splitters, readers, loaders and transforms of images, beside fastai's own."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import two_loaders
from PIL import Image
from two_loaders import loaders_of_images

import vicinal
from vicinal.data.cropping import RandomCropping
from vicinal.data.images import read_image

pytestmark = pytest.mark.xdist_group("fastai")


@pytest.fixture(scope="module")
def fastai():
    from fastai.vision import all as fastai

    return fastai


def image(height, width, seed):
    """Noise that is smooth enough to be resampled alike in several ways."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for i in range(20):
        file = root / ("valid" if i >= 15 else "train") / "ab"[i % 2] / f"{'xy'[i % 2]}_{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image(8, 8, i).save(file)
    image(8, 8, 20).save(root / "stray_20.png")
    return root


def files_of(folder):
    return sorted(folder.glob("*/*/*.png"))


ITEMS = [Path(f"{part}/{'ab'[i % 2]}/{i}.jpg") for part in ("train", "valid") for i in range(7)]


@pytest.mark.parametrize(
    "make",
    [
        lambda words: words.GrandparentSplitter(),
        lambda words: words.GrandparentSplitter(train_name="valid", valid_name="train"),
        lambda words: words.IndexSplitter([3, 1]),
        lambda words: words.FuncSplitter(lambda item: item.parent.name == "b"),
        lambda words: words.MaskSplitter([i % 3 == 0 for i in range(14)]),
        lambda words: words.EndSplitter(0.3),
        lambda words: words.EndSplitter(0.3, valid_last=False),
        lambda words: words.TrainTestSplitter(random_state=3),
        lambda words: words.TrainTestSplitter(0.5, 3, stratify=[i % 2 for i in range(14)]),
        lambda words: words.RandomSubsetSplitter(0.5, 0.3, seed=4),
        lambda words: words.RandomSplitter(0.5, seed=42),
    ],
)
def test_splitters_of_items(fastai, make):
    own, theirs = (make(words)(ITEMS) for words in (vicinal, fastai))
    assert [list(map(int, part)) for part in own] == [list(map(int, part)) for part in theirs]


def test_the_splitter_by_a_file(fastai, tmp_path):
    names = tmp_path / "valid.txt"
    names.write_text("1.jpg\n5.jpg\n")
    own, theirs = (words.FileSplitter(names)(ITEMS) for words in (vicinal, fastai))
    assert own == tuple(map(list, theirs))


FRAME = pd.DataFrame(
    {
        "name": ["p", "q", "r"],
        "tags": ["cat dog", "", "dog"],
        "is_valid": [False, True, False],
        "fold": [0, 1, 2],
    }
)


@pytest.mark.parametrize(
    "make",
    [
        lambda words: words.ColSplitter(),
        lambda words: words.ColSplitter(2),
        lambda words: words.ColSplitter("fold", on=2),
        lambda words: words.ColSplitter("fold", on=[0, 2]),
    ],
)
def test_splitters_of_frames(fastai, make):
    own, theirs = (make(words)(FRAME) for words in (vicinal, fastai))
    assert own == tuple(map(list, theirs))


@pytest.mark.parametrize(
    "make",
    [
        lambda words: words.ColReader("name"),
        lambda words: words.ColReader(0, pref="a/", suff=".jpg"),
        lambda words: words.ColReader("name", pref=Path("a"), suff=".jpg"),
        lambda words: words.ColReader("tags", label_delim=" "),
        lambda words: words.ColReader(["name", "fold"]),
        lambda words: words.ItemGetter("tags"),
        lambda words: words.AttrGetter("name"),
        lambda words: words.AttrGetter("nothing", default=7),
    ],
)
@pytest.mark.parametrize("row", range(3))
def test_readers(fastai, make, row):
    row = FRAME.iloc[row].astype(object)
    own, theirs = (make(words)(row) for words in (vicinal, fastai))
    assert own == (list(theirs) if isinstance(own, list) else theirs)


@pytest.mark.parametrize(
    ("pat", "match", "name"),
    [(r"(.+)_\d+", False, "x_y_7.jpg"), (r"/([^/]+)/\d", False, "a/b/7"), ("x_(.)", True, "x_y")],
)
def test_labellers(fastai, pat, match, name):
    own, theirs = (words.RegexLabeller(pat, match=match)(name) for words in (vicinal, fastai))
    assert own == theirs
    if match:
        with pytest.raises(vicinal.VicinalError, match=r"'a_x_y' does not match"):
            vicinal.RegexLabeller(pat, match=True)("a_x_y")


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"recurse": False},
        {"folders": "valid"},
        {"folders": ["train", "valid"]},
        {"folders": ["."]},
        {"folders": [".", "valid"]},
    ],
)
def test_files(fastai, folder, how):
    own, theirs = (words.get_image_files(folder, **how) for words in (vicinal, fastai))
    assert own == sorted(theirs)


@pytest.mark.parametrize(
    "make",
    [
        lambda words, path, files, **how: words.from_name_re(path, files, r"^(.)_", **how),
        lambda words, path, files, **how: words.from_path_re(path, files, r"/(.)/[^/]*$", **how),
        lambda words, path, files, **how: words.from_name_func(path, files, lambda n: n[0], **how),
        lambda words, path, files, **how: words.from_path_func(
            path, files, vicinal.parent_label, valid_pct=0.3, **how
        ),
        lambda words, path, files, **how: words.from_lists(
            path, files, [f.parent.name for f in files], **how
        ),
        lambda words, path, files, **how: words.from_folder(path, **how),
        lambda words, path, files, **how: words.from_folder(path, "valid", "train", **how),
        lambda words, path, files, **how: words.from_df(frame_of(path, files), path, **how),
        lambda words, path, files, **how: words.from_df(
            frame_of(path, files), path, label_col="kind", valid_col="held", **how
        ),
    ],
)
def test_loaders(fastai, folder, make):
    files = files_of(folder)
    own, theirs = (
        make(words.ImageDataLoaders, folder, files, seed=5, bs=4, num_workers=0, device="cpu")
        for words in (vicinal, fastai)
    )
    assert own.vocab == list(theirs.vocab)
    for mine, other in ((own.train_ds, theirs.train_ds), (own.valid_ds, theirs.valid_ds)):
        expected = {name(x): int(y) for x, (_, y) in zip(rows(other.items), other, strict=True)}
        found = {name(x): int(y) for x, (_, y) in zip(mine.items, mine, strict=True)}
        assert found == expected
    assert own.path == theirs.path
    assert len(own.train) == len(theirs.train)


def rows(items):
    """Of a data frame the rows."""
    return [row for _, row in items.iterrows()] if hasattr(items, "iterrows") else items


def name(item):
    if isinstance(item, tuple):  # a file and its label
        return Path(item[0]).name
    return Path(item["file"] if hasattr(item, "iloc") else getattr(item, "file", item)).name


def frame_of(path, files):
    rows = [(str(f.relative_to(path)), f.parent.name, f.parts[-3] == "valid") for f in files]
    return pd.DataFrame(rows, columns=["file", "kind", "held"])


@pytest.mark.parametrize(
    ("make", "valid"),
    [
        (lambda words: words.GrandparentSplitter(), range(15, 20)),
        (lambda words: words.IndexSplitter([3, 1]), [3, 1]),
        (lambda words: words.FuncSplitter(lambda file: file.parent.name == "b"), range(1, 20, 2)),
        (lambda words: words.EndSplitter(0.25), range(15, 20)),
        (lambda words: words.MaskSplitter([i < 2 for i in range(20)]), [0, 1]),
    ],
)
def test_splitters_of_theirs_in_a_block_of_ours(fastai, folder, make, valid):
    files = sorted(files_of(folder), key=lambda file: int(file.stem[2:]))
    for words in (vicinal, fastai):
        block = vicinal.DataBlock(get_y=words.parent_label, splitter=make(words))
        found = block.labelled(files)
        assert list(found.valid) == list(valid)
        assert sorted([*found.train, *found.valid]) == list(range(20))


def test_random_splitters_and_readers_of_theirs_in_a_block_of_ours(fastai, folder):
    for splitter in (fastai.RandomSplitter(seed=3), fastai.TrainTestSplitter(random_state=3)):
        found = vicinal.DataBlock(get_y=vicinal.parent_label, splitter=splitter).labelled(folder)
        assert (len(found.train), len(found.valid)) in ((17, 4), (16, 5))
    block = vicinal.DataBlock(
        get_x=fastai.ColReader("file", pref=folder),
        get_y=fastai.ColReader("kind"),
        splitter=fastai.ColSplitter("held"),
    )
    files = files_of(folder)
    found = block.labelled(frame_of(folder, files))
    assert [files[i].parts[-3] for i in found.valid] == ["valid"] * 5
    assert [found.targets.vocab[i] for i in found.targets.values] == [f.parent.name for f in files]
    assert list(map(Path, found.x)) == files


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (30, 30)])
@pytest.mark.parametrize("method", ["crop", "squish"])
def test_resized_images_of_validation(fastai, shape, method):
    picture = image(*shape, seed=1)
    theirs = fastai.Resize((12, 16), method=method)(fastai.PILImage(picture), split_idx=1)
    own = read_image(picture, vicinal.Resize((12, 16), method=method).item_size)
    assert differ(own, theirs) < 6


@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
@pytest.mark.parametrize("pad_mode", ["zeros", "border", "reflection", None])
def test_padded_images_of_validation(fastai, shape, pad_mode):
    picture = image(*shape, seed=1)
    how = {} if pad_mode is None else {"pad_mode": pad_mode}
    pad = fastai.Resize((24, 24), fastai.ResizeMethod.Pad, **how)
    theirs = torch.from_numpy(np.array(pad(fastai.PILImage(picture), split_idx=1)))
    own = read_image(picture, vicinal.Resize((24, 24), vicinal.ResizeMethod.Pad, **how).item_size)
    # They pad first and resize then, which blurs the edge.
    off = (own.int() - theirs.permute(2, 0, 1).int()).abs().float()
    assert off.mean() < 6
    assert off.median() < 4


@pytest.mark.parametrize("shape", [(100, 140), (150, 60), (90, 90)])
def test_the_whole_image_is_seen_in_validation(fastai, shape):
    picture = image(*shape, seed=1)
    theirs = fastai.RandomResizedCrop((40, 48))(fastai.PILImage(picture), split_idx=1)
    own = read_image(picture, vicinal.RandomResizedCrop((40, 48)).item_size)
    assert differ(own, theirs) < 6


def differ(own, theirs):
    """The largest difference, of values of 0 to 255."""
    return (own.int() - torch.from_numpy(np.array(theirs)).permute(2, 0, 1).int()).abs().max()


@pytest.mark.parametrize("shape", [(100, 150), (300, 60)])
def test_crops_are_drawn_alike(fastai, shape):
    """Mean and deviation of left, top, width and height, with 99.99 % confidence."""
    height, width = shape
    theirs = fastai.RandomResizedCrop(32, min_scale=0.35)
    own = RandomCropping(32, 32, min_scale=0.35)
    generator = torch.Generator().manual_seed(0)
    import random

    random.seed(0)
    drawn, expected = [], []
    for _ in range(2000):
        (left, top, right, bottom), _ = own.drawn(generator).placed(height, width)
        drawn.append((left, top, right - left, bottom - top))
        theirs.before_call(SimpleNamespace(size=(width, height), shape=None), 0)
        expected.append((*theirs.tl, *theirs.cp_size))
    drawn, expected = np.array(drawn, float), np.array(expected, float)
    error = np.sqrt((drawn.var(0) + expected.var(0)) / 2000)
    assert (abs(drawn.mean(0) - expected.mean(0)) <= 4.5 * error + 0.5).all()
    spread = expected.std(0)
    assert (abs(drawn.std(0) - spread) <= 0.08 * spread + 0.5).all()


def test_normalization(fastai):
    x = torch.rand(2, 3, 4, 4)
    assert vicinal.imagenet_stats == fastai.imagenet_stats
    assert (vicinal.cifar_stats, vicinal.mnist_stats) == (fastai.cifar_stats, fastai.mnist_stats)
    theirs = fastai.Normalize.from_stats(*fastai.imagenet_stats, cuda=False)
    own = vicinal.Normalize.from_stats(*vicinal.imagenet_stats)
    torch.testing.assert_close(own.valid(x), torch.as_tensor(theirs(fastai.TensorImage(x))))


def test_addresses(fastai):
    own = {name: url for name, url in vars(vicinal.URLs).items() if name.isupper()}
    assert own == {name: getattr(fastai.URLs, name) for name in own}
    assert len(own) == 36


def test_an_item_of_a_part(fastai, folder):
    how = {"item_tfms": vicinal.Resize(8), "bs": 4, "device": "cpu"}
    own = vicinal.ImageDataLoaders.from_folder(folder, **how).valid_ds
    theirs = fastai.ImageDataLoaders.from_folder(folder, num_workers=0, device="cpu").valid_ds
    by_name = dict(zip([file.name for file in theirs.items], theirs, strict=True))
    for file, (x, y) in zip(own.items, own, strict=True):
        other, label = by_name[file.name]
        assert np.array_equal(x, other)
        assert int(label) == y
        assert math.prod(x.size) == 64


CLASSES = ["dog", "cat", "bee"]


@pytest.mark.parametrize(
    ("block", "get_y"),
    [
        (lambda words: words.CategoryBlock, lambda n: CLASSES[n % 3]),
        (lambda words: words.CategoryBlock(vocab=CLASSES), lambda n: CLASSES[n % 3]),
        (lambda words: words.CategoryBlock(vocab=CLASSES, sort=False), lambda n: CLASSES[n % 3]),
        (lambda words: words.CategoryBlock(sort=False), lambda n: CLASSES[n % 3]),
        (lambda words: words.CategoryBlock, lambda n: n % 3 == 0),
        (lambda words: words.CategoryBlock, lambda n: n % 3 + 9),
        (lambda words: words.CategoryBlock, lambda n: n % 3 / 2),
        (lambda words: words.CategoryBlock, lambda n: np.int64(n % 3)),
        (lambda words: words.MultiCategoryBlock, lambda n: [n % 3 + 9]),
        (lambda words: words.MultiCategoryBlock(vocab=CLASSES), lambda n: CLASSES[n % 3 :]),
        (
            lambda words: words.MultiCategoryBlock(encoded=True, vocab=CLASSES),
            lambda n: [n % 2, 1, 0],
        ),
    ],
)
def test_classes_are_the_same_in_the_same_order(block, get_y):
    theirs, ours = (
        loaders_of_images(
            words, 10, block(words), get_y, splitter=words.RandomSplitter(0.3, seed=4)
        )
        for words in (two_loaders.fastai, vicinal)
    )
    assert ours.vocab == [*theirs.vocab]
    assert ours.vocab == [*ours.train.vocab] == [*theirs.train.vocab] == [*ours.train_ds.vocab]
    assert ours.c == theirs.c
    for own, other in ((ours.train_ds, theirs.train_ds), (ours.valid_ds, theirs.valid_ds)):
        assert own.items == list(other.items)
        assert [y.tolist() for _, y in own] == [y.tolist() for _, y in other]
    if ours.is_classes:
        for places in (1, torch.tensor(1), [0, 1], torch.tensor([1, 0]), slice(0, 2)):
            assert ours.vocab[places] == theirs.vocab[places]
        assert ours.vocab.o2i == dict(theirs.vocab.o2i)


def test_a_given_vocab_of_folders_is_sorted(fastai, folder):
    theirs, ours = (
        words.ImageDataLoaders.from_folder(
            folder, vocab=["b", "a", "c"], item_tfms=words.Resize(8), bs=4, device="cpu"
        )
        for words in (fastai, vicinal)
    )
    assert ours.vocab == [*theirs.vocab] == ["a", "b", "c"]
    given = {
        Path(file): int(y)
        for file, (_, y) in zip(theirs.valid_ds.items, theirs.valid_ds, strict=True)
    }
    assert [int(y) for _, y in ours.valid_ds] == [given[Path(f)] for f in ours.valid_ds.items]


def test_both_parts_are_called_alike():
    theirs, ours = (loaders_of_images(words) for words in (two_loaders.fastai, vicinal))
    for dls in (theirs, ours):
        assert dls[0] is dls.train
        assert dls[1] is dls.valid
        assert len(dls.loaders) == 2
        assert dls.train.bs == dls.bs == 3
        assert [tuple(each.shape) for each in dls.valid.one_batch()] == [(2, 3, 8, 8), (2,)]
        assert len(dls.train.one_batch()[1]) == 3
