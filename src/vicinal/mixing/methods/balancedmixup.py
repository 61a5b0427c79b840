"""Balanced-MixUp: each sample is mixed with a little of one that stands for all classes alike."""

from typing import Any, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.blend import Blend
from vicinal.mixing.chosen import ChosenOptions, ChosenPartners
from vicinal.mixing.completion import Batch
from vicinal.mixing.mix import Mix


class BalancedMixUp(ChosenPartners):
    """Mix samples as they come with samples of which each class has equally many.

    The partner's class is any of those there are, all equally likely, and the partner any sample of
    it. Its share comes from Beta(alpha, 1), mostly a small one.

    Args:
        alpha: of the partner's share, which is alpha / (alpha + 1) on average; 0 mixes nothing, 1
            is uniform.
        **options: pool (of :class:`ChosenPartners`); per and p (of :class:`Method`); fields,
            integers, maximum and seed (of :class:`Mixer`).

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the targets of
            a batch are no class indices.

    Targets are class indices (B,). Classes that a batch does not hold come from a pool, or from a
    second batch, ``mixer(x, y, other=(x2, y2))``, by a loader with torch's
    ``WeightedRandomSampler``: that is the paper's form, and mixes row with row.

    Source: A. Galdran, G. Carneiro, M. A. González Ballester, Balanced-MixUp for Highly Imbalanced
    Medical Image Classification, MICCAI 2021. Their code draws one weight a batch (``per="batch"``)
    and takes alpha 0.1 or 0.2.

    >>> x, y = torch.rand(100, 3), torch.tensor([0] * 98 + [1] * 2)
    >>> mixed, target = BalancedMixUp(seed=0)(x, y)
    >>> 30 < int(target.partner.sum()) < 70  # half of the partners are of the rare class
    True
    """

    def __init__(self, alpha: float = 0.2, **options: Unpack[ChosenOptions]) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        given = torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
        given = given.pow_(1 / self.alpha) if self.alpha else given.zero_()
        return Blend((1 - given).float())

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if batch.other is None or self._pool is not None:
            return super().complete(mix, batch)
        return Mix(mix.partner, mix.weight, (Blend(mix.weight),))  # balanced by who brings it

    def checked_targets(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex() or y.ndim != 1:
            kind = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y)
            raise TypeError(
                f"BalancedMixUp needs class indices of shape (B,) as targets, not {kind}"
            )
        return y

    def log_probs(self, y: Tensor, pool: Tensor | None) -> Tensor:
        return -_class_sizes(y if pool is None else pool).log()


def _class_sizes(labels: Tensor) -> Tensor:
    """For each sample, how many samples are of its class; nothing has to be known on the host."""
    labels = labels.long()
    ordered = labels.sort().values
    first = torch.searchsorted(ordered, labels)
    return (torch.searchsorted(ordered, labels, right=True) - first).float()
