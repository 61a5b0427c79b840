"""DataBlock says the same as the short forms, in parts."""

from pathlib import Path

import pytest
import torch

from vicinal.data.augment import Normalize, aug_transforms
from vicinal.data.block import (
    CategoryBlock,
    DataBlock,
    ImageBlock,
    RandomSplitter,
    RegexLabeller,
    Resize,
    get_image_files,
    parent_label,
    using_attr,
)
from vicinal.data.samples import Samples
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError

from .pictures import noise, write

PATTERN = r"(.+)_\d+.png$"


@pytest.fixture
def pets(tmp_path):
    images = {f"{'pug' if i % 2 else 'cat'}_{i}": noise(8, 9 + i % 3, seed=i) for i in range(20)}
    return write(tmp_path, **images)


def block(**kwargs):
    default = {
        "blocks": (ImageBlock, CategoryBlock),
        "get_items": get_image_files,
        "splitter": RandomSplitter(0.25, seed=42),
        "get_y": using_attr(RegexLabeller(PATTERN), "name"),
        "item_tfms": Resize(8),
        "batch_tfms": aug_transforms(size=6, min_scale=0.75),
    }
    return DataBlock(**default | kwargs)


def seen(dls):
    return [batch for part in (dls.train, dls.valid) for batch in part]


def assert_same_batches(one, other):
    for (x, y), (other_x, other_y) in zip(seen(one), seen(other), strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


def test_is_the_long_form_of_from_name_re(pets):
    dls = block().dataloaders(pets, bs=4, device="cpu")
    short = ImageDataLoaders.from_name_re(
        pets,
        PATTERN,
        valid_pct=0.25,
        seed=42,
        item_size=8,
        size=6,
        min_scale=0.75,
        bs=4,
        device="cpu",
    )
    assert (dls.vocab, dls.c, dls.item_size) == (short.vocab, short.c, short.item_size)
    assert_same_batches(dls, short)


def test_blocks_may_be_instances(pets):
    dls = block(blocks=(ImageBlock(), CategoryBlock())).dataloaders(pets, bs=4, device="cpu")
    assert_same_batches(dls, block().dataloaders(pets, bs=4, device="cpu"))


def test_a_seed_of_its_own_goes_before_the_splitter_s(pets):
    one, other = (block().dataloaders(pets, bs=4, device="cpu", seed=seed) for seed in (1, 2))
    assert torch.equal(next(iter(one.valid))[0], next(iter(other.valid))[0])
    assert not torch.equal(one.one_batch()[0], other.one_batch()[0])


def test_statistics_among_the_changes_take_the_place_of_imagenet_s(pets):
    own = Normalize([0.5] * 3, [0.5] * 3)
    tfms = [own, *aug_transforms(size=6)]
    dls = block(batch_tfms=tfms).dataloaders(pets, bs=4, device="cpu")
    assert dls.normalize is own
    assert dls.train.transforms == [*tfms[1:], own]


def test_classes_may_come_from_folders(tmp_path):
    write(tmp_path, **{f"{'pug' if i % 2 else 'cat'}__{i}": noise(seed=i) for i in range(10)})
    dls = DataBlock(get_y=parent_label).dataloaders(tmp_path, bs=4, device="cpu")
    assert dls.vocab == ["cat", "pug"]
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (8, 2)


def test_items_and_splitter_may_be_any_function(pets):
    def first_four_out(samples):
        return samples.subset(range(4, len(samples))), samples.subset(range(4))

    dls = block(
        get_items=lambda names: [pets / name for name in names],
        get_y=lambda file: file.name[:3],
        splitter=first_four_out,
    ).dataloaders([f"cat_{i}.png" for i in (0, 2, 4, 6, 8)] + ["pug_1.png"], bs=2, device="cpu")
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (2, 4)
    assert [y.tolist() for _, y in dls.valid] == [[0, 0, 0, 0]]


def test_the_random_splitter_holds_out_its_share_by_its_seed():
    samples = Samples(list(range(40)), [0] * 40)
    first, again, other = (RandomSplitter(0.25, seed)(samples)[1].images for seed in (1, 1, 2))
    assert len(first) == 10
    assert first == again != other


@pytest.mark.parametrize("name", ["great_pug_7.png", Path("great_pug_7.png")])
def test_the_regex_labeller_takes_names_and_paths(name):
    assert RegexLabeller(PATTERN)(name) == "great_pug"


def test_the_regex_labeller_says_what_is_wrong():
    with pytest.raises(VicinalError, match="has no group"):
        RegexLabeller(r".+_\d+")
    with pytest.raises(VicinalError, match=r"'pug\.png' does not match"):
        RegexLabeller(PATTERN)("pug.png")


def test_using_attr_applies_a_function_to_an_attribute():
    assert using_attr(len, "suffix")(Path("images/pug.jpeg")) == 5


@pytest.mark.parametrize("path", ["train/pug/7.jpg", Path("pug/7.jpg")])
def test_the_parent_folder_is_the_label(path):
    assert parent_label(path) == "pug"


@pytest.mark.parametrize(
    ("blocks", "named"),
    [
        ((ImageBlock,), r"\(ImageBlock\)"),
        ((ImageBlock, ImageBlock), r"\(ImageBlock, ImageBlock\)"),
        ((CategoryBlock, ImageBlock), r"\(CategoryBlock, ImageBlock\)"),
        ((str, 3), r"\(str, int\)"),
        ((), r"\(\)"),
    ],
)
def test_other_blocks_are_named(blocks, named):
    with pytest.raises(VicinalError, match=rf"must be \(ImageBlock, CategoryBlock\), not {named}"):
        block(blocks=blocks)


def test_other_item_transforms_are_named():
    with pytest.raises(VicinalError, match="item_tfms must be a Resize, not 460"):
        block(item_tfms=460)


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(VicinalError, match="none does not exist"):
        block().dataloaders(tmp_path / "none")
