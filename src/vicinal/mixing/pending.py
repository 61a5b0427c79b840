"""Pending: that a sample is to be mixed, for methods that decide how when they see the images."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.pattern import Drawn


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Pending(Drawn):
    """Whether each sample is to be mixed, before :meth:`Mixer.complete` decides how.

    Args:
        mixed: (B,) bool; false is neutral.
    """

    mixed: Tensor

    tensors = ("mixed",)
    dtype = torch.bool
    is_sized = False

    @property
    def weight(self) -> Tensor:
        """Ones: the weight is known only after :meth:`Mixer.complete`."""
        return torch.ones_like(self.mixed, dtype=torch.float32)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.mixed & chosen)
