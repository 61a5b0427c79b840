"""Path with ``ls``, and lists that are short where a notebook shows them."""

import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")
SHOWN = 10

if TYPE_CHECKING:
    _Path = pathlib.Path
else:  # before Python 3.12, only the class of this system's paths can have subclasses
    _Path = type(pathlib.Path())


class ShortList(list[T]):
    """A list whose repr is its length and its first entries.

    >>> ShortList(range(100))
    (#100) [0, 1, 2, 3, 4, 5, 6, 7, 8, 9...]
    """

    def map(self, function: Callable[[T], Any]) -> "ShortList[Any]":
        """The function's value for each entry: ``verify_images(files).map(Path.unlink)``."""
        return ShortList(map(function, self))

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:SHOWN]))
        return f"(#{len(self)}) [{shown}{'...' if len(self) > SHOWN else ''}]"


class Path(_Path):
    """pathlib's Path, which also lists a folder by ``path.ls()``.

    >>> Path("images") / "pug_7.jpg"
    Path('images/pug_7.jpg')
    """

    def ls(
        self, n_max: int | None = None, file_exts: str | Sequence[str] | None = None
    ) -> "ShortList[Path]":
        """What is in the folder, sorted by name.

        Args:
            n_max: at most so many entries.
            file_exts: only files with this ending, such as ``".jpg"``, or one of several.
        """
        endings = [file_exts] if isinstance(file_exts, str) else file_exts
        found = (each for each in self.iterdir() if endings is None or each.suffix in endings)
        return ShortList(sorted(found)[:n_max])
