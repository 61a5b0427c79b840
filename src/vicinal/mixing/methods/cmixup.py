"""C-Mixup: for values as targets, each sample is mixed with one whose value is near."""

import math
from typing import Any, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import Blend
from vicinal.mixing.chosen import ChosenOptions, ChosenPartners


class CMixUp(ChosenPartners):
    """Mix each sample with one whose target is near: for regression.

    The partner of i is j with a probability in proportion to
    ``exp(-|y_i - y_j|² / (2 bandwidth²))``, by the Euclidean distance of their targets; a sample of
    the batch never meets itself, unless it is alone. Both are then blended by a weight from
    Beta(alpha, alpha).

    Args:
        bandwidth: above 0, in the units of the targets. A small one takes the nearest sample, a
            large one takes any, as :class:`MixUp` does.
        alpha: of the weights; 0 mixes nothing, 1 is uniform, large values tend to halves.
        **options: pool (of :class:`ChosenPartners`); per and p (of :class:`Method`); fields,
            integers, maximum and seed (of :class:`Mixer`).

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the targets of
            a batch are no floats.

    Targets are floats (B,) or (B, ...). Distances to all that may be chosen are computed for each
    batch, on the targets' device: B times B numbers, or B times as many as the pool holds.

    Source: H. Yao, Y. Wang, L. Zhang, J. Zou, C. Finn, C-Mixup: Improving Generalization in
    Regression, NeurIPS 2022, equation (6). Their code draws one weight a batch (``per="batch"``)
    and chooses from the whole training part, which holds the sample itself: ``pool=(x, y)``.

    >>> x, y = torch.rand(8, 3), torch.tensor([0.0, 0.1, 0.2, 0.3, 9.0, 9.1, 9.2, 9.3])
    >>> mixed, target = CMixUp(bandwidth=0.5, seed=0)(x, y)
    >>> bool(((target.own - target.partner).abs() < 1).all())
    True
    """

    def __init__(
        self, bandwidth: float, alpha: float = 2.0, **options: Unpack[ChosenOptions]
    ) -> None:
        super().__init__(**options)
        self.bandwidth = number("bandwidth", bandwidth)
        if not 0 < bandwidth < math.inf:
            raise ValueError(f"bandwidth must be above 0 and finite, not {bandwidth}")
        self.alpha = number("alpha", alpha)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        return Blend(sample_lam(self.alpha, count, generator).float())

    def checked_targets(self, y: Any) -> Tensor:
        if not isinstance(y, Tensor) or not y.is_floating_point() or not y.ndim:
            kind = y.dtype if isinstance(y, Tensor) else type(y).__name__
            raise TypeError(
                f"CMixUp chooses partners by the distance of their targets, which must be one "
                f"tensor of floats, not {kind}: for classes take another mixer, such as MixUp"
            )
        return y

    def log_probs(self, y: Tensor, pool: Tensor | None) -> Tensor:
        own = _rows(y)
        distance = torch.cdist(
            own,
            own if pool is None else _rows(pool).to(own.dtype),
            compute_mode="donot_use_mm_for_euclid_dist",  # which is not exact for near values
        )
        if pool is None:
            distance.fill_diagonal_(math.inf)
        # As (d - d₀)(d + d₀) with the least distance d₀: however small the bandwidth is, the
        # nearest get 0, and all others less.
        least = distance.amin(1, keepdim=True)
        further = (distance - least) / self.bandwidth
        largest = torch.finfo(further.dtype).max
        return further * ((distance + least) / self.bandwidth).clamp(max=largest) / -2


def _rows(y: Tensor) -> Tensor:
    """(B, K) floats of 32 bits at least."""
    return y.detach().reshape(len(y), -1).to(torch.promote_types(y.dtype, torch.float32))
