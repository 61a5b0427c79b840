"""Which image files the values of a table's column name."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from vicinal.data.parts import part_of


@dataclass(frozen=True)
class _Folder:
    """A folder of images: the names of the folders that lead to it, and the part they name."""

    names: tuple[str, ...]
    part: str | None


class NamedImages:
    """Image files that can be looked up by what a table calls them.

    Args:
        root: the folder of the data.
        files: the images below it.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root = root
        self._endings: set[str] = set()
        self._folders: dict[str, _Folder] = {}
        # Under its name alone, and with the folder around it: many folders may hold a 0.png.
        self._by_name: dict[str | tuple[str, str], list[Path]] = {}
        self._by_stem: dict[str | tuple[str, str], list[Path]] = {}
        self.counts: Counter[str] = Counter()  # of the images in each folder
        for file in files:
            around = self._folder(file).names[-1:]
            for by, name in ((self._by_name, file.name), (self._by_stem, file.stem)):
                key = _key(name)
                by.setdefault(key, []).append(file)
                by.setdefault((key, around[0] if around else ""), []).append(file)
            self._endings.add(file.suffix.lower())
            self.counts[os.path.dirname(file)] += 1
        self._depth = max((len(folder.names) for folder in self._folders.values()), default=0)

    def find(self, values: Sequence[str | None], table: Path) -> list[list[Path]]:
        """For each value the files that it can mean: none, one, or where it is unclear, several.

        A value is a path, the last parts of one, a name, or a name without its ending. Its folders
        are compared with those on disk; outer ones count only as far as any value agrees with
        them. An image in a folder of another part of the data than the table's is not meant by its
        name alone.

        Args:
            values: what the rows of a table hold; None for a row that names nothing.
            table: the file of the table.
        """
        part = part_of_table(table, self.root)
        texts = [(value or "").strip().replace("\\", "/") for value in values]
        for outer in range(self._depth + 1):
            by_text = {
                text: self._find(text, table, part, outer)
                or self._find(_linked(text), table, part, outer)
                for text in set(texts)
            }
            found = [by_text[text] for text in texts]
            if any(found):
                break
        return found

    def _find(self, text: str, table: Path, part: str | None, outer: int) -> list[Path]:
        """The files that a path can mean, where so many outer folders on disk do not count."""
        above, _, name = text.rpartition("/")
        ending = os.path.splitext(name)[1].lower()
        by = self._by_name if ending in self._endings else self._by_stem
        folders, key = _folder_names(above), _key(name)
        if folders and not outer:  # those below the root lie in the last of these folders
            found = [*by.get((key, folders[-1]), ()), *by.get((key, ""), ())]
        else:
            found = by.get(key, [])
        if not found:
            return []
        if folders:
            found = [file for file in found if _agree(self._folder(file).names[outer:], folders)]
        if part is not None and (not folders or outer):
            found = [file for file in found if self._folder(file).part in (None, part)]
        return found if len(found) < 2 else _narrowed(found, PurePosixPath(text), table)

    def _folder(self, file: Path) -> _Folder:
        name = os.path.dirname(file)
        if name not in self._folders:
            names = file.relative_to(self.root).parent.parts
            part = next((part for part in map(part_of, reversed(names)) if part), None)
            self._folders[name] = _Folder(tuple(map(_key, names)), part)
        return self._folders[name]


def part_of_table(table: Path, root: Path) -> str | None:
    """The part of the data that a table belongs to, by its name or else the folder around it."""
    around = table.relative_to(root).parent.name if table.is_relative_to(root) else ""
    return part_of(table.name.partition(".")[0]) or part_of(around)


def _linked(text: str) -> str:
    """The path in a link, as annotation tools write them; nothing of other texts.

    >>> _linked("/data/local-files/?d=my%20images/1.png"), _linked("images/1.png")
    ('my images/1.png', '')
    """
    return unquote(text.rpartition("?d=")[2]) if "%" in text or "?d=" in text else ""


def _key(name: str) -> str:
    # Tables and disks differ in how they write an umlaut, and in the case of endings.
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).casefold()


@lru_cache(1000)
def _folder_names(path: str) -> tuple[str, ...]:
    return tuple(_key(name) for name in path.split("/") if name not in ("", ".", ".."))


def _agree(around: tuple[str, ...], folders: tuple[str, ...]) -> bool:
    """Whether the last of these folders are the same, as far as both go."""
    count = min(len(around), len(folders))
    return around[len(around) - count :] == folders[len(folders) - count :]


def _narrowed(found: list[Path], path: PurePosixPath, table: Path) -> list[Path]:
    """Of several files, those that are spelled alike, and among them those beside the table."""
    tests: tuple[Callable[[Path], bool], ...] = (
        lambda file: path.name in (file.name, file.stem),
        lambda file: file == table.parent / path,
        lambda file: file.is_relative_to(table.parent),
    )
    for is_meant in tests:
        if len(found) > 1:
            found = [file for file in found if is_meant(file)] or found
    return found
