"""MixUp: convex combinations of pairs of samples."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import flag, number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import Blend
from vicinal.mixing.method import Method, MethodOptions


class MixUp(Method):
    """Blend each sample with another one.

    Samples become ``weight * own + (1 - weight) * partner``, and so do the targets. The weight is
    the paper's λ (``lam``), drawn from Beta(alpha, alpha).

    Args:
        alpha: the strength. 0 mixes nothing, 0.4 mixes most samples a little, 1 draws uniform
            weights, and large values draw weights near 0.5.
        folded: replace each weight by max(weight, 1 - weight), so that a sample stays mostly
            itself.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.

    Source: H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, mixup: Beyond Empirical Risk
    Minimization, ICLR 2018, equation (2) and the algorithm in figure 1; a weight for each sample
    and folding are fastai's.

    >>> mixer = MixUp(alpha=0.4, seed=0)
    >>> x, y = mixer(torch.rand(8, 3, 32, 32), torch.arange(8))
    >>> x.shape, len(y), bool((y.weight >= 0.5).all())
    (torch.Size([8, 3, 32, 32]), 8, True)
    """

    drawn_types = (Blend,)
    block_size = 16

    def __init__(
        self, alpha: float = 0.4, *, folded: bool = True, **options: Unpack[MethodOptions]
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.folded = flag("folded", folded)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        weight = sample_lam(self.alpha, count, generator)
        if self.folded:
            weight = torch.maximum(weight, 1 - weight)
        return Blend(weight.float())
