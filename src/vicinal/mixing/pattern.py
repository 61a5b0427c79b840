"""Pattern: what each sample keeps of itself, and where its partner shows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from vicinal.mixing.batch import image_size, is_blendable

ApplyRow = Callable[[Tensor, Tensor, int], None]


class Pattern(ABC):
    """One way of laying partners on samples, for a whole batch.

    Every pattern has a neutral form, which leaves a sample as it is. So the patterns of several
    methods are laid one after the other, each on the samples that chose it, in fixed shapes:
    nothing about a batch has to be known on the host.
    """

    #: Whether values are copied and never computed with, so that integers may be laid, too.
    copies: ClassVar[bool] = False
    #: Whether a sample must have a height and a width.
    spatial: ClassVar[bool] = True
    #: How the size to draw for is read off the tensors to mix; None where nothing depends on it.
    measure: "ClassVar[staticmethod[[list[Tensor]], tuple[int, int]] | None]"
    measure = staticmethod(image_size)
    #: Whether it is one only once it is known what is where on the partners: :meth:`with_masks`.
    needs_masks: ClassVar[bool] = False
    #: Of what is drawn.
    dtype: ClassVar[torch.dtype]
    #: Height and width of the images that a spatial pattern was drawn for.
    size: tuple[int, int]

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """(B,) float32 in [0, 1]: the share that each sample keeps of itself, exactly."""

    @abstractmethod
    def only(self, chosen: Tensor) -> Self:
        """The same where ``chosen``, (B,) bool, is true, and neutral elsewhere."""

    def over(self, tensors: Sequence[Tensor]) -> list[Self]:
        """For each of the tensors of a batch, the pattern to lay on it: mostly, the same one."""
        return [self] * len(tensors)

    def check(self, x: Tensor) -> None:
        """Raise a TypeError or ValueError where no partners can be laid on such samples."""
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
        """Lay ``partners`` on ``x``, both (B, ...), into a new tensor, by operations on the whole
        batch: for any device, autograd and torch.compile."""

    @abstractmethod
    def by_row(self, x: Tensor) -> ApplyRow:
        """For batches like ``x`` on the CPU: ``apply_row(row, partner, i)``, which lays sample i's
        partner on ``row`` in place."""

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Lay by compiled loops on the CPU; None where there are none for such batches."""
        return None

    def apply_small_rows(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Without them, a faster way for small rows on the CPU; None where there is none."""
        return None

    def with_masks(self, masks: Tensor) -> "Pattern":
        """The pattern for partners with these masks, (B, H, W) class indices."""
        return self

    @classmethod
    @abstractmethod
    def of(cls, drawn: Tensor, size: tuple[int, int]) -> Self:
        """From what was drawn, for images of this height and width."""

    @classmethod
    @abstractmethod
    def shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of what is drawn for one sample of this height and width."""

    @property
    @abstractmethod
    def drawn(self) -> Tensor:
        """What was drawn."""

    @abstractmethod
    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to what was drawn, (B, ...)."""
