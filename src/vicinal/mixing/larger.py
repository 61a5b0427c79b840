"""Larger: of both samples, the larger values; for masks and lengths."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import Shares
from vicinal.mixing.move import moved
from vicinal.mixing.pattern import LayRow
from vicinal.mixing.target import over_rows


@tensors_as_leaves("kept")
@dataclass(frozen=True, eq=False)
class Larger(Shares):
    """Where something of the partner shows, the larger of both values counts; nothing is blended.

    The arguments are those of :class:`Shares`.
    """

    copies = True

    def lay(self, x: Tensor, partners: Tensor) -> Tensor:
        shows = moved(self.kept, x.device) < 1
        return torch.where(over_rows(shows, x), torch.maximum(x, partners), x)

    def by_row(self, x: Tensor) -> LayRow:
        shows = (self.kept < 1).tolist()

        def lay_row(row: Tensor, partner: Tensor, i: int) -> None:
            if shows[i]:
                torch.maximum(row, partner, out=row)

        return lay_row
