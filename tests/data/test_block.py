"""DataBlock says the same as the short forms, in parts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal import (
    CategoryBlock,
    ColReader,
    ColSplitter,
    DataBlock,
    GroupSplitter,
    ImageBlock,
    Normalize,
    RandomSplitter,
    RegexLabeller,
    Resize,
    ResizeMethod,
    aug_transforms,
    get_image_files,
    parent_label,
    using_attr,
)
from vicinal.data.images import read_image
from vicinal.data.resizing import Resizing
from vicinal.data.storage import Storage
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError

from .pictures import noise, smooth, write

MEMORY = Storage("memory", "")

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


def parts_of(block, source):
    """The inputs of both parts, and their classes."""
    found = block.labelled(source)
    names = [found.targets.vocab[i] for i in found.targets.values]
    return [([found.x[i] for i in p], [names[i] for i in p]) for p in (found.train, found.valid)]


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
    def first_four_out(items):
        return range(4, len(items)), range(4)

    dls = block(
        get_items=lambda names: [pets / name for name in names],
        get_y=lambda file: file.name[:3],
        splitter=first_four_out,
    ).dataloaders([f"cat_{i}.png" for i in (0, 2, 4, 6, 8)] + ["pug_1.png"], bs=2, device="cpu")
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (2, 4)
    assert [y.tolist() for _, y in dls.valid] == [[0, 0, 0, 0]]


def test_the_random_splitter_holds_out_its_share_by_its_seed():
    first, again, other = (RandomSplitter(0.25, seed)(range(40)) for seed in (1, 1, 2))
    assert len(first[1]) == 10
    assert sorted([*first[0], *first[1]]) == list(range(40))
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
    with pytest.raises(VicinalError, match=rf"such as \(ImageBlock, CategoryBlock\), not {named}"):
        block(blocks=blocks)


def test_other_item_transforms_are_named():
    with pytest.raises(VicinalError, match=r"must be a Resize or a RandomRes.*, not 460"):
        block(item_tfms=460)
    other = type("Resize", (), {"__module__": "fastai.vision.augment"})
    with pytest.raises(VicinalError, match=r"not that of fastai\.vision\.augment: use"):
        block(item_tfms=other())


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(VicinalError, match="none does not exist"):
        block().dataloaders(tmp_path / "none")


def labelled(pets, *values):
    """A block that labels its items by these values in turn."""
    labels = {file: values[i % len(values)] for i, file in enumerate(sorted(pets.iterdir()))}
    return block(get_y=labels.__getitem__)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("cat", None), r"gives None for 10 of 20 items, the first is .*cat_10\.png: give each"),
        (("cat", float("nan")), "gives nan for 10 of 20 items"),
        (("cat", np.float64("nan")), "gives nan for 10 of 20 items"),
        (("cat", pd.NA), "gives <NA> for 10 of 20"),
        (
            ("cat", ["cat", "pug"]),
            r"gives \['cat', 'pug'\] for .*cat_10\.png, and an image has one",
        ),
        (("cat", ("cat", "pug")), "and an image has one class"),
        (("cat", np.array([0, 1])), "and an image has one class"),
        (("cat", 3), r"labels of different types \(int, str\): give texts alone"),
    ],
)
def test_labels_that_are_no_class(pets, values, said):
    with pytest.raises(VicinalError, match=said):
        labelled(pets, *values).dataloaders(pets)


@pytest.mark.parametrize("zero", [0, np.int64(0), torch.tensor(0)])
def test_labels_that_are_numbers(pets, zero):
    dls = labelled(pets, zero, zero + 10).dataloaders(pets, bs=4, device="cpu")
    assert dls.vocab == [0, 10]


def seen_images(dls):
    return [len(part.dataset) for part in (dls.train, dls.valid)]


def test_items_may_be_the_rows_of_a_data_frame(pets):
    files = sorted(pets.iterdir())
    frame = pd.DataFrame(
        {
            "name": [file.stem for file in files],
            "weight": [1.5] * 20,
            "breed": [i % 2 for i in range(20)],
            "is_valid": [i >= 17 for i in range(20)],
        },
        index=[f"row {i}" for i in range(20)],
    )
    readers = {"get_x": ColReader("name", pref=pets, suff=".png"), "get_y": ColReader("breed")}
    dls = block(**readers, splitter=ColSplitter()).dataloaders(frame, bs=4, device="cpu")
    assert dls.vocab == [0, 1]  # whole numbers, beside a column of others
    assert seen_images(dls) == [17, 3]
    assert dls.valid.dataset.y.tolist() == [1, 0, 1]
    by_hand = {"get_x": lambda row: pets / f"{row['name']}.png", "get_y": lambda row: row.breed}
    assert seen_images(block(**by_hand).dataloaders(frame, bs=4, device="cpu")) == [15, 5]
    with pytest.raises(VicinalError, match="rows of a data frame: give get_x"):
        block(get_y=lambda row: row.breed).dataloaders(frame)


def test_items_may_be_a_list(pets):
    pairs = [(file, file.name[:3]) for file in sorted(pets.iterdir())]
    own = {"get_x": lambda pair: pair[0], "get_y": lambda pair: pair[1]}
    dls = block(**own).dataloaders(pairs, bs=4, device="cpu")
    assert_same_batches(dls, block().dataloaders(pets, bs=4, device="cpu"))
    with pytest.raises(VicinalError, match="a folder, a list of items or a data frame, not None"):
        block().dataloaders(None)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (([0, 1], [2], [3]), "two parts, for training and for validation, not 3"),
        (None, "two parts, for training and for validation, not None"),
        (([0, 1], [20]), "gives the index 20, and there are 20 samples"),
        (([True, False], [False, True]), r"indices of each part, as whole numbers, not \[True"),
        ((["cat_0"], ["cat_1"]), "as whole numbers"),
    ],
)
def test_what_a_splitter_may_not_give(pets, parts, said):
    with pytest.raises(VicinalError, match=said):
        block(splitter=lambda items: parts).dataloaders(pets)


def test_parts_may_be_generators(pets):
    parts = ((i for i in range(20) if i % 4), (i for i in range(0, 20, 4)))
    dls = block(splitter=lambda items: parts).dataloaders(pets, device="cpu", bs=4)
    assert seen_images(dls) == [15, 5]


def test_samples_in_both_parts_are_told(pets):
    with pytest.warns(UserWarning, match="2 samples are in the training and in the validation"):
        block(splitter=lambda items: (range(20), [3, 4])).dataloaders(pets, device="cpu", bs=4)


def test_a_summary_says_what_becomes_of_a_source(pets, capsys):
    pugs_first = range(19, -1, -1)
    block(splitter=lambda items: (pugs_first[:15], pugs_first[15:])).summary(pets)
    said = capsys.readouterr().out
    for text in (
        "blocks:     ImageBlock and CategoryBlock",
        "items:      20, the first one ",
        "parts:      15 for training, 5 for validation",
        "target:     'pug', of the same item",
        "classes:    2 (cat, pug)",
        "item_tfms:  Resize(8, 'crop')",
        "batch_tfms: RandomView, Lighting, Normalize",
        "batch:      4x3x6x6 float32, with targets 4 int64, on ",
    ):
        assert text in said
    with pytest.raises(VicinalError, match="the images differ in size"):
        block(item_tfms=None).summary(pets)
    assert "parts:" in capsys.readouterr().out


def test_data_sets_are_read_one_by_one(pets):
    made = block().datasets(pets)
    assert (len(made.train), len(made.valid), made.vocab) == (15, 5, ["cat", "pug"])
    image, label = made.valid[0]
    assert image.size[1] == 8
    assert made.vocab[label] == made.valid.items[0].name[:3]


def test_a_block_with_other_transforms(pets):
    other = block().new(item_tfms=Resize(5), batch_tfms=aug_transforms(mult=2))
    assert other.dataloaders(pets, bs=4, device="cpu").one_batch()[0].shape == (4, 3, 5, 5)
    same = block().new().dataloaders(pets, bs=4, device="cpu")
    assert_same_batches(same, block().dataloaders(pets, bs=4, device="cpu"))


def test_getters_in_one_list_and_functions_in_turn(pets):
    pairs = [(file, file.name) for file in get_image_files(pets)]
    dls = block(get_y=None, getters=[lambda pair: pair[0], [lambda pair: pair[1], lambda n: n[:3]]])
    assert_same_batches(
        dls.dataloaders(pairs, bs=4, device="cpu"), block().dataloaders(pets, bs=4, device="cpu")
    )
    with pytest.raises(VicinalError, match="getters are two functions, in the place of get_x and"):
        block(getters=[len, len])


def test_what_is_missing_is_named(pets):
    with pytest.raises(VicinalError, match="give get_y, from an item to its class"):
        DataBlock((ImageBlock, CategoryBlock)).dataloaders(pets)
    with pytest.raises(VicinalError, match="there are no items"):
        block().dataloaders([])
    with pytest.raises(VicinalError, match="Resize is for item_tfms, not for batch_tfms"):
        block(batch_tfms=[Resize(6)]).dataloaders(pets)
    for other in (Normalize, [Normalize], [lambda x: x]):
        with pytest.raises(VicinalError, match="batch_tfms must be a list of vicinal's transforms"):
            block(batch_tfms=other).dataloaders(pets)
    with pytest.raises(VicinalError, match=r"images have no option 'shufle'"):
        block().dataloaders(pets, shufle=True)
    with pytest.raises(VicinalError, match=r"resized once .*, not by Resize\(8, 'crop'\) and Res"):
        block(item_tfms=[Resize(8), Resize(9)])
    with pytest.raises(VicinalError, match="one of zeros, border, reflection, not 'mirror'"):
        Resize(8, "pad", pad_mode="mirror")


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({"splitter": RandomSplitter}, r"splitter=RandomSplitter\(…\)"),
        ({"item_tfms": Resize}, r"item_tfms=Resize\(224\)"),
        ({"batch_tfms": aug_transforms}, r"batch_tfms=aug_transforms\(\)"),
    ],
)
def test_what_is_not_called_is_named_with_the_call(pets, options, call):
    with pytest.raises(VicinalError, match=rf"^.{{,25}} is not called: give {call}$"):
        block(**options).dataloaders(pets)


@pytest.mark.parametrize("method", ["crop", "squish", "pad"])
def test_resizing_by_fastai_s_words(tmp_path, method):
    wide = smooth(10, 40)
    write(tmp_path, **{f"{'ab'[i % 2]}__{i}": wide for i in range(6)})
    given = getattr(ResizeMethod, method.capitalize())  # by fastai's names
    resize = Resize((8, 16), method=given, pad_mode="zeros")
    made = DataBlock(get_y=parent_label, item_tfms=[resize])
    dls = made.dataloaders(tmp_path, bs=2, device="cpu", storage=MEMORY)
    assert dls.train.dataset.x[0].equal(read_image(wide, Resizing(8, 16, method)))
    assert dls.stack([wide]).equal(dls.train.dataset.x[:1])


def test_another_way_to_resize_is_named():
    with pytest.raises(VicinalError, match="'stretch' is no way to resize: use crop, squish or"):
        Resize(8, "stretch")
    with pytest.raises(VicinalError, match=r"a size is a side .* or \(height, width\), not '8x9'"):
        Resize("8x9")


def test_groups_stay_whole(pets):
    """By a function of files, of rows, and as an expression for a folder."""
    files = get_image_files(pets)
    number = using_attr(RegexLabeller(r"_(\d+)"), "stem")

    def group(file):
        return int(number(file)) // 4

    by_files = block(splitter=GroupSplitter(group, 0.4, seed=1)).dataloaders(pets, bs=4)
    frame = pd.DataFrame({"file": files, "breed": [file.name[:3] for file in files]})
    by_rows = block(
        get_x=lambda row: row.file,
        get_y=lambda row: row.breed,
        splitter=GroupSplitter(lambda row: group(row.file), 0.4, seed=1),
    )
    assert_same_batches(by_files, by_rows.dataloaders(frame, bs=4))
    made = parts_of(block(splitter=GroupSplitter(group, 0.4, seed=1)), pets)
    train, valid = ({group(image) for image in images} for images, _ in made)
    assert not train & valid
    assert train | valid == set(range(5))
    dls = ImageDataLoaders.from_name_re(pets, PATTERN, group=r"_(\d)", seed=1, size=8, bs=4)
    assert len(dls.valid.dataset) + len(dls.train.dataset) == 20


def test_copies_stay_on_one_side_and_rare_classes_in_training(tmp_path):
    images = {f"{'ab'[i % 2]}__{i}": noise(seed=i // 4) for i in range(40)}
    write(tmp_path, **images, c__0=noise(seed=99))
    for seed in range(5):
        splitter = RandomSplitter(seed=seed)
        made = parts_of(DataBlock(get_y=parent_label, splitter=splitter), tmp_path)
        train, valid = ({file.read_bytes() for file in images} for images, _ in made)
        assert not train & valid
        assert "c" in made[0][1]
