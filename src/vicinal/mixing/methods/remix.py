"""Remix: in the label of a mixed sample, the rarer class prevails."""

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
    """Mix as :class:`MixUp` does; of two labels, a much rarer one may count alone.

    A share t from Beta(alpha, alpha) of the sample itself is kept. Where the sample's class has at
    least kappa times as many samples as its partner's, and t is below tau, the partner's label
    counts alone: the target's weight is 0. Where it is the other way round, and 1 - t is below
    tau, the weight is 1; else it is t.

    Args:
        counts: (C,) how many samples there are of each class, such as ``labels.bincount()``.
        alpha: strength; 0 mixes nothing, 1 is uniform, large values tend to halves.
        kappa: how many times as many samples make a class much larger, 1 or more.
        tau: the share below which a sample of the much larger class gives way, in [0, 1]; 0 leaves
            all weights as they are.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the targets of
            a batch are no class indices, or beyond those that were counted.

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
        gives_way = (own >= self.kappa * partner) & (share < self.tau)
        prevails = (partner >= self.kappa * own) & (1 - share < self.tau)
        weight = share.masked_fill(prevails, 1.0).masked_fill(gives_way, 0.0)
        return Mix(mix.partner, weight, mix.patterns)

    def _count(self, labels: Any) -> Tensor:
        """How many samples there are of each label's class."""
        if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.ndim != 1:
            kind = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
            raise TypeError(f"Remix needs class indices of shape (B,) as targets, not {kind}")
        counts = move(self._counts, labels.device)
        try:
            return counts.index_select(0, labels.long())
        except IndexError:
            raise ValueError(
                f"a label is none of the {len(self.counts)} classes that counts were given for"
            ) from None
