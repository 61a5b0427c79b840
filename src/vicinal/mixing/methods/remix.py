"""Remix: blend samples, and give the label of a mixed sample to the rarer class."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move


class Remix(Method):
    """Blend samples like :class:`MixUp`, and give their label to the rarer class.

    Samples are blended by a weight λ from Beta(alpha, alpha). The weight of the target differs: it
    is 0, so that only the partner's label remains, if the sample's class has at least kappa times
    as many samples as the partner's and λ is below tau; it is 1 in the reverse case, with 1 - λ
    below tau; otherwise it is λ.

    Args:
        counts: (C,) the number of samples of each class, such as ``labels.bincount()``.
        alpha: the strength; 0 mixes nothing, 1 is uniform, large values draw weights near 0.5.
        kappa: the ratio of counts from which one class is much larger than another, 1 or more.
        tau: the share below which the label of the much larger class is dropped, in [0, 1]; 0 drops
            none.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the targets of
            a batch are not class indices, or exceed the number of counts.

    Source: H.-P. Chou, S.-C. Chang, J.-Y. Pan, W. Wei, D.-C. Juan, Remix: Rebalanced Mixup, ECCV
    2020 Workshops, the definition of λ_y; kappa 3 and tau 0.5 are its choices.

    >>> mixer = Remix(counts=[900, 100], seed=0)
    >>> x, y = mixer(torch.rand(50, 3), torch.arange(50) % 2)
    >>> common_meets_rare = y.weight[(y.own == 0) & (y.partner == 1)]
    >>> bool(((common_meets_rare == 0) | (common_meets_rare >= 0.5)).all())
    True
    """

    drawn_types = (Blend,)
    block_size = 16

    def __init__(
        self,
        counts: Sequence[float] | Tensor,
        alpha: float = 1.0,
        *,
        kappa: float = 3.0,
        tau: float = 0.5,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        listed = counts.tolist() if isinstance(counts, Tensor) else counts
        if not isinstance(listed, tuple | list) or not listed:
            raise TypeError(f"counts must be one number for each class, not {counts!r}")
        self.counts = tuple(number("counts", count) for count in listed)
        self._counts = torch.tensor(self.counts, dtype=torch.float32, device="cpu")
        self.alpha = number("alpha", alpha)
        self.kappa = number("kappa", kappa)
        if kappa < 1:
            raise ValueError(f"kappa must be 1 or more, not {kappa}")
        self.tau = number("tau", tau, upper=1.0)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        return Blend(sample_lam(self.alpha, count, generator).float())

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        own = self._count(batch.y)
        if batch.other is None:
            partner = own[mix.partner.to(own.device)]
        else:
            partner = self._count(batch.other[1])
        share = mix.weight
        own, partner = own.to(share.device), partner.to(share.device)
        drop_own = (own >= self.kappa * partner) & (share < self.tau)
        drop_partner = (partner >= self.kappa * own) & (1 - share < self.tau)
        weight = share.masked_fill(drop_partner, 1.0).masked_fill(drop_own, 0.0)
        return Mix(mix.partner, weight, mix.patterns)

    def _count(self, labels: Any) -> Tensor:
        """The count of each label's class."""
        if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.ndim != 1:
            several = isinstance(labels, dict | tuple | list)
            kind = "several targets" if several else getattr(labels, "dtype", type(labels).__name__)
            raise TypeError(f"Remix needs class indices of shape (B,) as targets, not {kind}")
        counts = move(self._counts, labels.device)
        try:
            return counts.index_select(0, labels.long())
        except IndexError:
            raise ValueError(
                f"a label is out of range for {len(self.counts)} classes: give counts for all"
            ) from None
