"""Test-time augmentation: a part with the random augmentation of the training part."""

import copy
from numbers import Real
from typing import TYPE_CHECKING

import torch
from accelerate.utils import gather_object
from torch import Tensor

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.loaders import DataLoaders
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.data.split_loader import SplitLoader
from vicinal.errors import VicinalError
from vicinal.learner.parts import Part
from vicinal.processes import gathered, this_process
from vicinal.rng import derive_seed

if TYPE_CHECKING:
    from vicinal.learner.inference import Inference


class AlwaysRandom(BatchTransform):
    """A transform that is random in validation too."""

    def __init__(self, transform: BatchTransform, generator: torch.Generator) -> None:
        self.transform, self.generator = transform, generator

    def valid(self, x: Tensor) -> Tensor:
        return self.transform.train(x, self.generator)


def augmented(dls: DataLoaders, part: Part | None = None) -> SplitLoader:
    """A part with the training part's random augmentation: in order, and complete.

    Every pass draws anew. The draws depend only on the data's seed, not on what was trained or read
    before.

    Args:
        dls: the data.
        part: loaders in the order of their data; None for the validation part.

    Raises:
        VicinalError: the training part has no random augmentation, targets are masks, or the part
            is a list of batches.

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
    part = dls.valid if part is None else part
    if not isinstance(part, SplitLoader):
        raise VicinalError(
            "a list of batches has no views: give loaders, such as dls.test_dl(files)"
        )
    batches = copy.copy(part)  # it shares the worker processes
    batches.transforms = [AlwaysRandom(t, generator) for t in dls.train.transforms]
    return batches


def _is_random(transform: BatchTransform) -> bool:
    trains_differently = type(transform).train is not BatchTransform.train
    return trains_differently and not isinstance(transform, Normalize)


def averaged_over_views(
    learn: "Inference", part: Part, n: int, beta: float, use_max: bool, uncertain: float
) -> tuple[Tensor, Tensor | None]:
    """Probabilities (or values) and targets, as :meth:`Learner.tta` gives them."""
    if n < 1:
        raise VicinalError(f"the number of random views must be 1 or more, not {n}")
    if not isinstance(beta, Real) or not 0 <= beta <= 1:
        raise VicinalError(
            f"beta must be the weight of the pass without augmentation, 0 to 1, not {beta!r}"
        )
    if not isinstance(uncertain, Real) or not 0 < uncertain <= 1:
        raise VicinalError(
            f"uncertain must be the share of samples that get views, above 0 and up to 1, not "
            f"{uncertain!r}"
        )
    views = augmented(learn.dls, part)
    sampler = views.sampler
    epoch = sampler.epoch
    try:
        plain, targets, first = _plain(learn, part)
        chosen = least_confident(plain, uncertain)
        of_views = torch.stack([_of_chosen(learn, views, chosen[first:]) for _ in range(n)])
    finally:
        sampler.epoch = epoch
    if use_max:
        plain[chosen] = torch.maximum(of_views.amax(dim=0), plain[chosen])
    else:
        plain[chosen] = of_views.mean(dim=0).lerp(plain[chosen], beta)
    return plain, targets


def _plain(learn: "Inference", part: Part) -> tuple[Tensor, Tensor | None, int]:
    """What ``get_preds`` gives, and the place of this process's first sample among all of them."""
    with learn.evaluating():
        parts = [(_activated(learn, x), None if y is None else y.cpu()) for x, y in part]
    counts = gather_object([sum(len(outputs) for outputs, _ in parts)])
    plain, targets = gathered(parts)
    return plain, targets, sum(counts[: this_process().process_index])


@torch.no_grad()
def _activated(learn: "Inference", x: Tensor) -> Tensor:
    return learn.activation(learn.output(x)).cpu()


def least_confident(probabilities: Tensor, share: float) -> Tensor:
    """Which samples have the lowest largest probability: (N,) bool, one or more of them.

    Args:
        probabilities: (N, C) float, of classes of which each sample has one; any (N, ...) where
            the share is 1.
        share: of the samples, above 0 and up to 1.

    Raises:
        VicinalError: these are no such probabilities.

    >>> least_confident(torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [1.0, 0.0]]), 0.5)
    tensor([False,  True,  True, False])
    """
    if share == 1:
        return torch.ones(len(probabilities), dtype=torch.bool)
    if probabilities.ndim != 2 or ((probabilities.sum(dim=1) - 1).abs() > 0.01).any():
        raise VicinalError(
            "uncertain needs the probabilities of classes of which each sample has one, and this "
            "loss gives others: leave it out"
        )
    count = max(1, round(share * len(probabilities)))
    # Stable, as many may have a probability of 1: all processes choose the same.
    lowest = probabilities.amax(dim=1).argsort(stable=True)[:count]
    return torch.zeros(len(probabilities), dtype=torch.bool).index_fill_(0, lowest, True)


def _of_chosen(learn: "Inference", views: SplitLoader, chosen: Tensor) -> Tensor:
    """One pass: the outputs of the chosen samples, of all processes, in the order of the data.

    Args:
        views: gives this process's samples, augmented.
        chosen: (N,) bool, of which the first are for these samples.
    """
    with learn.evaluating():
        parts = [(_activated(learn, x),) for x, _ in views.only(chosen)]
    (outputs,) = gathered(parts)
    return outputs
