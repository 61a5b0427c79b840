"""Test-time augmentation: the validation part with the augmentation of the training part."""

import copy

import torch
from torch import Tensor

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.loaders import DataLoaders
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.data.split_loader import SplitLoader
from vicinal.errors import VicinalError
from vicinal.rng import derive_seed


class AlwaysRandom(BatchTransform):
    """A transform that is random in validation too."""

    def __init__(self, transform: BatchTransform, generator: torch.Generator) -> None:
        self.transform, self.generator = transform, generator

    def valid(self, x: Tensor) -> Tensor:
        return self.transform.train(x, self.generator)


def augmented(dls: DataLoaders) -> SplitLoader:
    """The validation part with the training part's random augmentation: in order, and complete.

    Every pass draws anew. The draws depend only on the data's seed, not on what was trained or read
    before.

    Raises:
        VicinalError: the training part has no random augmentation, or targets are masks.

    >>> from vicinal import aug_transforms
    >>> x, y = torch.rand(6, 3, 8, 8), torch.tensor([0, 1] * 3)
    >>> dls = DataLoaders.from_tensors(
    ...     x, y, x, y, bs=2, transforms=aug_transforms(), device="cpu"
    ... )
    >>> first, second = (torch.cat([x for x, _ in batches]) for batches in [augmented(dls)] * 2)
    >>> len(first), first.equal(second)
    (6, False)
    """
    if isinstance(dls, MaskLoaders):
        raise VicinalError(
            "views of an image show its pixels at different places, so the masks of several cannot "
            "be averaged: use get_preds()"
        )
    if not any(map(_is_random, dls.train.transforms)):
        raise VicinalError(
            "the training part has no random augmentation, so that all passes would be equal: "
            "make the data with aug_transforms(), or use get_preds()"
        )
    generator = torch.Generator().manual_seed(derive_seed(dls.train.sampler.seed, "tta"))
    batches = copy.copy(dls.valid)  # it shares the worker processes
    batches.transforms = [AlwaysRandom(t, generator) for t in dls.train.transforms]
    return batches


def _is_random(transform: BatchTransform) -> bool:
    trains_differently = type(transform).train is not BatchTransform.train
    return trains_differently and not isinstance(transform, Normalize)
