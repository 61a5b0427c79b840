"""CutMix: paste a box of another sample on each."""

from typing import Literal, Unpack

import torch

from vicinal.mixing.arguments import number, shares
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Boxes, LastSpans, Spans


class CutMix(Method):
    """Paste a box of another sample on each.

    The box has sqrt(1 - λ) of the image's height and width, rounded down, with λ from
    Beta(alpha, alpha). Its centre is uniform over the image, and what falls outside is clipped.
    The weight of the target is the exact share of pixels that a sample keeps.

    Args:
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        minmax: the smallest and the largest side of the box, as fractions of the image's. Height
            and width are then drawn uniformly and independently, the box lies inside the image, and
            alpha is ignored.
        dim: the dimension to cut, -1 or -2; None cuts both. The box then has 1 - λ of this
            dimension's length and all of the other one. For series: -1 for (B, C, T), -2 for
            (B, T, F).
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W).

    Source: S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo, CutMix: Regularization Strategy to
    Train Strong Classifiers with Localizable Features, ICCV 2019, equations (1) and (2); the weight
    after clipping is that of the authors' code, minmax is timm's. A box with an odd side keeps it,
    as in timm from 1.0.31 on; the authors' is one pixel smaller.

    >>> mixer = CutMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

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

    @property
    def drawn_types(self) -> tuple[type[Boxes]]:  # type: ignore[override]
        return ({None: Boxes, -1: LastSpans, -2: Spans}[self.dim],)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Boxes:
        length = torch.tensor(size, dtype=torch.float64, device="cpu")[:, None]
        if self.minmax is not None:
            low, high = self.minmax
            share = _uniform(count, generator).mul_(high - low).add_(low)
            side = share.mul_(length).floor_()
            start = _uniform(count, generator).mul_(length - side + 1).floor_()
        else:
            cut = sample_lam(self.alpha, count, generator).neg_().add_(1)
            side = (cut if self.dim else cut.sqrt_()).mul(length).floor_()
            start = _uniform(count, generator).mul_(length).floor_().sub_((side * 0.5).floor_())
        stop = torch.minimum(start + side, length)
        if self.dim:
            other = -1 - self.dim  # in (height, width), -1 is index 1, and -2 is index 0
            start[other], stop[other] = 0, size[other]
        edges = torch.stack([start.clamp_(min=0), stop], 1).view(4, count)
        corners = edges.T.to(torch.int64, memory_format=torch.contiguous_format)
        return self.drawn_types[0](corners, size)


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    """(2, count) uniform numbers, for height and width."""
    return torch.rand(2, count, generator=generator, dtype=torch.float64, device="cpu")
