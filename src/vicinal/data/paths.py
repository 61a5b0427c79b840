"""Path with ``ls``, and lists that are short where a notebook shows them."""

import mimetypes
import pathlib
import random
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from operator import attrgetter, getitem, index, itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")
SHOWN = 10

if TYPE_CHECKING:
    _Path = pathlib.Path
else:  # before Python 3.12, only the class of this system's paths can have subclasses
    _Path = type(pathlib.Path())


class ShortList(list[T]):
    """A list whose repr is its length and its first entries, with what notebooks do to lists.

    Of fastcore's ``L`` it has what lists of files and of names need; what is chosen of it is one,
    too.

    >>> ShortList(range(100))
    (#100) [0, 1, 2, 3, 4, 5, 6, 7, 8, 9...]
    >>> words = ShortList(["pug", "cat", "owl"])
    >>> words.sorted(), words[[0, 2]], words.filter(lambda word: word < "d")
    ((#3) ['cat', 'owl', 'pug'], (#2) ['pug', 'owl'], (#1) ['cat'])
    """

    def __getitem__(self, places: Any) -> Any:
        """An entry, or several.

        Args:
            places: an integer, or a slice; a list, array or tensor of integers, or of booleans,
                one for each entry.

        Raises:
            IndexError: there is no such entry.
        """
        return chosen_of(self, places)

    def __add__(self, more: Any) -> "ShortList[Any]":
        return ShortList([*self, *more])

    def map(self, function: Any, *args: Any, **kwargs: Any) -> "ShortList[Any]":
        """The function's value for each entry: ``verify_images(files).map(Path.unlink)``.

        Args:
            function: also a text in which ``{}`` stands for the entry.
            *args, **kwargs: further arguments of the function; those without a name come before
                the entry, as in fastcore.
        """
        function = function.format if isinstance(function, str) else function
        return ShortList(function(*args, each, **kwargs) for each in self)

    def filter(self, function: Callable[[T], Any] = bool, negate: bool = False) -> "ShortList[T]":
        """The entries for which the function is true; with ``negate``, the others."""
        return ShortList(each for each in self if bool(function(each)) != negate)

    def sorted(self, key: Any = None, reverse: bool = False) -> "ShortList[T]":
        """A sorted copy.

        Args:
            key: a function of an entry, or the name of an attribute, or the number of an item.
            reverse: the largest first.
        """
        by: Any = attrgetter(key) if isinstance(key, str) else key
        by = itemgetter(by) if isinstance(by, int) else by
        entries: Any = self
        return ShortList(sorted(entries, key=by, reverse=reverse))

    def unique(self, sort: bool = False) -> "ShortList[T]":
        """The different entries, in their order or sorted."""
        found = ShortList(dict.fromkeys(self))
        return found.sorted() if sort else found

    def shuffle(self) -> "ShortList[T]":
        """A copy in random order, by Python's ``random``."""
        return ShortList(random.sample(self, len(self)))

    def attrgot(self, name: str, default: Any = None) -> "ShortList[Any]":
        """An attribute of each entry, or the value of a key: ``files.attrgot("name")``."""
        return ShortList(
            each.get(name, default) if isinstance(each, dict) else getattr(each, name, default)
            for each in self
        )

    def itemgot(self, *places: Any) -> "ShortList[Any]":
        """An item of each entry: ``pairs.itemgot(1)``; of several numbers, the item in the item."""
        item: Any = getitem
        return ShortList(reduce(item, places, each) for each in self)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:SHOWN]))
        return f"(#{len(self)}) [{shown}{'...' if len(self) > SHOWN else ''}]"


def chosen_of(entries: list[Any], places: Any) -> Any:
    """An entry of a list, or a :class:`ShortList` of several; see there."""
    if isinstance(places, slice):
        return ShortList(list.__getitem__(entries, places))
    places = places.tolist() if hasattr(places, "tolist") else places
    if not isinstance(places, Iterable):
        return list.__getitem__(entries, index(places))
    chosen = list(places)
    if chosen and all(isinstance(each, bool) for each in chosen):
        if len(chosen) != len(entries):
            raise IndexError(f"{len(chosen)} booleans are for as many entries, not {len(entries)}")
        chosen = [place for place, is_chosen in enumerate(chosen) if is_chosen]
    return ShortList(list.__getitem__(entries, index(each)) for each in chosen)


class Path(_Path):
    """pathlib's Path, which also lists a folder by ``path.ls()``.

    >>> Path("images") / "pug_7.jpg"
    Path('images/pug_7.jpg')
    """

    def ls(
        self,
        n_max: int | None = None,
        file_type: str | None = None,
        file_exts: str | Sequence[str] | None = None,
    ) -> "ShortList[Path]":
        """What is in the folder, sorted by name.

        Args:
            n_max: at most so many entries.
            file_type: only files whose names are of this type, such as ``"image"`` or ``"text"``.
            file_exts: only files with this ending, such as ``".jpg"``, or one of several.
        """
        endings = [file_exts] if isinstance(file_exts, str) else file_exts
        found = (each for each in self.iterdir() if endings is None or each.suffix in endings)
        if file_type is not None:
            types = ((each, mimetypes.guess_type(each.name)[0] or "") for each in found)
            found = (each for each, kind in types if kind.startswith(f"{file_type}/"))
        return ShortList(sorted(found)[:n_max])
