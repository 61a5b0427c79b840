"""Balanced-MixUp: blend each sample with a little of a class-balanced one."""

from typing import Any, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.blend import Blend
from vicinal.mixing.chosen import ChosenOptions, ChosenPartners
from vicinal.mixing.class_indices import class_indices
from vicinal.mixing.completion import Batch
from vicinal.mixing.mix import Mix


class BalancedMixUp(ChosenPartners):
    """Blend each sample with a class-balanced partner, for imbalanced classes.

    The partner's class is uniform over the classes present, and the partner is uniform over the
    samples of that class. Its share, 1 - λ, comes from Beta(alpha, 1) and is usually small. Targets
    are blended by the same weights.

    Args:
        alpha: of the distribution of the partner's share, whose mean is alpha / (alpha + 1); 0
            mixes nothing, 1 is uniform.
        **options: of :class:`ChosenPartners`, :class:`Method` and :class:`Mixer`: pool, per, p,
            fields, integers, maximum, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the targets of
            a batch are not class indices.

    Targets are class indices (B,). Partners of classes that are missing in a batch need a pool or a
    second batch, ``mixer(x, y, other=(x2, y2))``. The paper uses a second batch, drawn by torch's
    ``WeightedRandomSampler``, whose rows are the partners.

    Source: A. Galdran, G. Carneiro, M. A. González Ballester, Balanced-MixUp for Highly Imbalanced
    Medical Image Classification, MICCAI 2021. Their code draws one weight for a batch
    (``per="batch"``) and uses alpha 0.1 or 0.2.

    >>> x, y = torch.rand(100, 3), torch.tensor([0] * 98 + [1] * 2)
    >>> mixed, target = BalancedMixUp(seed=0)(x, y)
    >>> 30 < int(target.partner.sum()) < 70  # half of the partners are of the rare class
    True
    """

    def __init__(self, alpha: float = 0.2, **options: Unpack[ChosenOptions]) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        # Beta(alpha, 1) by the inverse of its distribution function, u**alpha.
        share = torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
        share = share.pow_(1 / self.alpha) if self.alpha else share.zero_()
        return Blend((1 - share).float())

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if batch.other is None or batch.is_half or self._pool is not None:
            return super().complete(mix, batch)
        # A second batch is expected to be balanced already: its rows are the partners.
        return Mix(mix.partner, mix.weight, (Blend(mix.weight),))

    def checked_targets(self, y: Any) -> Tensor:
        return class_indices("BalancedMixUp", y)

    def log_probs(self, y: Tensor, pool: Tensor | None) -> Tensor:
        return -_class_sizes(y if pool is None else pool).log()


def _class_sizes(labels: Tensor) -> Tensor:
    """For each sample, the number of samples of its class, without a value read on the CPU.

    ``bincount`` would have to read the largest label first, to know the size of its result.
    """
    labels = labels.long()
    ordered = labels.sort().values
    first = torch.searchsorted(ordered, labels)
    return (torch.searchsorted(ordered, labels, right=True) - first).float()
