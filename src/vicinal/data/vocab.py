"""The classes of the targets, as ``dls.vocab`` holds them."""

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

from vicinal.data.paths import ShortList


class Vocab(list[Any]):
    """The classes in their order, as the labels are: a list, from which several can be taken.

    >>> import torch
    >>> vocab = Vocab(["cat", "dog", "pug"])
    >>> vocab[torch.tensor([2, 0])], vocab[torch.tensor(1)], vocab.o2i["pug"]
    ((#2) ['pug', 'cat'], 'dog', 2)
    """

    @property
    def o2i(self) -> dict[Any, int]:
        """From a class to its index."""
        return {label: place for place, label in enumerate(self)}

    @property
    def names(self) -> list[str]:
        """The classes as texts."""
        return [str(label) for label in self]

    def __getitem__(self, places: Any) -> Any:
        """The class of an index, or the classes of several.

        Args:
            places: an integer, or a slice; a list, array or tensor of integers, or of booleans,
                one for each class.

        Raises:
            IndexError: there is no such class.
        """
        if isinstance(places, slice):
            return ShortList(super().__getitem__(places))
        places = places.tolist() if hasattr(places, "tolist") else places
        if not isinstance(places, Iterable):
            return super().__getitem__(index(places))
        chosen = list(places)
        if chosen and all(isinstance(each, bool) for each in chosen):
            if len(chosen) != len(self):
                raise IndexError(f"{len(chosen)} booleans are for as many classes, not {len(self)}")
            chosen = [place for place, is_chosen in enumerate(chosen) if is_chosen]
        return ShortList(super(Vocab, self).__getitem__(index(each)) for each in chosen)


def plain(label: Any) -> Any:
    """A scalar of NumPy or torch as its value: torch's would each be a class of its own."""
    return label.item() if getattr(label, "ndim", None) == 0 else label


def sorted_classes(labels: Sequence[Any]) -> list[Any] | None:
    """The different ones, sorted; None where they have no order, as texts beside numbers.

    >>> sorted_classes([True, False, True]), sorted_classes(["a", 1])
    ([False, True], None)
    """
    try:
        return sorted(set(labels))
    except TypeError:
        return None
