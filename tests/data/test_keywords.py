"""Words that there are not: each is one sentence, with what to write instead."""

import pandas as pd
import pytest
from PIL import Image

import vicinal
from vicinal import (
    BBoxBlock,
    BBoxLblBlock,
    CategoryBlock,
    DataBlock,
    ImageBlock,
    ImageDataLoaders,
    PILImage,
    PILImageBW,
    PointBlock,
    TabularDataLoaders,
    TabularPandas,
    VicinalError,
    noop,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for number in range(8):
        file = root / ("train", "test")[number > 5] / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(file)
    return root


def images(folder, **options):
    return ImageDataLoaders.from_folder(folder, bs=2, device="cpu", **options)


FRAME = pd.DataFrame({"age": range(8), "buys": ["no", "yes"] * 4})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: DataBlock(batch_tfm=[]), "DataBlock has no argument 'batch_tfm'.*batch_tfms?"),
        (lambda _: DataBlock(item_tfm=[]), "did you mean item_tfms?"),
        (lambda _: DataBlock(get_ys=noop), "did you mean get_y?"),
        (lambda _: DataBlock(colour=1), "'colour': it takes blocks, get_items,"),
        (lambda _: DataBlock(n_inp=2), "one input and one target.*leave out n_inp"),
        (lambda f: images(f, batch_tfm=[]), "no option 'batch_tfm': did you mean batch_tfms?"),
        (lambda f: images(f, devise="cpu"), "no option 'devise': did you mean device?"),
        (lambda f: images(f, colour=1), "no option 'colour': they have bs, val_bs"),
        (lambda f: images(f, train="trian"), "has no folder trian .*: did you mean train?"),
        (lambda f: images(f, valid="vld"), "no folder vld .*: its folders are test, train"),
        (
            lambda _: TabularDataLoaders.from_df(FRAME, y_names="buys", proc=[]),
            "TabularDataLoaders has no argument 'proc': did you mean procs?",
        ),
        (lambda _: DataBlock((ImageBlock, PointBlock)), "take RegressionBlock"),
        (lambda _: DataBlock((ImageBlock, BBoxBlock, BBoxLblBlock)), "DetectionMixUp"),
        (lambda _: ImageBlock(cls=PILImageBW), "not as PILImageBW: leave cls out"),
    ],
)
def test_what_to_write_instead(folder, call, message):
    with pytest.raises(VicinalError, match=message):
        call(folder)


def test_a_list_of_fastcore():
    with pytest.raises(AttributeError, match=r"fastcore\.foundation import L"):
        vicinal.L  # noqa: B018


def test_folders_that_there_are(folder):
    assert len(images(folder, valid="test").valid_ds) == 2


def test_grey_images():
    grey = PILImageBW.create(Image.new("RGB", (6, 4), (255, 0, 0)))
    assert (grey.mode, grey.size, type(grey)) == ("L", (6, 4), PILImageBW)
    assert isinstance(grey, PILImage)
    assert type(grey.to_thumb(2)) is PILImageBW


def test_noop_reads_items_as_they_are():
    items = [(Image.new("RGB", (2, 2), (i, i, i)), "ab"[i % 2]) for i in range(8)]
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        getters=[[noop, lambda item: item[0]], [lambda item: item[1], noop]],
    )
    assert block.dataloaders(items, bs=2, device="cpu").vocab == ["a", "b"]


def test_a_new_block_without_blocks_is_one():
    assert DataBlock().new().datasets(["a"] * 4).train[0] == ("a", "a")


def test_the_parts_of_a_table():
    to = TabularPandas(FRAME, cont_names=["age"], y_names="buys", splits=([0, 1, 2, 5], [3, 4]))
    assert (to.train, to.valid) == ([0, 1, 2, 5], [3, 4])
    assert to.train.items.columns.tolist() == ["age", "buys"]
    assert to.train.items["buys"].tolist() == [0, 1, 0, 1]
    assert str(to.train.show(2)).splitlines()[0].split() == ["age", "buys"]
    assert len(to.show().rows) == 6
    assert to.valid.y.tolist() == [1, 0]
    assert to.xs.shape == (6, 1)
    assert to.ys["buys"].tolist() == [0, 1, 0, 1, 1, 0]
    assert abs(to.train.xs["age"].mean()) < 1e-6
