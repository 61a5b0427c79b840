"""The files below a folder, and which of them are images."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heappop, heappush
from pathlib import Path

from vicinal.data.plugins import is_readable, missing_reader

# What systems, NAS boxes and archivers leave beside the user's files.
LEFTOVERS = frozenset(
    {
        *("@eadir", "#recycle", "lost+found", "$recycle.bin", "__macosx", "__pycache__"),
        *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    }
)


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Hidden files and folders, and what systems leave there, are in none of the lists. A folder that
    can be reached in several ways, by links, is listed once: under its own name if it lies below
    the folder.

    Attributes:
        root: the folder.
        files: all files, sorted.
        folders: all folders below, sorted.
        links: links to folders that are listed already, or that hold the folder itself.
        closed: folders that cannot be opened, and why.
        reads: whether files with an ending are the images, or in the place of these, other samples.
    """

    root: Path
    files: list[Path]
    folders: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    closed: dict[Path, str] = field(default_factory=dict)
    reads: Callable[[str], bool] = is_readable

    @cached_property
    def images(self) -> list[Path]:
        """The files that are images by their names."""
        return [file for file in self.files if file.suffix in self._readable]

    @cached_property
    def others(self) -> list[Path]:
        """The files that are no images."""
        return [file for file in self.files if file.suffix not in self._readable]

    @cached_property
    def _readable(self) -> set[str]:
        return {suffix for suffix in {file.suffix for file in self.files} if self.reads(suffix)}

    def without(self, files: Collection[Path]) -> "Listing":
        """The same listing, but for some files."""
        left_out = set(files)
        return replace(self, files=[file for file in self.files if file not in left_out])


def list_folder(root: str | os.PathLike[str]) -> Listing:
    """List what lies below a folder, at any depth; see :class:`Listing`."""
    root = Path(root)
    found = Listing(root, [])
    seen: set[tuple[int, int]] = set()
    here = Path(os.path.realpath(root))
    links: list[Path] = []  # a heap: they are followed in order, after all that is no link
    pending, linked = [root], False
    while pending or links:
        is_link = not pending
        linked = linked or is_link
        folder = heappop(links) if is_link else pending.pop()
        try:
            status = os.stat(folder)
            # Without links no folder is met twice, even where a file system has no such numbers.
            is_known = linked and (status.st_dev, status.st_ino) in seen
            if is_known or (is_link and here.is_relative_to(os.path.realpath(folder))):
                found.links.append(folder)
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _is_leftover(entry.name):
                        continue
                    path = Path(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    elif entry.is_dir():
                        heappush(links, path)
                    elif entry.is_file() or entry.is_symlink():  # no pipe, which would block
                        found.files.append(path)
        except OSError as error:
            found.closed[folder] = error.strerror or str(error)
        if folder != root:
            found.folders.append(folder)
    for paths in (found.files, found.folders, found.links):
        paths.sort(key=lambda path: path.parts)
    return found


def _is_leftover(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFTOVERS


def is_image(file: Path) -> bool:
    """Whether a file is an image by its ending, of a format that can be decoded now."""
    return is_readable(file.suffix)


def endings(files: Sequence[Path], most: int = 4) -> str:
    """Count files by their endings, for a message; one alone is named.

    >>> endings([Path("a.svg"), Path("b.SVG"), Path("c"), Path("notes.md")])
    '2 files ending .svg (save them as PNG), c and notes.md'
    """
    counts = Counter(file.suffix.lower() for file in files)
    alone = {file.suffix.lower(): file.name for file in files}
    shown = []
    for ending, count in counts.most_common(most):
        many = f"{count:,} files {f'ending {ending}' if ending else 'without an ending'}"
        reader = missing_reader(ending)
        shown.append((alone[ending] if count == 1 else many) + (f" ({reader})" if reader else ""))
    rest = len(files) - sum(count for _, count in counts.most_common(most))
    if rest:
        shown.append(f"{rest:,} other file{'' if rest == 1 else 's'}")
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def find_images(folder: Path, reads: Callable[[str], bool] = is_readable) -> list[Path]:
    """All image files below a folder, by ending, sorted by name; see :class:`Listing`."""
    return replace(list_folder(folder), reads=reads).images
