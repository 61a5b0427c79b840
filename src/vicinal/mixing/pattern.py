"""Pattern: what each sample keeps of itself, and where its partner shows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from vicinal.mixing.batch import image_size, is_blendable

ApplyRow = Callable[[Tensor, Tensor, int], None]


class Drawn(ABC):
    """Random values, one row for each sample of a batch, that depend on sizes alone.

    Most of them are a :class:`Pattern` as they are, and can be applied. Others are only what
    :meth:`Mixer.complete` makes a pattern of, once it has looked at the samples or their targets.

    Each has a neutral form, which leaves a sample as it is. So a batch may be shared out among
    several methods in fixed shapes: nothing about it has to be known on the host.
    """

    #: Whether a sample must have a height and a width.
    spatial: ClassVar[bool] = True
    #: How the size to draw for is read off the tensors to mix; None where nothing depends on it.
    measure: "ClassVar[staticmethod[[list[Tensor]], tuple[int, int]] | None]"
    measure = staticmethod(image_size)
    #: Of the values.
    dtype: ClassVar[torch.dtype]
    #: Height and width of the images that spatial values were drawn for.
    size: tuple[int, int]

    @property
    @abstractmethod
    def values(self) -> Tensor:
        """(B, ...) what was drawn."""

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """(B,) float32 in [0, 1]: the share λ that each sample keeps of itself, exactly."""

    @abstractmethod
    def only(self, chosen: Tensor) -> Self:
        """The same where ``chosen``, (B,) bool, is true, and neutral elsewhere."""

    @classmethod
    @abstractmethod
    def of(cls, values: Tensor, size: tuple[int, int]) -> Self:
        """From values that were drawn for images of this height and width."""

    @classmethod
    @abstractmethod
    def shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of the values of one sample of this height and width."""

    @abstractmethod
    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to the values, such as a move to a device."""


class Pattern(Drawn):
    """One way of applying partners to samples, for a whole batch.

    The patterns of several methods are applied one after the other, each neutral for the samples
    that belong to another one.
    """

    #: Whether values are copied and never computed with, so that integers may be mixed, too.
    copies: ClassVar[bool] = False

    def over(self, tensors: Sequence[Tensor]) -> list[Self]:
        """For each of the tensors of a batch, the pattern to apply to it: mostly, the same one."""
        return [self] * len(tensors)

    def check(self, x: Tensor) -> None:
        """Raise a TypeError or ValueError where no partners can be applied to such samples."""
        if not (self.copies or x.is_floating_point() or is_blendable(x)):
            raise TypeError(
                f"{str(x.dtype).removeprefix('torch.')} values cannot be blended, and this mix "
                "blends its samples: leave them, or mix by boxes or masks alone"
            )
        if self.spatial and x.ndim < 3:
            raise ValueError(
                f"a tensor of shape {tuple(x.shape)} has no height and width to cut regions from: "
                "give (B, ..., H, W), or name the fields to mix"
            )

    @abstractmethod
    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        """Apply ``partners`` to ``x``, both (B, ...), into a new tensor, by operations on the whole
        batch: for any device, autograd and torch.compile."""

    @abstractmethod
    def by_row(self, x: Tensor) -> ApplyRow:
        """For batches like ``x`` on the CPU: ``apply_row(row, partner, i)``, which applies sample
        i's partner to ``row`` in place."""

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Apply by compiled loops on the CPU; None where there are none for such batches."""
        return None

    def apply_small_rows(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Without them, a faster way for small rows on the CPU; None where there is none."""
        return None


def weight_of(drawn: Sequence[Drawn]) -> Tensor:
    """(B,) what samples keep, for each of which at most one of these is not neutral."""
    weight = drawn[0].weight
    for one in drawn[1:]:
        weight = weight * one.weight
    return weight.float()
