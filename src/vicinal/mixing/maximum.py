"""Maximum: the elementwise maximum of sample and partner, for attention masks and lengths."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import RowPattern
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow
from vicinal.mixing.target import over_rows


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Maximum(RowPattern):
    """Take the elementwise maximum with the partner, for each row that is mixed at all.

    A mixed sequence is as long as the longer of the two. The arguments are those of
    :class:`RowPattern`; of ``lam``, it matters only whether it is below 1.
    """

    copies = True

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        is_mixed = move(self.lam, x.device) < 1
        return torch.where(over_rows(is_mixed, x), torch.maximum(x, partners), x)

    def row_function(self, x: Tensor) -> ApplyRow:
        is_mixed = (self.lam < 1).tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            if is_mixed[i]:
                torch.maximum(row, partner, out=row)

        return apply_row
