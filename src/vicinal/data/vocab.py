"""The classes of the targets, as ``dls.vocab`` holds them."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from vicinal.data.paths import ShortList, chosen_of
from vicinal.errors import VicinalError


class Vocab(list[Any]):
    """The classes in their order, as the labels are: a list, from which several can be taken.

    >>> import torch
    >>> vocab = Vocab(["cat", "dog", "pug"])
    >>> vocab[torch.tensor([2, 0])], vocab[torch.tensor(1)], vocab.o2i["pug"]
    ((#2) ['pug', 'cat'], 'dog', 2)
    >>> vocab.map_objs(["dog"]), vocab.map_ids([1, 1])
    ((#1) [1], (#2) ['dog', 'dog'])
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
        return chosen_of(self, places)

    def map_ids(self, ids: Iterable[Any]) -> ShortList[Any]:
        """The classes of indices: ``dls.vocab.map_ids(preds.argmax(1))``.

        Raises:
            IndexError: there is no such class.
        """
        return ShortList(self[each] for each in ids)

    def map_objs(self, objs: Iterable[Any]) -> ShortList[int]:
        """The indices of classes: ``dls.vocab.map_objs(["pug", "cat"])``.

        Raises:
            VicinalError: one is no class.
        """
        places = self.o2i
        given = [plain(each) for each in objs]
        for each in given:
            if each not in places:
                near = get_close_matches(str(each), self.names, n=1)
                known = f"did you mean {near[0]!r}?" if near else f"give some of {list(self)!r:.90}"
                raise VicinalError(f"{each!r} is none of the {len(self)} classes: {known}")
        return ShortList(places[each] for each in given)


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
