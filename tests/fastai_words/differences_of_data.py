"""Where what the loaders give differs from fastai on purpose: rows of docs/fastai.md."""

import importlib
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from rows import row
from two_loaders import fastai, loaders_of_images, network

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.tabular.all as tabular
    import fastai.text.all as text

import vicinal
from vicinal import VicinalError
from vicinal.absent import NAMES


@row(
    "`loss_func=lambda preds, targs: (preds - targs).abs().mean()` in regression of one value",
    "broadcasts: compares each prediction (N, 1) with each target (N,)",
    "is an error, which says so; with `nn.MSELoss()` it works",
)
def _():
    def loss(preds, targs):
        return (preds - targs).abs().mean()

    theirs, ours = (
        library.Learner(loaders_of_images(library), network(), loss_func=loss)
        for library in (fastai, vicinal)
    )
    with theirs.no_bar():
        theirs.fit(1)
    preds, targs = theirs.get_preds()
    assert (preds - targs).shape == (2, 2)
    with pytest.raises(VicinalError, match="compares each output"):
        ours.fit(1)
    ours.loss_func = torch.nn.MSELoss()
    preds, targs = ours.get_preds()
    assert ours.validate()[0] == pytest.approx(float((preds.squeeze() - targs).square().mean()))


def tables(y_names):
    frame = pd.DataFrame({"age": np.arange(16.0), "work": ["a", "b"] * 8, "buys": ["n", "y"] * 8})
    return [
        library.TabularDataLoaders.from_df(
            frame.copy(),
            procs=[library.Categorify, library.Normalize],
            cat_names=["work"],
            cont_names=["age"],
            y_names=y_names,
            valid_idx=[0, 1],
            bs=4,
            device="cpu",
        )
        for library in (tabular, vicinal)
    ]


@row(
    "`TabularDataLoaders` with classes, and `learn.get_preds()`",
    "gives targets (N, 1), so `preds.argmax(1) == targs` is (N, N)",
    "gives targets (N,)",
)
def _():
    theirs, ours = tables("buys")
    assert theirs.one_batch()[-1].shape == (4, 1)
    assert ours.one_batch()[-1].shape == (4,)


@row(
    "`dls.one_batch()` of tables or texts",
    "is `(categories, numbers, targets)` or `(ids, targets)`",
    'is `(x, y)`; `x` is a dict with `"categories"` and `"numbers"`, or with `"ids"` and `"mask"`',
)
def _():
    theirs, ours = tables("buys")
    assert len(theirs.one_batch()) == 3
    x, _ = ours.one_batch()
    assert {*x} == {"categories", "numbers"}
    frame = pd.DataFrame({"text": ["so good", "so bad"] * 8, "label": ["y", "n"] * 8})
    texts = vicinal.TextDataLoaders.from_df(frame, valid_pct=0.25, bs=4, device="cpu")
    assert {*texts.one_batch()[0]} == {"ids", "mask"}


@row(
    "`dls.vocab` of texts",
    "has the vocabulary of the words and that of the classes",
    "has the classes; the words are in `dls.tokenizer.words`",
)
def _():
    frame = pd.DataFrame({"text": ["so good", "so bad"] * 8, "label": ["y", "n"] * 8})
    theirs, ours = (
        library.TextDataLoaders.from_df(frame, valid_pct=0.25, bs=4, device="cpu")
        for library in (text, vicinal)
    )
    assert [*theirs.vocab[1]] == ours.vocab == ["n", "y"]
    assert {"so", "good", "bad"} == {*ours.tokenizer.words} < {*theirs.vocab[0]}


@row(
    "`Resize(8, ResizeMethod.Pad)`",
    "pads, then resizes, so image and padding blend at the border; in training, the image is "
    "at a random place",
    "resizes, then pads both sides alike",
)
def _():
    white = Image.new("RGB", (20, 12), (255, 255, 255))
    shown = []
    for library in (fastai, vicinal):
        block = library.DataBlock(
            (library.ImageBlock, library.RegressionBlock),
            get_items=lambda numbers: numbers,
            get_x=lambda _, library=library: library.PILImage.create(np.array(white)),
            get_y=lambda number: float(number),
            splitter=library.IndexSplitter([2, 3]),
            item_tfms=library.Resize(8, library.ResizeMethod.Pad, pad_mode="zeros"),
            batch_tfms=library.Normalize.from_stats([0.0] * 3, [1.0] * 3),
        )
        shown.append(block.dataloaders([0, 1, 2, 3], bs=2, device="cpu").valid.one_batch()[0])
    theirs, ours = shown
    assert ours.unique().tolist() == [0, 1]
    assert len(theirs.unique()) > 2


@row(
    "`saleElapsed` after `add_datepart(df, 'saledate')`, from strings or dates that pandas "
    "has read",
    "is a thousandth of the seconds since 1970, because pandas 3 counts microseconds",
    "is the seconds since 1970",
)
def _():
    found = []
    for library in (tabular, vicinal):
        frame = pd.DataFrame({"saledate": pd.to_datetime(["2011-11-16"]).astype("datetime64[us]")})
        found.append(library.add_datepart(frame, "saledate")["saleElapsed"][0])
    assert found == [1_321_401.0, 1_321_401_600.0]


