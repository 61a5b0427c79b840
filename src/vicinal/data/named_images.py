"""Which image files the values of a table's column name."""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vicinal.data.listing import is_image
from vicinal.data.parts import part_of


def _key(name: str) -> str:
    # Tables and disks differ in how they write an umlaut, and in the case of endings.
    return unicodedata.normalize("NFC", name).casefold()


class NamedImages:
    """Image files that can be looked up by what a table calls them.

    Args:
        root: the folder of the data.
        files: the images below it.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root = root
        self._depth = 0  # of folders
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        for file in files:
            self._by_name.setdefault(_key(file.name), []).append(file)
            self._by_stem.setdefault(_key(file.stem), []).append(file)
            self._depth = max(self._depth, len(file.parts) - len(root.parts) - 1)

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
        paths = [PurePosixPath((value or "").strip().replace("\\", "/")) for value in values]
        for outer in range(self._depth + 1):
            found = [self._find(path, table, outer) if path.name else [] for path in paths]
            if any(found):
                break
        return found

    def _find(self, path: PurePosixPath, table: Path, outer: int) -> list[Path]:
        """The files that a path can mean, where so many outer folders on disk do not count."""
        by = self._by_name if is_image(Path(path.name)) else self._by_stem
        found = by.get(_key(path.name), [])
        folders = [_key(name) for name in path.parent.parts if name not in (".", "..", "/")]
        if folders:
            found = [file for file in found if _agree(self._around(file)[outer:], folders)]
        if not folders or outer:
            part = _part_of_table(table, self.root)
            found = [file for file in found if part in (None, self._part(file) or part)]
        return self._narrowed(found, path, table)

    def _around(self, file: Path) -> list[str]:
        return [_key(name) for name in file.relative_to(self.root).parent.parts]

    def _part(self, file: Path) -> str | None:
        names = file.relative_to(self.root).parent.parts
        return next((part for part in map(part_of, reversed(names)) if part), None)

    def _narrowed(self, found: list[Path], path: PurePosixPath, table: Path) -> list[Path]:
        """Of several files, those that are spelled alike, and among them those beside the table."""
        for is_meant in (
            lambda file: path.name in (file.name, file.stem),
            lambda file: file == table.parent / path,
            lambda file: file.is_relative_to(table.parent),
        ):
            if len(found) > 1:
                found = [file for file in found if is_meant(file)] or found
        return found


def _agree(around: list[str], folders: list[str]) -> bool:
    """Whether the last of these folders are the same, as far as both go."""
    count = min(len(around), len(folders))
    return around[len(around) - count :] == folders[len(folders) - count :]


def _part_of_table(table: Path, root: Path) -> str | None:
    """The part of the data that a table belongs to, by its name or else the folder around it."""
    around = table.relative_to(root).parent.name if table.is_relative_to(root) else ""
    return part_of(table.name.partition(".")[0]) or part_of(around)
