"""ColumnMix: take some columns of each row from another row, like CutMix for tables."""

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.columns import Columns
from vicinal.mixing.method import Method, MethodOptions


class ColumnMix(Method):
    """Take some columns of each row from another row.

    A row keeps each column with probability λ, independently. In a nested batch, all tensors (B, F)
    are parts of the same row, and one draw covers all their columns. Values are copied, never
    blended, so that integers such as categories are mixed like floats. The weight of the target is
    the exact share of columns that a row keeps.

    Args:
        alpha: λ comes from Beta(alpha, alpha), one for each row; 1 is uniform, 0 mixes nothing.
        keep: λ itself, the same for all rows; alpha is then ignored.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch does not
            hold tensors (B, F).

    Source: G. Somepalli, M. Goldblum, A. Schwarzschild, C. B. Bruss, T. Goldstein, SAINT: Improved
    Neural Networks for Tabular Data via Row Attention and Contrastive Pre-Training, arXiv
    2106.01342 (2021), section 4: CutMix in the input space, for self-supervised learning. Its code
    swaps columns with probability 0.1, which is ``keep=0.9`` here. Mixing labels by the share of
    columns is from Auto-PyTorch (A. Kadra, M. Lindauer, F. Hutter, J. Grabocka, Well-tuned Simple
    Nets Excel on Tabular Datasets, NeurIPS 2021), which swaps the same columns in the whole batch,
    and never the first one.

    >>> mixer = ColumnMix(seed=0)
    >>> x = {"numbers": torch.rand(8, 3), "categories": torch.randint(5, (8, 2))}
    >>> mixed, y = mixer(x, torch.arange(8))
    >>> same = torch.cat([(mixed[name] == x[name]) for name in x], dim=1).float().mean(dim=1)
    >>> bool((same >= y.weight - 1e-6).all())  # equal, but for columns where both rows agree
    True
    """

    drawn_types = (Columns,)
    defaults: ClassVar[Mapping[str, Any]] = {"integers": "paste"}

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        keep: float | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**{**self.defaults, **options})
        self.alpha = number("alpha", alpha)
        self.keep = None if keep is None else number("keep", keep, upper=1.0)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Columns:
        if self.keep is None:
            lam = sample_lam(self.alpha, count, generator)
        else:
            lam = torch.full((count,), self.keep, dtype=torch.float64, device="cpu")
        _, columns = size
        uniform = torch.rand(count, columns, generator=generator, dtype=torch.float64, device="cpu")
        return Columns(uniform < lam.unsqueeze(1))
