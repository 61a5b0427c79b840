"""FeatMix: exchange columns, and share the target by what the columns say about it."""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.columns import Columns
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import MethodOptions
from vicinal.mixing.methods.columnmix import ColumnMix
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move


class FeatMix(ColumnMix):
    """Take some columns from another row, and share the target by their importance: FEAT-MIX.

    Columns are exchanged as by :class:`ColumnMix`. But the weight of the target is not the share of
    columns that a row keeps: it is the share of their importance, such as their mutual information
    with the target. A row that keeps what decides about its target keeps its target.

    Args:
        importance: (F,) numbers, 0 or more, one for each column of the batch, in the order of its
            tensors. Only their ratios matter; if all are 0, columns count equally.
        alpha: a row keeps each column with probability λ from Beta(alpha, alpha); 0 mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch does not
            hold tensors (B, F), or not as many columns as there are numbers.

    Source: J. Chen, J. Yan, Q. Chen, D. Z. Chen, J. Wu, J. Sun, Can a Deep Learning Model be a
    Sure Bet for Tabular Prediction?, KDD 2024 (ExcelFormer). It is made there of the embeddings of
    the columns, with scikit-learn's ``mutual_info_classif`` or ``mutual_info_regression`` of the
    training rows as importance, and alpha 0.5.

    >>> mixer = FeatMix(importance=[0.6, 0.0, 0.2], seed=0)
    >>> x = torch.arange(8.0)[:, None].expand(8, 3)
    >>> mixed, y = mixer(x, torch.arange(8))
    >>> expected = (mixed == x).float() @ torch.tensor([0.75, 0.0, 0.25])
    >>> bool(torch.allclose(y.weight, expected))
    True
    """

    def __init__(
        self,
        importance: Sequence[float] | Tensor,
        alpha: float = 0.5,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(alpha, **options)
        del self.keep  # of ColumnMix
        listed = importance.tolist() if hasattr(importance, "tolist") else importance
        if not isinstance(listed, tuple | list) or not listed:
            raise TypeError(f"importance must be one number for each column, not {importance!r}")
        self.importance = tuple(number("importance", each) for each in listed)
        shares = torch.tensor(self.importance, dtype=torch.float64, device="cpu")
        total = shares.sum()
        if not total.isfinite():
            raise ValueError(f"importance must be finite, not {importance!r}")
        shares = shares / total if total > 0 else torch.full_like(shares, 1 / len(shares))
        self._shares = shares.float()

    keep: float | None = None

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (columns,) = mix.patterns
        assert isinstance(columns, Columns)
        keep = columns.keep
        if keep.shape[1] != len(self.importance):
            raise ValueError(
                f"importance holds {len(self.importance)} numbers, but the batch {keep.shape[1]} "
                "columns: give one for each"
            )
        weight = (keep * move(self._shares, keep.device)).sum(1).clamp(max=1.0)
        # Rounding must not make a row that keeps everything one that is mixed.
        weight = weight.where(~keep.all(1), 1.0)
        return Mix(mix.partner, weight, mix.patterns)
