"""Loaders of the same small images by fastai and by us, and a network for them."""

import warnings

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai  # noqa: F401


def loaders_of_images(library, count=8, block=None, get_y=None, **options):
    """Images of 8 pixels, by the library's DataBlock; the last two are for validation."""
    options = {"splitter": library.IndexSplitter([count - 2, count - 1]), **options}
    block = library.DataBlock(
        (library.ImageBlock, block or library.RegressionBlock),
        get_items=lambda numbers: numbers,
        get_x=lambda number: library.PILImage.create(np.full((8, 8, 3), number, np.uint8)),
        get_y=get_y or (lambda number: float(number)),
        **options,
    )
    return block.dataloaders(list(range(count)), bs=3, device="cpu")


def network():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8 * 8 * 3, 1))
