"""C-Mixup: blend each sample with one whose target is near, for regression."""

import math
from typing import Any, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import Blend
from vicinal.mixing.chosen import ChosenOptions, ChosenPartners


class CMixUp(ChosenPartners):
    """Blend each sample with one whose target is near, for regression.

    The partner of i is j with a probability proportional to
    ``exp(-|y_i - y_j|² / (2 bandwidth²))``, for the Euclidean distance of their targets. No sample
    is its own partner, unless it is the only one in a batch. Samples and targets are then blended
    by a weight λ from Beta(alpha, alpha).

    Args:
        bandwidth: above 0, in the units of the targets. A small one chooses the nearest sample, a
            large one any sample, like :class:`MixUp`.
        alpha: of the distribution of λ; 0 mixes nothing, 1 is uniform, large values draw weights
            near 0.5.
        **options: of :class:`ChosenPartners`, :class:`Method` and :class:`Mixer`: pool, per, p,
            fields, integers, maximum, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the targets of
            a batch are not floats.

    Targets are floats (B,) or (B, ...). For each batch, the distances to all candidates are
    computed on the targets' device: B x B numbers, or B x N with a pool of N samples.

    Source: H. Yao, Y. Wang, L. Zhang, J. Zou, C. Finn, C-Mixup: Improving Generalization in
    Regression, NeurIPS 2022, equation (6). Their code draws one weight for a batch
    (``per="batch"``) and chooses from the whole training set, including the sample itself:
    ``pool=(x, y)``.

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
            # A matrix product is faster, but loses the digits of small distances.
            compute_mode="donot_use_mm_for_euclid_dist",
        )
        if pool is None:
            distance.fill_diagonal_(math.inf)
        # The log-probability -d² / (2 bandwidth²) minus that of the least distance d₀, computed as
        # (d - d₀)(d + d₀): it is 0 for the nearest, however small the bandwidth is. Otherwise all
        # exponentials could underflow to 0.
        least = distance.amin(1, keepdim=True)
        further = (distance - least) / self.bandwidth
        largest = torch.finfo(further.dtype).max
        return further * ((distance + least) / self.bandwidth).clamp(max=largest) / -2


def _rows(y: Tensor) -> Tensor:
    """Targets as (B, K) floats of at least 32 bits, without a gradient."""
    return y.detach().reshape(len(y), -1).to(torch.promote_types(y.dtype, torch.float32))
