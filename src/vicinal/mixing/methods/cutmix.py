"""CutMix: a box of another sample pasted on each."""

from typing import Literal, Unpack

import torch

from vicinal.mixing.arguments import number, shares
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Boxes


class CutMix(Method):
    """Paste a box of another sample on each; the target counts the pixels, exactly.

    A share t from Beta(alpha, alpha) is to be kept: the box has sqrt(1 - t) of the image's height
    and width, rounded down, and its centre lies anywhere on the image. What falls outside is
    clipped, and the weight is then the share of pixels that were in fact kept.

    Args:
        alpha: of the distribution of t; 1 is uniform, 0 mixes nothing.
        minmax: smallest and largest side of the box, as shares of the image's; sides are then drawn
            evenly between them, each for itself, the box lies wholly inside, and alpha is not
            looked at.
        dim: the dimension along which is cut, -1 or -2; None cuts along both. The box then has all
            of the other one, and 1 - t of this one's length. For series: -1 for (B, C, T), -2 for
            (B, T, F).
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            no images (B, ..., H, W).

    Source: S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo, CutMix: Regularization Strategy to
    Train Strong Classifiers with Localizable Features, ICCV 2019, equations (1) and (2); the weight
    after clipping is that of the authors' code, minmax is timm's. A box of an odd side keeps its
    side, as in timm from 1.0.31 on; the authors' loses one pixel.

    >>> mixer = CutMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

    drawn_types = (Boxes,)
    block_size = 16

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        minmax: tuple[float, float] | None = None,
        dim: Literal[-1, -2] | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.minmax = None if minmax is None else shares("minmax", minmax)
        if dim not in (None, -1, -2):
            raise ValueError(f"dim must be -1, -2 or None, not {dim!r}")
        self.dim = dim

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Boxes:
        length = torch.tensor(size, dtype=torch.float64, device="cpu")[:, None]
        if self.minmax is not None:
            low, high = self.minmax
            share = _uniform(count, generator).mul_(high - low).add_(low)
            side = share.mul_(length).floor_()
            start = _uniform(count, generator).mul_(length - side + 1).floor_()
        else:
            given = sample_lam(self.alpha, count, generator).neg_().add_(1)
            side = (given if self.dim else given.sqrt_()).mul(length).floor_()
            start = _uniform(count, generator).mul_(length).floor_().sub_((side * 0.5).floor_())
        stop = torch.minimum(start + side, length)
        if self.dim:
            other = -1 - self.dim  # -1 stands last and -2 first
            start[other], stop[other] = 0, size[other]
        edges = torch.stack([start.clamp_(min=0), stop], 1).view(4, count)
        return Boxes(edges.T.to(torch.int64, memory_format=torch.contiguous_format), size)


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    """(2, count): for height and width."""
    return torch.rand(2, count, generator=generator, dtype=torch.float64, device="cpu")
