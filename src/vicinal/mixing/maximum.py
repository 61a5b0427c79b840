"""Maximum: of both samples, the larger values; for masks and lengths."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import RowPattern
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow
from vicinal.mixing.target import over_rows


@tensors_as_leaves("lam")
@dataclass(frozen=True, eq=False)
class Maximum(RowPattern):
    """Where something of the partner shows, the larger of both values counts; nothing is blended.

    The arguments are those of :class:`RowPattern`.
    """

    copies = True

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        shows = move(self.lam, x.device) < 1
        return torch.where(over_rows(shows, x), torch.maximum(x, partners), x)

    def row_function(self, x: Tensor) -> ApplyRow:
        shows = (self.lam < 1).tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            if shows[i]:
                torch.maximum(row, partner, out=row)

        return apply_row
