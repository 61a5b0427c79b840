"""Partners that are chosen from the batch: by classes, distances, a function, or as given.

Only a random order is drawn by sizes alone. Once the batch is known, each way makes partners of it.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.mixing.class_indices import class_indices, without_subclass
from vicinal.mixing.completion import Batch
from vicinal.mixing.distances import Embed, squared_distances
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.partners import PARTNERS


class Chooser(Protocol):
    """A way to choose partners."""

    #: Whether a sample that is its own partner, as no other one fits, is not mixed at all.
    leaves_alone: bool

    def choose(self, order: Tensor, batch: Batch) -> Tensor:
        """The partners, on any device.

        Args:
            order: (B,) int64, a random permutation.
            batch: the samples and their targets.

        Returns:
            (B,) int64, an index for each sample.
        """


class SameClass:
    """Partners of the same class: each class of the batch is one random cycle."""

    leaves_alone = True

    def choose(self, order: Tensor, batch: Batch) -> Tensor:
        labels = _classes("same_class", batch.y)
        order = move(order, labels.device)
        if not len(order):
            return order
        sorted_labels, index = labels[order].sort(stable=True)
        rows = order[index]  # those of a class follow each other, in random order
        first = torch.ones_like(rows, dtype=torch.bool)
        first[1:] = sorted_labels[1:] != sorted_labels[:-1]
        place = torch.arange(len(rows), device=rows.device)
        start = place.where(first, 0).cummax(0).values
        following = rows[start].where(first.roll(-1), rows.roll(-1))
        return torch.empty_like(rows).scatter_(0, rows, following)


class OtherClass:
    """Partners of another class: the next one of another class, in a random circle of the batch.

    So each sample of another class is about equally likely, and few are chosen twice.
    """

    leaves_alone = True

    def choose(self, order: Tensor, batch: Batch) -> Tensor:
        labels = _classes("other_class", batch.y)
        order = move(order, labels.device)
        count = len(order)
        if not count:
            return order
        circle = labels[order].repeat(2)
        place = torch.arange(1, 2 * count, device=order.device)
        # For each place the next one where a class ends; none where the batch has a single class.
        ends = place.where(circle[1:] != circle[:-1], 2 * count)
        following = ends.flip(0).cummin(0).values.flip(0)[:count]
        own = torch.arange(count, device=order.device)
        following = own.where(following == 2 * count, following % count)
        return torch.empty_like(order).scatter_(0, order, order[following])


@dataclass(frozen=True)
class Near:
    """Partners that are near: for each sample, the nearest other one in the batch.

    It is the same as ``partners="near"``, which has no options. A sample may be the partner of
    several others, or of none; of samples at the same distance, a random one is taken.

    Args:
        distance: between what the distance is, which is Euclidean: a function from the samples
            (B, ...), as the mixer gets them, to features (B, ...), such as those of the network
            that is trained. It is called without gradients; a network stays in the mode that it is
            in. None takes the inputs: all tensors of them, in which two different categories or
            other integers are at a squared distance of 2.

    Raises:
        TypeError: ``distance`` is not a function.

    >>> from vicinal import MixUp
    >>> x, y = torch.tensor([[0.0], [1.0], [5.0], [5.5]]), torch.arange(4)
    >>> MixUp(partners=Near(lambda x: -x), seed=0).draw(x, y).partner
    tensor([1, 0, 3, 2])
    """

    distance: Embed | None = None

    leaves_alone = False

    def __post_init__(self) -> None:
        if self.distance is not None and not callable(self.distance):
            raise TypeError(f"distance must be a function of the samples, not {self.distance!r}")

    def choose(self, order: Tensor, batch: Batch) -> Tensor:
        distances = squared_distances(batch, self.distance)
        return self._choose(order, distances) if len(order) else order

    def _choose(self, order: Tensor, distances: Tensor) -> Tensor:
        order = move(order, distances.device)
        return order[distances.fill_diagonal_(torch.inf)[:, order].argmin(1)]


@dataclass(frozen=True)
class Far(Near):
    """Partners that are far: for each sample, the farthest other one in the batch.

    It is the same as ``partners="far"``, which has no options. A few outliers are the farthest of
    all others, and become the partners of most samples.

    Args:
        distance: as for :class:`Near`.

    Raises:
        TypeError: ``distance`` is not a function.

    >>> from vicinal import MixUp
    >>> x, y = torch.tensor([[0.0], [1.0], [5.0], [5.5]]), torch.arange(4)
    >>> MixUp(partners=Far(), seed=0).draw(x, y).partner
    tensor([3, 3, 0, 0])
    """

    def _choose(self, order: Tensor, distances: Tensor) -> Tensor:
        order = move(order, distances.device)
        # A sample that is not finite is at no distance: it is chosen last.
        distances = distances.where(distances.isfinite(), -1.0).fill_diagonal_(-2.0)
        return order[distances[:, order].argmax(1)]


@dataclass(frozen=True, eq=False)
class Given:
    """Partners that the user has given, for batches of one size.

    Args:
        index: (B,) integers.
    """

    index: Tensor

    leaves_alone = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and torch.equal(self.index, other.index)

    def __hash__(self) -> int:
        return hash(len(self.index))

    def __repr__(self) -> str:
        return f"{self.index.tolist()}"

    def choose(self, order: Tensor, batch: Batch) -> Tensor:
        return checked_index("partners", self.index, len(order))


@dataclass(frozen=True)
class ByFunction:
    """Partners that a function of the user's chooses.

    Args:
        function: of the targets, or of the samples and the targets, to (B,) integers.
        reads_samples: whether it takes the samples, too.
    """

    function: Callable[..., Any]
    reads_samples: bool

    leaves_alone = False

    def __repr__(self) -> str:
        return repr(self.function)

    @torch.no_grad()
    def choose(self, order: Tensor, batch: Batch) -> Tensor:
        arguments = (batch.x, batch.y) if self.reads_samples else (batch.y,)
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return checked_index(f"partners={name}", self.function(*arguments), len(order))


def _classes(word: str, y: Any) -> Tensor:
    hint = ": for others, let partners be a function of them, which returns an index for each"
    return class_indices(f"partners={word!r}", y, hint)


#: What ``partners`` can be.
Partners = (
    Literal["cycle", "shuffle", "pairs", "reverse", "same_class", "other_class", "near", "far"]
    | Near
    | Tensor
    | Sequence[int]
    | Callable[..., Any]
)

BY_BATCH: dict[str, Chooser] = {
    "same_class": SameClass(),
    "other_class": OtherClass(),
    "near": Near(),
    "far": Far(),
}
WORDS = (*PARTNERS, *BY_BATCH)


def checked_partners(value: Any) -> Any:
    """The option ``partners`` as mixers keep it: a word, or a :class:`Chooser`.

    Raises:
        TypeError, ValueError: it is none.

    >>> checked_partners([1, 2, 0]), checked_partners("near")
    ([1, 2, 0], 'near')
    """
    if value is None or isinstance(value, str):
        if value in WORDS:
            return value
        listed = ", ".join(map(repr, WORDS))
        raise ValueError(
            f"partners must be one of {listed}, a function of the targets or of samples and "
            f"targets, or an index for each sample, not {value!r}"
        )
    if isinstance(value, Near | Given | ByFunction):
        return value
    if isinstance(value, type):
        raise TypeError(f"partners must not be a class: call it, {value.__name__}()")
    if callable(value):
        return ByFunction(value, _reads_samples(value))
    index = checked_index("partners", value, None)
    return Given(index)


def _reads_samples(function: Callable[..., Any]) -> bool:
    """Whether a function takes the samples and the targets, and not the targets alone."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some of those that are written in C
        parameters = {}.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [p for p in parameters if p.kind in kinds]
    is_clear = all(p.default is p.empty for p in taken) and 1 <= len(taken) <= 2
    if not is_clear or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TypeError(
            f"partners={function!r} must be a function of the targets, (y), or of the samples and "
            "the targets, (x, y): write lambda x, y: ... around it"
        )
    return len(taken) == 2


