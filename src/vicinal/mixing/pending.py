"""Pending: that a sample is to be mixed, for methods that decide how when they see the images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.pattern import Drawn


@tensors_as_leaves("mixed")
@dataclass(frozen=True, eq=False)
class Pending(Drawn):
    """Whether each sample is to be mixed, before :meth:`Mixer.complete` decides how.

    Args:
        mixed: (B,) bool; false is neutral.
    """

    mixed: Tensor

    dtype = torch.bool
    is_sized = False

    @property
    def values(self) -> Tensor:
        return self.mixed

    @property
    def weight(self) -> Tensor:
        """Ones: the weight is known only after :meth:`Mixer.complete`."""
        return torch.ones_like(self.mixed, dtype=torch.float32)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.mixed & chosen)

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, int]) -> Self:
        return cls(values)

    @classmethod
    def values_shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        return ()

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(function(self.mixed))
