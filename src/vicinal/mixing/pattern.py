"""Drawn and Pattern: what is drawn for each sample, and how it combines two samples.

A mix draws the same for every sample as tensors with B rows, so that a batch can be shared among
several methods without any control flow that depends on the draw: every method draws for all
samples, and is made *neutral* for those that belong to another one. This keeps shapes fixed, as
``torch.compile`` needs, and no value has to be read on the CPU.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from vicinal.mixing.batch import is_blendable
from vicinal.mixing.tensors import check_sides, image_size

ApplyRow = Callable[[Tensor, Tensor, int], None]


class Drawn(ABC):
    """Random values, one row for each sample of a batch, drawn by sizes alone.

    Most of them are a :class:`Pattern`, which can be applied as it is. From the others,
    :meth:`Mixer.complete` makes a pattern after it has looked at the samples or their targets.

    Each has a neutral value, which leaves a sample unchanged.
    """

    #: Whether samples must have a height and a width.
    spatial: ClassVar[bool] = True
    #: Returns the size to draw for, given the tensors to mix; None if the draw needs no size.
    size_of: "ClassVar[staticmethod[[list[Tensor]], tuple[int, ...]] | None]"
    size_of = staticmethod(image_size)
    #: The attributes that hold the values: one (B, ...), or several (B,), which are stacked.
    tensors: ClassVar[tuple[str, ...]]
    #: The dtype of ``values``.
    dtype: ClassVar[torch.dtype]
    #: Height and width of the images for which spatial values were drawn, or depth, height and
    #: width of volumes.
    size: tuple[int, ...]
    #: Whether the values depend on that size.
    is_sized: ClassVar[bool] = True

    @property
    def values(self) -> Tensor:
        """(B, ...) the drawn values in one tensor: what compiled graphs and caches hold."""
        held = [getattr(self, name) for name in self.tensors]
        return held[0] if len(held) == 1 else torch.stack(held, 1)

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """(B,) float32 in [0, 1]: the exact share λ (``lam``) of itself that each sample keeps."""

    @abstractmethod
    def only(self, chosen: Tensor) -> Self:
        """The same where ``chosen``, (B,) bool, is true, and neutral elsewhere."""

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, ...]) -> Self:
        """The inverse of ``values``, for images of this height and width."""
        return cls(*cls._split(values))

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one sample's values, for images of this height and width."""
        return () if len(cls.tensors) == 1 else (len(cls.tensors),)

    def with_tensors(self, *tensors: Tensor) -> Self:
        """The same with other ``tensors``; classes with options override it."""
        # Not by dataclasses.replace(), which torch 2.6 cannot compile.
        return type(self)(*tensors)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to the values, such as a move to a device."""
        return self.with_tensors(*self._split(function(self.values)))

    @classmethod
    def _split(cls, values: Tensor) -> Sequence[Tensor]:
        return (values,) if len(cls.tensors) == 1 else values.unbind(1)


class Pattern(Drawn):
    """A way to combine each sample of a batch with its partner.

    The patterns of several methods are applied one after the other, each neutral for the samples
    that belong to another one.

    :meth:`apply` works everywhere. The other methods are faster implementations of it on the CPU,
    among which :mod:`vicinal.mixing.apply` dispatches.
    """

    #: Whether values are only copied, so that integers can be mixed, too.
    copies: ClassVar[bool] = False

    def for_tensors(self, tensors: Sequence[Tensor]) -> list[Self]:
        """The pattern to apply to each tensor of a batch: usually the same one for all."""
        return [self] * len(tensors)

    def check(self, x: Tensor) -> None:
        """Raise a TypeError or ValueError if this pattern cannot be applied to such samples."""
        if not (self.copies or x.is_floating_point() or is_blendable(x)):
            raise TypeError(
                f"{str(x.dtype).removeprefix('torch.')} values cannot be blended, and this mix "
                "blends its samples: set integers='leave', or mix by boxes or masks alone"
            )
        if self.spatial:
            check_sides(x, self.size)

    @abstractmethod
    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        """Combine ``x`` and ``partners``, both (B, ...), in a new tensor.

        By torch operations on the whole batch: for any device, autograd and torch.compile.
        """

    def moved(self, x: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
        """Samples and partners, (B, ..., H, W), as they are before they are combined.

        Most patterns combine what lies at the same place in both.
        """
        return x, partners

    @abstractmethod
    def row_function(self, x: Tensor) -> ApplyRow:
        """A function ``apply_row(row, partner, i)`` for the rows of batches like ``x`` on the CPU.

        It applies the pattern of sample ``i`` to ``row`` in place.
        """

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Apply by a loop that numba compiled, on the CPU; None if there is none for ``x``."""
        return None

    def apply_small_rows(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Apply to small rows on the CPU, faster than :meth:`apply`; None if it cannot."""
        return None


def weight_of(drawn: Sequence[Drawn]) -> Tensor:
    """(B,) the shares that samples keep, if at most one of these is not neutral for a sample."""
    weight = drawn[0].weight
    for one in drawn[1:]:
        weight = weight * one.weight
    return weight.float()
