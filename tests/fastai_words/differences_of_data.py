"""Where what the loaders give differs from fastai on purpose: rows of docs/fastai.md."""

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


@row(
    "`loss_func=lambda preds, targs: (preds - targs).abs().mean()`, of one number",
    "compares each of the predictions (N, 1) with each of the targets (N,)",
    "is an error, which says so; `nn.MSELoss()` compares them in pairs",
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
    "`TabularDataLoaders` of classes, and `learn.get_preds()`",
    "targets (N, 1), so that `preds.argmax(1) == targs` is (N, N)",
    "targets (N,)",
)
def _():
    theirs, ours = tables("buys")
    assert theirs.one_batch()[-1].shape == (4, 1)
    assert ours.one_batch()[-1].shape == (4,)


@row(
    "`dls.one_batch()` of a table or of texts",
    "`(categories, numbers, targets)`, or `(ids, targets)`",
    '`(x, y)`, of which `x` is a dict, of `"categories"` and `"numbers"`, or `"ids"` and `"mask"`',
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
    "two vocabularies: of the words, and of the classes",
    "that of the classes; the words are `dls.tokenizer.words`",
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
    "pads, and then resizes, so that the border of the image and the padding blend; in training, "
    "images are at a random place",
    "resizes, and then pads both sides alike",
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
