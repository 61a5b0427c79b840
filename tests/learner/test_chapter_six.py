"""Several labels of each image in Python, by the lines of the book's sixth chapter."""

from functools import partial

import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from vicinal import (
    BCEWithLogitsLossFlat,
    DataBlock,
    F1ScoreMulti,
    ImageBlock,
    Learner,
    MixUp,
    MultiCategoryBlock,
    RandomResizedCrop,
    accuracy_multi,
    load_learner,
)

SETS = [["car"], ["person"], ["car", "person"], ["horse", "person"], []] * 4


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    path = tmp_path_factory.mktemp("several")
    names = [f"{i:06}.jpg" for i in range(len(SETS))]
    for name, labels in zip(names, SETS, strict=True):
        colour = tuple(200 * (each in labels) for each in ("car", "person", "horse"))
        Image.new("RGB", (12, 10), colour).save(path / name)
    labels = [" ".join(each) for each in SETS]
    frame = pd.DataFrame(
        {"fname": names, "labels": labels, "is_valid": [i >= 15 for i in range(20)]}
    )

    def get_x(row):
        return path / row["fname"]

    def get_y(row):
        return [each for each in row["labels"].split(" ") if each]

    def splitter(frame):
        valid = frame["is_valid"]
        return frame.index[~valid].tolist(), frame.index[valid].tolist()

    made = DataBlock(
        blocks=(ImageBlock, MultiCategoryBlock),
        splitter=splitter,
        get_x=get_x,
        get_y=get_y,
        item_tfms=RandomResizedCrop(8, min_scale=0.35),
    )
    return made, frame


@pytest.fixture
def learn(block):
    made, frame = block
    dls = made.dataloaders(frame, bs=5, device="cpu")
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    metrics = [partial(accuracy_multi, thresh=0.2), F1ScoreMulti(thresh=0.3)]
    return Learner(dls, net, loss_func=BCEWithLogitsLossFlat(thresh=0.3), metrics=metrics)


def test_an_item_is_an_image_and_zeros_and_ones(block):
    made, frame = block
    dsets = made.datasets(frame)
    assert (len(dsets.train), len(dsets.valid)) == (15, 5)
    encoded = dsets.train[3][1]
    assert encoded.tolist() == [0, 1, 1]
    assert list(dsets.train.vocab[torch.where(encoded == 1.0)[0]]) == ["horse", "person"]


@pytest.mark.parametrize("cbs", [None, MixUp], ids=["plain", "mixed"])
def test_the_threshold_of_the_loss_decides(learn, cbs):
    with learn.no_logging():
        learn.fine_tune(1, base_lr=3e-3, freeze_epochs=1, cbs=cbs)
    loss, right, f1 = learn.validate()
    preds, targs, decoded = learn.get_preds(with_decoded=True)
    assert ((preds >= 0) & (preds <= 1)).all()
    assert decoded.equal(preds > 0.3)
    expected = accuracy_multi(preds, targs, thresh=0.2, sigmoid=False)
    assert right == pytest.approx(float(expected))
    assert f1 == pytest.approx(F1ScoreMulti(thresh=0.3, sigmoid=False)(preds, targs))
    assert loss == pytest.approx(float(nn.BCELoss()(preds, targs)), rel=1e-5)


def test_a_loaded_learner_predicts_the_same_labels(learn, block, tmp_path):
    made, frame = block
    item = frame.iloc[3]
    learn.model[2].bias.data = torch.tensor([-1.5, 1.5, -0.7])  # 0.18, 0.82 and 0.33, if alone
    learn.model[2].weight.data.zero_()
    labels, decoded, probabilities = learn.predict(made.get_x(item))
    assert list(labels) == ["horse", "person"]
    assert decoded.tolist() == [False, True, True]
    loaded = load_learner(learn.export(tmp_path / "several"))
    again = loaded.predict(made.get_x(item))
    assert (list(again[0]), again[2].tolist()) == (list(labels), probabilities.tolist())