@row(
    "`PointBlock`, `BBoxBlock`, `DataBlock(n_inp=2)`",
    "are for points and boxes that move with their images, and for several inputs",
    "do not exist: an error says what to use instead",
)
def _():
    for name in ("PointBlock", "BBoxBlock", "BBoxLblBlock"):
        assert hasattr(fastai, name)
        with pytest.raises(VicinalError, match="not here"):
            getattr(vicinal, name)()
    with pytest.raises(VicinalError, match="one input"):
        vicinal.DataBlock(n_inp=2)


@row(
    "`ImageBlock(cls=PILImageBW)`",
    "gives images of one channel, which `vision_learner(dls, resnet18)` cannot take without "
    "`n_in=1`",
    "is an error: images have three channels; grey ones have three equal channels",
)
def _():
    images = [fastai.PILImageBW.create(np.zeros((8, 8), np.uint8))] * 4
    made = fastai.DataBlock(
        (fastai.ImageBlock(cls=fastai.PILImageBW), fastai.RegressionBlock),
        get_items=lambda images: images,
        get_y=lambda image: 1.0,
    ).dataloaders(images, bs=2, device="cpu")
    assert made.one_batch()[0].shape[1] == 1
    with pytest.raises(VicinalError, match="three equal channels"):
        vicinal.ImageBlock(cls=vicinal.PILImageBW)


def loaders_of_pairs(library):
    x = torch.rand(20, 4)
    data = list(zip(x, torch.arange(20)[:, None], strict=True))
    return library.DataLoaders(*[library.DataLoader(data, batch_size=8) for _ in range(2)])


@row(
    "`from vicinal import *`",
    "replaces `Path` by one with `ls()`",
    "leaves pathlib's `Path` alone; `from vicinal.all import *` replaces it",
)
def _():
    assert hasattr(fastai.Path, "ls")
    assert "Path" not in vicinal.__all__
    assert hasattr(importlib.import_module("vicinal.all").Path, "ls")


@row(
    "`DataLoader(data, bs=8)`",
    "is fastai's own loader",
    "is torch's, `DataLoader(data, batch_size=8)`; `DataLoaders` takes both",
)
def _():
    assert fastai.DataLoader(list(range(20)), bs=8).bs == 8
    assert vicinal.DataLoader is torch.utils.data.DataLoader
    theirs, ours = map(loaders_of_pairs, (fastai, vicinal))
    for dls in (theirs, ours):
        assert torch.cat([y for _, y in dls.train]).flatten().tolist() == list(range(20))


@row(
    "`x, = first(dls.test_dl(files))`",
    "gives `(x,)`",
    "gives `(x, None)`, a pair as from other loaders: write `x, _ = first(dls.test_dl(files))`",
)
def _():
    theirs, ours = map(loaders_of_images, (fastai, vicinal))
    image = Image.new("RGB", (8, 8))
    assert len(fastai.first(theirs.test_dl([fastai.PILImage.create(np.asarray(image))]))) == 1
    x, none = vicinal.first(ours.test_dl([image]))
    assert (len(x), none) == (1, None)


@row(
    "`dls.n`, `dls.new(bs=4)`, `dls.after_batch`, `dls.after_item`, `dls.decode_batch(b)`",
    "are the number of training samples, loaders with other batches, the transforms, and a "
    "batch as it is shown",
    "are errors that say what to use instead, as are `CategoryBlock(add_na=True)` and "
    "`interp.top_losses(items=True)`",
)
def _():
    theirs, ours = map(loaders_of_images, (fastai, vicinal))
    assert theirs.n == len(ours.train.dataset)
    for name in ("n", "new", "after_batch", "after_item", "decode_batch"):
        assert hasattr(theirs, name)
        with pytest.raises(AttributeError, match=f"no attribute {name!r}: "):
            getattr(ours, name)
    assert fastai.CategoryBlock(add_na=True)
    with pytest.raises(VicinalError, match="leave out add_na"):
        vicinal.CategoryBlock(add_na=True)
    interp = vicinal.Interpretation.from_learner(vicinal.Learner(ours, network()))
    with pytest.raises(VicinalError, match="leave out items"):
        interp.top_losses(1, items=True)


@row(
    "`hook_output`, `ActivationStats`, `ConvLayer`, `create_body`, `TensorImage`, `optim_metric`, "
    "`LossMetrics`, `CorpusBLEUMetric`",
    "exist",
    "do not exist: `vicinal.hook_output` says what to use instead. `Module`, `Embedding` and "
    "`sigmoid_range` exist",
)
def _():
    for name in ("hook_output", "ActivationStats", "ConvLayer", "create_body", "TensorImage"):
        assert hasattr(text, name) or hasattr(fastai, name) or name == "ActivationStats"
    for name in NAMES:
        with pytest.raises(AttributeError, match=re.escape(NAMES[name])):
            getattr(vicinal, name)
    x = torch.randn(9)
    assert fastai.sigmoid_range(x, 1, 5).equal(vicinal.sigmoid_range(x, 1, 5))
