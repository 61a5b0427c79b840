"""What the blocks of a DataBlock are: one kind of input, and one kind of target.

A new kind of target subclasses :class:`TargetBlock`, a new kind of input :class:`InputBlock`.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.loaders import DataLoaders


@dataclass(frozen=True)
class Targets:
    """The targets of all items, as numbers.

    Args:
        values: (N,) int64 class indices or (N, k) float32 values; or what the block itself reads
            later, such as N files of masks.
        vocab: the classes, as the labels are, such as ``[False, True]``; None for values.
        n_out: how many numbers a network gives for each sample (or pixel).
    """

    values: Any
    vocab: list[Any] | None
    n_out: int

    @property
    def names(self) -> list[str] | None:
        """The classes as texts."""
        return None if self.vocab is None else [str(label) for label in self.vocab]


@dataclass(frozen=True)
class LabelledItems:
    """All items with their inputs and targets, and which of them are in which part.

    Args:
        items: what ``get_items`` gave; a row of a data frame is a Series.
        x: the input of each item, by ``get_x``.
        targets: of each item.
        train, valid: indices into these three.
    """

    items: Sequence[Any]
    x: Sequence[Any]
    targets: Targets
    train: Sequence[int]
    valid: Sequence[int]


@dataclass(frozen=True)
class LoaderOptions:
    """How batches are made of them.

    Args:
        item_tfms, batch_tfms: of the DataBlock, as lists.
        bs: batch size in training.
        seed: of the order and the augmentation; None for 0.
        other: the other arguments of ``dataloaders``, such as ``device``.
    """

    item_tfms: Sequence[Any] = ()
    batch_tfms: Sequence[Any] = ()
    bs: int = 64
    seed: int | None = None
    other: dict[str, Any] = field(default_factory=dict)


class InputBlock(ABC):
    """One kind of input."""

    def items_of(self, source: Any) -> Any:
        """The items of a source, where the DataBlock has no ``get_items``: here, the source."""
        return source

    def copies(self, x: Sequence[Any]) -> list[list[int]]:
        """The indices of inputs that are the same, which a random split keeps on one side."""
        return []

    def opened(self, x: Any) -> Any:
        """An input as it is shown one by one, such as an image of its file: here, as it is."""
        return x

    def check(self, item_tfms: Sequence[Any]) -> None:
        """Raise a VicinalError where the item transforms of a DataBlock are none of this kind."""
        if item_tfms:
            raise VicinalError(
                f"{type(self).__name__} takes no item_tfms, not {item_tfms[0]!r}: leave it out"
            )

    @abstractmethod
    def loaders(self, data: LabelledItems, options: LoaderOptions) -> "DataLoaders":
        """The loaders of both parts.

        Raises:
            VicinalError: an input cannot be read, or an option is none of this kind's.
        """


class TargetBlock(ABC):
    """One kind of target."""

    #: What a Learner without a loss takes; None for what it takes by ``vocab``.
    loss_func: Callable[..., Tensor] | None = None
    #: Whether each sample has one class, where there is a ``vocab``.
    is_classes = True

    @abstractmethod
    def encode(self, values: Sequence[Any], items: Sequence[Any]) -> Targets:
        """Targets as numbers.

        Args:
            values: what ``get_y`` gave for each item.
            items: for messages.

        Raises:
            VicinalError: a value is no such target.
        """

    def arranged(self, targets: Targets, train: Sequence[int]) -> Targets:
        """The targets when it is known which items are for training: here, as they are."""
        return targets

    def loaders(
        self, inputs: InputBlock, data: LabelledItems, options: LoaderOptions
    ) -> "DataLoaders":
        """The loaders of both parts: here, the input's.

        Targets that are read and augmented with their inputs, such as masks, make their own.
        """
        return inputs.loaders(data, options)

    def encode_more(
        self, values: Sequence[Any], items: Sequence[Any], vocab: list[str] | None
    ) -> Any:
        """The targets of further items, by the classes of the training: as ``Targets.values``.

        Raises:
            VicinalError: one is of another class.
        """
        own: Any = copy.copy(self)
        own.vocab = vocab
        return own.encode(values, items).values

    def decode(self, activations: Tensor, vocab: list[str] | None) -> Tensor:
        """From activated outputs (N, ...) to predicted targets, as fastai's ``with_decoded``."""
        return activations if vocab is None else activations.argmax(dim=1)

    def text(self, target: Tensor, vocab: list[str] | None) -> str | None:
        """A target as text, for captions; None for the name of its class, or its values."""
        return None


def as_block(block: Any) -> Any:
    """A block, of one that may be given as its class: ``CategoryBlock``."""
    return block() if isinstance(block, type) else block