def checked_index(name: str, index: Any, count: int | None) -> Tensor:
    """(B,) int64, an index for each sample; a TypeError or ValueError if it is none.

    Args:
        name: of what gave it, for the message.
        index: a tensor, a list or an array of integers.
        count: the number of samples; None while it is unknown.
    """
    try:
        found = index if isinstance(index, Tensor) else torch.as_tensor(index)
    except (TypeError, ValueError, RuntimeError):
        found = None
    wrong = found is None or found.is_floating_point() or found.is_complex() or found.ndim != 1
    if wrong or cast(Tensor, found).dtype == torch.bool:
        if found is None:
            kind = f"{type(index).__name__}"
        else:
            kind = f"{found.dtype} of shape {tuple(found.shape)}"
        raise TypeError(f"{name} must give one integer for each sample, not {kind}")
    found = without_subclass(cast(Tensor, found)).long()
    if count is None:
        return found
    if len(found) != count:
        raise ValueError(
            f"{name} gives {len(found)} indices for a batch of {count} samples: give one for each"
        )
    # On another device, to read a value would make the host wait; indexing itself checks there.
    if found.is_cpu and count and not is_compiling():
        low, high = int(found.min()), int(found.max())
        if low < 0 or high >= count:
            raise ValueError(
                f"{name} gives the index {low if low < 0 else high} for a batch of {count} "
                f"samples: indices are 0 to {count - 1}"
            )
    return found


def needs_batch(partners: Any) -> bool:
    """Whether partners are chosen when the batch is known."""
    return not (isinstance(partners, str) and partners in PARTNERS)


def drawn_as(partners: Any) -> str:
    """The word for what is drawn by sizes alone, of which partners may be chosen later."""
    return "shuffle" if needs_batch(partners) else cast(str, partners)


def choose_partners(partners: Any, mix: Mix, batch: Batch) -> Mix:
    """A mix with partners that are chosen from the batch, where the option says so.

    Args:
        partners: the option of a mixer.
        mix: as it was drawn, with a random order in place of partners.
        batch: its samples and targets.
    """
    if not needs_batch(partners):
        return mix
    if batch.other is not None:
        raise ValueError(f"partners={partners!r} come from the batch: give no second batch")
    chooser = cast(Chooser, BY_BATCH[partners] if isinstance(partners, str) else partners)
    partner = move(chooser.choose(mix.partner, batch), mix.partner.device)
    if not chooser.leaves_alone:
        return Mix(partner, mix.weight, mix.patterns)
    is_mixed = partner != torch.arange(len(partner), device=partner.device)
    patterns = tuple(pattern.only(is_mixed) for pattern in mix.patterns)
    return Mix(partner, mix.weight.where(is_mixed, 1.0), patterns)
