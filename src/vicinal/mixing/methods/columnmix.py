"""ColumnMix: some columns of another row in each, as CutMix has it for images."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.columns import Columns
from vicinal.mixing.method import Method, MethodOptions


class ColumnMix(Method):
    """Take some columns of each row from another row; the target counts the columns, exactly.

    Each column is kept with probability t, for itself. In a nested batch all tensors (B, F) are
    parts of the same row, floats and integers alike: one draw goes over all their columns, and
    values are copied, never blended.

    Args:
        alpha: t comes from Beta(alpha, alpha), one for each row; 1 is uniform, 0 mixes nothing.
        keep: the probability t itself, the same for all rows; alpha is then not looked at.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, seed. Integers are pasted unless told otherwise.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            something else than tensors (B, F).

    Source: G. Somepalli, M. Goldblum, A. Schwarzschild, C. B. Bruss, T. Goldstein, SAINT: Improved
    Neural Networks for Tabular Data via Row Attention and Contrastive Pre-Training, arXiv
    2106.01342 (2021), section 4: their CutMix in the input space, for learning without labels; its
    code swaps with probability 0.1, here ``keep=0.9``. Labels mixed by the share of columns are
    those of Auto-PyTorch (A. Kadra, M. Lindauer, F. Hutter, J. Grabocka, Well-tuned Simple Nets
    Excel on Tabular Datasets, NeurIPS 2021), which takes one set of columns for the whole batch,
    and never the first.

    >>> mixer = ColumnMix(seed=0)
    >>> x = {"numbers": torch.rand(8, 3), "categories": torch.randint(5, (8, 2))}
    >>> mixed, y = mixer(x, torch.arange(8))
    >>> kept = torch.cat([(mixed[name] == x[name]) for name in x], dim=1).float().mean(dim=1)
    >>> bool((kept >= y.weight - 1e-6).all())  # equal, but for columns where both rows agree
    True
    """

    drawn_types = (Columns,)

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        keep: float | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        options.setdefault("integers", "paste")
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.keep = None if keep is None else number("keep", keep, upper=1.0)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Columns:
        if self.keep is None:
            share = sample_lam(self.alpha, count, generator)
        else:
            share = torch.full((count,), self.keep, dtype=torch.float64, device="cpu")
        _, columns = size
        uniform = torch.rand(count, columns, generator=generator, dtype=torch.float64, device="cpu")
        return Columns(uniform < share.unsqueeze(1))
