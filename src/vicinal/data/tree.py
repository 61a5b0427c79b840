"""The folders that hold images, as a tree."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vicinal.errors import VicinalError

STRAY = 0.1  # the share of images beside folders of images that are left out rather than refused


@dataclass
class Folder:
    """A folder with images in it or below it.

    Attributes:
        path: its path.
        own: the images that lie in it.
        folders: the folders in it that have images, by name.
    """

    path: Path
    own: list[Path] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def images(self) -> list[Path]:
        """All images at any depth, in the order of their paths."""
        below = [image for folder in self.folders.values() for image in folder.images]
        return sorted(self.own + below, key=lambda path: path.parts)

    def walk(self) -> Iterator["Folder"]:
        """The folder and all below it."""
        yield self
        for folder in self.folders.values():
            yield from folder.walk()

    @property
    def is_deep(self) -> bool:
        """Whether images lie in folders below, but for a few strays."""
        return bool(self.folders) and len(self.own) <= STRAY * len(self.images)

    @property
    def core(self) -> "Folder":
        """The folder, or the innermost of those that only wrap another folder of folders."""
        core = self
        while core.is_deep and len(core.folders) == 1:
            (inner,) = core.folders.values()
            if not inner.is_deep:
                break
            core = inner
        return core

    @property
    def names(self) -> set[str]:
        """The names of the folders in it, as classes are called."""
        return {class_name(name) for name in self.folders}


def tree_of(root: Path, images: Iterable[Path]) -> Folder:
    """The tree of the folders of images, which lie below ``root``, in the order of their paths."""
    tree, depth = Folder(root), len(root.parts)
    known: dict[str, Folder] = {}  # by their paths as text, which is cheaper than as Path
    for image in images:
        place = os.path.dirname(image)
        home = known.get(place)
        if home is None:
            home = tree
            for name in image.parts[depth:-1]:
                home = home.folders.setdefault(name, Folder(home.path / name))
            known[place] = home
        home.own.append(image)
    return tree


def class_name(name: str) -> str:
    """A folder's name as that of a class: composed characters, and no blanks around it.

    Raises:
        VicinalError: it is not in UTF-8.

    >>> class_name("cafe\\u0301 ") == "caf\\u00e9"
    True
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise VicinalError(
            f"the folder {os.fsencode(name)!r} has a name that is not in UTF-8: rename it"
        ) from None
    return unicodedata.normalize("NFC", name).strip() or name
