"""Pattern: what each sample keeps of itself, and where its partner shows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

import torch
from torch import Tensor

LayRow = Callable[[Tensor, Tensor, int], None]


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
    #: Of what is drawn.
    dtype: ClassVar[torch.dtype]

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """(B,) float32 in [0, 1]: the share that each sample keeps of itself, exactly."""

    @abstractmethod
    def only(self, chosen: Tensor) -> Self:
        """The same where ``chosen``, (B,) bool, is true, and neutral elsewhere."""

    @abstractmethod
    def lay(self, x: Tensor, partners: Tensor) -> Tensor:
        """Lay ``partners`` on ``x``, both (B, ...), into a new tensor, by operations on the whole
        batch: for any device, autograd and torch.compile."""

    @abstractmethod
    def by_row(self, x: Tensor) -> LayRow:
        """For batches like ``x`` on the CPU: ``lay_row(row, partner, i)``, which lays sample i's
        partner on ``row`` in place."""

    def lay_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Lay by compiled loops on the CPU; None where there are none for such batches."""
        return None

    def lay_small(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        """Without them, a faster way for small rows on the CPU; None where there is none."""
        return None

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
