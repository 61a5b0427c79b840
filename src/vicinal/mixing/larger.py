"""Larger: of both samples, the larger values; for masks and lengths."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.pattern import LayRow
from vicinal.mixing.target import over_rows


@tensors_as_leaves("kept")
@dataclass(frozen=True, eq=False)
class Larger(Blend):
    """Where something of the partner shows, the larger of both values counts; nothing is blended.

    Args:
        kept: (B,) floats in [0, 1], what each row keeps of itself; 1 is neutral.
    """

    copies = True

    def lay(self, x: Tensor, partners: Tensor) -> Tensor:
        shows = self.kept.to(x.device, non_blocking=True) < 1
        return torch.where(over_rows(shows, x), torch.maximum(x, partners), x)

    def by_row(self, x: Tensor) -> LayRow:
        shows = (self.kept < 1).tolist()

        def lay_row(row: Tensor, partner: Tensor, i: int) -> None:
            if shows[i]:
                torch.maximum(row, partner, out=row)

        return lay_row

    def lay_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        return None

    def lay_small(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        return None
