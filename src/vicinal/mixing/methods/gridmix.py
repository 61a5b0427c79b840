"""GridMix: the cells of a grid, each from a sample or from its partner."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import number, whole
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import Masks


class GridMix(Method):
    """Lay cells of a grid of another sample on each; the target counts the pixels, exactly.

    A share t comes from Beta(alpha, alpha), and each cell is kept with probability t, for itself.

    Args:
        alpha: of the distribution of t; 1 is uniform, 0 mixes nothing.
        cells: how many cells the grid has along each side, 1 or more. A side that they do not
            divide is split as evenly as whole pixels allow; on one that has fewer pixels, each
            pixel is a cell.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            no images (B, ..., H, W).

    Source: K. Baek, D. Bang, H. Shim, GridMix: Strong regularization through local context mapping,
    Pattern Recognition 109 (2021). From there is that the cells of a grid come from one of two
    samples; how they are drawn and the default of ``cells`` are choices made here, without having
    seen the paper's law or any code of its authors. Its second head, which tells the class of each
    cell, is no part of this. The method of the same name in GridMixup and OpenMixup is another one.

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
        share = sample_lam(self.alpha, count, generator)
        grid = (count, self.cells, self.cells)
        uniform = torch.rand(grid, generator=generator, dtype=torch.float64, device="cpu")
        kept = uniform < share[:, None, None]
        row, column = (torch.arange(length, device="cpu") * self.cells // length for length in size)
        return Masks(kept[:, row.unsqueeze(1), column])
