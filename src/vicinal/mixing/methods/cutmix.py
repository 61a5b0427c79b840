"""CutMix: paste a box of another sample on each."""

from functools import partial
from typing import Any, Unpack

import torch

from vicinal.mixing.arguments import number, shares
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Boxes, Cuboids, LastSpans, Spans

Dim = int | tuple[int, ...] | None


class CutMix(Method):
    """Paste a box of another sample on each.

    The box has sqrt(1 - λ) of the image's height and width, rounded down, with λ from
    Beta(alpha, alpha). Its centre is uniform over the image, and what falls outside is clipped.
    The weight of the target is the exact share of pixels that a sample keeps. Of volumes and
    videos, the box is the same in all slices or frames, unless ``dim`` cuts them, too.

    Args:
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        minmax: the smallest and the largest side of the box, as fractions of the image's. Height
            and width are then drawn uniformly and independently, the box lies inside the image, and
            alpha is ignored.
        dim: the dimension to cut, or several; None is (-2, -1). For series: -1 for (B, C, T), -2
            for (B, T, F). For volumes (B, C, D, H, W): (-3, -2, -1) cuts depth, height and width;
            -3 some slices. The box has (1 - λ) ** (1 / n) of the length of each of n dimensions,
            and all of the others.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W), or no volumes (B, C, D, H, W) with -3 in ``dim``.

    Source: S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo, CutMix: Regularization Strategy to
    Train Strong Classifiers with Localizable Features, ICCV 2019, equations (1) and (2); the weight
    after clipping is that of the authors' code, minmax is timm's. A box with an odd side keeps it,
    as in timm from 1.0.31 on; the authors' is one pixel smaller.

    >>> mixer = CutMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True

    Volumes and their masks, cut along the depth, too:

    >>> volumes, masks = torch.rand(2, 1, 8, 16, 16), torch.randint(3, (2, 8, 16, 16))
    >>> x, y = CutMix(dim=(-3, -2, -1), seed=0)(volumes, masks)
    >>> x.shape, y.shape
    (torch.Size([2, 1, 8, 16, 16]), torch.Size([2, 8, 16, 16]))
    """

    block_size = 16

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        minmax: tuple[float, float] | None = None,
        dim: Dim = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.minmax = None if minmax is None else shares("minmax", minmax)
        self.dim = _checked_dim(dim)

    @property
    def _dims(self) -> tuple[int, ...]:
        """The dimensions that are cut."""
        if self.dim is None:
            return (-2, -1)
        return self.dim if isinstance(self.dim, tuple) else (self.dim,)

    @property
    def drawn_types(self) -> tuple[type[Boxes]]:  # type: ignore[override]
        if -3 in self._dims:
            return (Cuboids,)
        if len(self._dims) == 2:
            return (Boxes,)
        return (LastSpans if self._dims == (-1,) else Spans,)

    def _share_of_sides(self, cut: torch.Tensor) -> torch.Tensor:
        """The share of each side that is cut, for the share of pixels."""
        if len(self._dims) == 2:
            return cut.sqrt_()
        return cut if len(self._dims) == 1 else cut.pow_(1 / 3)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Boxes:
        return self.drawn_types[0](self._corners(count, size, generator), size)

    def _corners(
        self, count: int, size: tuple[int, int], generator: torch.Generator
    ) -> torch.Tensor:
        length = torch.tensor(size, dtype=torch.float64, device="cpu")[:, None]
        uniform = partial(_uniform, len(size), count, generator)
        if self.minmax is not None:
            low, high = self.minmax
            share = uniform().mul_(high - low).add_(low)
            side = share.mul_(length).floor_()
            start = uniform().mul_(length - side + 1).floor_()
        else:
            cut = sample_lam(self.alpha, count, generator).neg_().add_(1)
            side = self._share_of_sides(cut).mul(length).floor_()
            start = uniform().mul_(length).floor_().sub_((side * 0.5).floor_())
        stop = torch.minimum(start + side, length)
        for whole in {*range(-len(size), 0)}.difference(self._dims):
            start[whole], stop[whole] = 0, size[whole]
        edges = torch.stack([start.clamp_(min=0), stop], 1).view(2 * len(size), count)
        return edges.T.to(torch.int64, memory_format=torch.contiguous_format)


def _uniform(sides: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """(sides, count) uniform numbers."""
    return torch.rand(sides, count, generator=generator, dtype=torch.float64, device="cpu")


def _checked_dim(dim: Any) -> Dim:
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in dims)
    if dim is None or (whole and dims and set(dims) <= {-3, -2, -1} and len({*dims}) == len(dims)):
        return tuple(dim) if isinstance(dim, list) else dim
    raise ValueError(
        "dim must be -1, -2, -3, several of them such as (-3, -2, -1), or None, which is "
        f"(-2, -1), not {dim!r}"
    )
