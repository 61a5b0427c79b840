"""GridMix: paste cells of a grid of another sample on each."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import number, whole
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Masks


class GridMix(Method):
    """Paste cells of a grid of another sample on each.

    A sample keeps each cell with probability λ, independently, with λ from Beta(alpha, alpha). The
    weight of the target is the exact share of pixels that a sample keeps.

    Args:
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        cells: the number of cells along each side, 1 or more. If the side is not a multiple of it,
            cells differ by at most one pixel; if it has fewer pixels, each pixel is a cell.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W).

    Source: K. Baek, D. Bang, H. Shim, GridMix: Strong regularization through local context mapping,
    Pattern Recognition 109 (2021). Taking each cell from one of two samples is the paper's idea.
    How cells are drawn and the default of ``cells`` are choices made here, without access to the
    paper's equations or its authors' code. The paper's second head, which predicts the class of
    each cell, is not part of this. The method of the same name in GridMixup and OpenMixup is a
    different one.

    >>> mixer = GridMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

    drawn_types = (Masks,)

    def __init__(
        self, alpha: float = 1.0, cells: int = 4, **options: Unpack[MethodOptions]
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.cells = whole("cells", cells)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Masks:
        lam = sample_lam(self.alpha, count, generator)
        grid = (count, self.cells, self.cells)
        uniform = torch.rand(grid, generator=generator, dtype=torch.float64, device="cpu")
        keep = uniform < lam[:, None, None]
        row, column = (torch.arange(length, device="cpu") * self.cells // length for length in size)
        return Masks(keep[:, row.unsqueeze(1), column])
