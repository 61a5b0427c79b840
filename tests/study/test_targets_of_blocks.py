"""Comparisons of arms on targets that are not classes."""

import numpy as np
import pytest
from PIL import Image
from torch import nn

from vicinal import (
    DataBlock,
    ImageBlock,
    MaskBlock,
    MixUp,
    MultiCategoryBlock,
    RandomSplitter,
    RegressionBlock,
    VicinalError,
    compare,
)

TARGETS = {
    "labels": (MultiCategoryBlock, lambda pixels: [("dark", "bright")[int(pixels[1, 0] > 127)]]),
    "all bright": (
        MultiCategoryBlock,
        lambda pixels: ["dark", "bright"][int(pixels[0, 0] > 127) :],
    ),
    "values": (RegressionBlock, lambda pixels: float(pixels[0, 0]) / 255),
    "masks": (MaskBlock(["dark", "bright"]), lambda pixels: pixels > 127),
}


def answer(kind):
    block, target = TARGETS[kind]
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (2, 2), dtype=np.uint8)) for _ in range(16)]

    def data(seed):
        return DataBlock(
            (ImageBlock, block),
            get_y=lambda image: target(np.array(image)),
            splitter=RandomSplitter(0.25, seed=0),
        ).dataloaders(images, bs=4, seed=seed, device="cpu")

    def network():
        if kind == "masks":
            return nn.Conv2d(3, 2, 1)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, {"values": 1}.get(kind, 2)))

    arms = {"none": None, "mixup": MixUp(0.4)}
    return compare(data, network, arms, seeds=2, epochs=1)


@pytest.mark.parametrize(("kind", "measure"), [("labels", "map"), ("values", "rmse")])
def test_labels_and_values_are_compared_by_their_own_measures(kind, measure, capsys):
    frame = answer(kind)
    assert len(frame) == 4
    assert frame[measure].between(0, 1).all()
    assert {row["measure"] for row in frame.attrs["differences"]} >= {measure}


def test_masks_are_compared_by_their_overlap():
    frame = answer("masks")
    assert frame["mean_iou"].between(0, 1).all()
    assert frame["pixel_accuracy"].between(0, 1).all()


def test_labels_that_all_validation_samples_have_are_refused():
    with pytest.raises(VicinalError, match="all validation samples have the same target, which"):
        answer("all bright")
