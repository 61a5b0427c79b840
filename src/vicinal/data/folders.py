"""Labelled images from a folder: classes by the names of files, or of the folders around them."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from vicinal.data.layout import Layout, layout_by_name, layout_of
from vicinal.data.listing import Listing, endings, list_folder
from vicinal.data.samples import (
    Samples,
    Split,
    copies_of,
    held_out,
    images_of,
    index_labels,
    listed,
    notes_on_copies,
    unknown_classes,
    untested,
)
from vicinal.data.tree import Folder, tree_of
from vicinal.errors import VicinalError


def split_by_name(
    path: str | os.PathLike[str],
    pattern: str,
    valid_pct: float,
    seed: int | None,
    listing: Listing | None = None,
    *,
    group: str | None = None,
    skip_bad: bool = False,
) -> Split:
    """Class by file name; see :meth:`ImageDataLoaders.from_name_re`.

    Args:
        pattern: a regular expression for the name of a file, or where it has a slash and matches no
            name, for the path below the folder; its first group is the class.
        listing: what lies below ``path``, where it has been listed already.
        group: a regular expression for the path below the folder; its first group names what is
            held out as a whole.
        skip_bad: leave out folders that cannot be opened.
    """
    found = listing or image_listing(path, skip_bad=skip_bad)
    label = name_labeller(pattern)

    def matches(text: str) -> bool:
        return re.search(pattern, text) is not None

    by_path = "/" in pattern and not any(matches(image.name) for image in found.images)

    def text(image: Path) -> str:
        return _below(image, found.root) if by_path else image.name

    layout = layout_by_name(tree_of(found.root, found.images), lambda image: matches(text(image)))
    layout.train = [(image, label(text(image))) for image, _ in layout.train]
    if layout.valid is not None:
        layout.valid = [(image, label(text(image))) for image, _ in layout.valid]
    return _split(layout, found, valid_pct, seed or 0, group)


def split_by_folder(
    path: str | os.PathLike[str],
    valid_pct: float,
    seed: int | None,
    listing: Listing | None = None,
    *,
    group: str | None = None,
    skip_bad: bool = False,
    pooled: bool = False,
    several: Literal["links", "copies"] | None = None,
) -> Split:
    """Class by the folder around an image; see :meth:`ImageDataLoaders.from_folder`.

    Args:
        listing, group, skip_bad: as for :func:`split_by_name`.
        pooled: hold out at random also where there is a validation part, from both.
        several: an image that lies in several class folders has several labels: by ``"links"`` to
            one file, or also by ``"copies"`` with the same bytes. None gives each file one class.
    """
    found = listing or image_listing(path, skip_bad=skip_bad)
    tree = tree_of(found.root, found.images)
    layout = layout_of(tree, None if group is None else _folder_of(group, found))
    layout.notes += _without_images(layout, tree, found)
    if pooled and layout.valid is not None:
        layout.train, layout.valid = [*layout.train, *layout.valid], None
    if several is not None:
        split = _of_several(layout, found, valid_pct, seed or 0, group, several)
        if split is not None:
            return split
    return _split(layout, found, valid_pct, seed or 0, group)


def _of_several(
    layout: Layout,
    listing: Listing,
    valid_pct: float,
    seed: int,
    group: str | None,
    several: Literal["links", "copies"],
) -> Split | None:
    """The split of images in several class folders; None where each is in one."""
    if several == "links" and not any(os.path.islink(image) for image, _ in layout.train):
        return None
    from vicinal.data.several_images import check_some, split_of_folders  # with pandas

    parts = {"train": layout.train}
    if layout.valid is not None:
        parts[str(layout.valid_name)] = layout.valid
        if group is not None:
            train, valid = (
                groups_of([image for image, _ in each], listing.root, group)
                for each in parts.values()
            )
            _check_apart(train, valid, str(layout.valid_name))
    split = split_of_folders(
        parts,
        valid_pct,
        seed,
        [_printable(note) for note in (*layout.notes, *_left_out(listing))],
        by_bytes=several == "copies",
        groups=None if group is None else lambda files: groups_of(files, listing.root, group),
    )
    if several == "copies":
        check_some(split, listing.root)
    return split


def name_labeller(pattern: str) -> Callable[[str], str]:
    r"""A function from a name to its class: the first group of a regular expression.

    Raises:
        VicinalError: the pattern is no regular expression or has no group; and when called, it
            does not match.

    >>> name_labeller(r"(.+)_\d+.jpg$")("great_pyrenees_173.jpg")
    'great_pyrenees'
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise VicinalError(f"{pattern!r} is no regular expression: {error}") from None
    if compiled.groups < 1:
        raise VicinalError(
            f"the pattern {pattern!r} has no group: put the part that is meant in parentheses"
        )

    def label(name: str) -> str:
        found = compiled.search(name)
        if found is None or found[1] is None:
            raise VicinalError(f"the name {name!r} does not match the pattern {pattern!r}")
        return found[1]

    return label


def _split(
    layout: Layout, listing: Listing, valid_pct: float, seed: int, group: str | None
) -> Split:
    """The split of labelled images.

    Args:
        layout: the parts and their images.
        listing: what lies below the folder that the user named.
        valid_pct, seed: to hold out images where there is no validation part.
        group: the pattern of groups.
    """
    notes = [*layout.notes, *_left_out(listing)]
    images = [image for image, _ in [*layout.train, *(layout.valid or [])]]
    labels, vocab = index_labels([name for _, name in [*layout.train, *(layout.valid or [])]])
    if len(vocab) == 1:
        raise VicinalError(
            f"{images_of(len(images))} in {layout.root} have only the class {vocab[0]!r}: training "
            "needs two or more, each in a folder of its own, or in the names of the files, which a "
            "pattern finds (--label-pattern)"
        )
    samples, count = Samples(images, labels), len(layout.train)
    groups = None if group is None else groups_of(images, listing.root, group)
    if layout.valid is None:
        split = held_out(samples, vocab, valid_pct, seed, notes, groups)
    else:
        if groups is not None:
            _check_apart(groups[:count], groups[count:], layout.valid_name)
        split = _given(
            samples, count, vocab, [*notes, f"validation: the folder {layout.valid_name}"]
        )
    return replace(split, notes=[_printable(note) for note in split.notes])


def _given(samples: Samples, count: int, vocab: list[str], notes: list[str]) -> Split:
    """The split whose training part is the first ``count`` samples."""
    train, valid = samples.subset(range(count)), samples.subset(range(count, len(samples)))
    split = Split(train, valid, vocab, notes)
    split.notes += unknown_classes(train.labels, valid.labels, vocab)
    split.notes += untested(train.labels, valid.labels, vocab)
    split.notes += notes_on_copies(samples, copies_of(samples.images), range(count, len(samples)))
    return split


def _printable(text: str) -> str:
    """A text whose characters can all be printed: names of files are not always in UTF-8."""
    return os.fsencode(text).decode(errors="replace")


def groups_of(images: Sequence[Path], root: Path, pattern: str) -> list[str]:
    """The group of each image, by the first group of a regular expression for its path.

    Args:
        images: files below ``root``.
        pattern: for the path below ``root``, whose folders are separated by slashes.

    Raises:
        VicinalError: the pattern has no group, or does not match.

    >>> groups_of([Path("photos/cat/ann_1.jpg")], Path("photos"), "([a-z]+)_")
    ['ann']
    """
    name = name_labeller(pattern)
    return [name(_below(image, root)) for image in images]


def _folder_of(pattern: str, listing: Listing) -> int | None:
    """Which folder of a path holds the group's name, 0 for the first; None where it differs.

    Images whose paths do not match are no matter: they may be strays, which are left out.
    """
    name_labeller(pattern)  # raises where it is no pattern with a group
    found = set()
    for image in listing.images:
        path = _below(image, listing.root)
        matched = re.search(pattern, path)
        if matched is None or matched[1] is None:
            continue
        found.add(path.count("/", 0, matched.start(1)))
        if len(found) > 1 or "/" in matched[1] or path.count("/") in found:  # the file's name
            return None
    return min(found, default=None)


def _check_apart(train: list[str], valid: list[str], valid_name: str) -> None:
    both = sorted(set(train) & set(valid))
    if both:
        raise VicinalError(
            f"--group does not hold: {listed(both, 3)} have images both in training and in "
            f"{valid_name}, the validation part that is given: leave it out, or move each group "
            "into one part"
        )


def _below(image: Path, root: Path) -> str:
    return image.relative_to(root).as_posix()


def _left_out(listing: Listing) -> list[str]:
    """Lines about what is below the folder, but in no list of images."""
    notes = []
    if listing.others:
        notes.append(f"left out: {endings(listing.others)}, not read as images")
    if listing.links:
        links = [_below(link, listing.root) for link in listing.links]
        notes.append(f"left out: links to folders that are read already: {listed(links, 4)}")
    for folder, reason in listing.closed.items():
        notes.append(f"left out: the folder {folder}, which cannot be opened ({reason})")
    return notes


def _without_images(layout: Layout, tree: Folder, listing: Listing) -> list[str]:
    """A note about folders beside those of classes that hold no images."""
    held = {folder.path for folder in tree.walk()}
    empty = [
        folder.name
        for folder in listing.folders
        if folder.parent == layout.root and folder not in held
    ]
    return [f"no class: the folders without images {listed(empty)}"] if empty else []


def image_listing(path: str | os.PathLike[str], *, skip_bad: bool = False) -> Listing:
    """List a folder that holds images.

    Args:
        skip_bad: leave out folders that cannot be opened.

    Raises:
        VicinalError: there is no such folder, no image in it, or a folder cannot be opened.
    """
    folder = Path(path)
    if not folder.exists():
        raise VicinalError(f"{folder} does not exist: give the folder that holds the images")
    if not folder.is_dir():
        raise VicinalError(f"{folder} is a file: give the folder that holds the images")
    listing = list_folder(folder)
    check_open(listing, skip_bad)
    if not listing.images:
        beside = f", but {endings(listing.others)}" if listing.others else ""
        raise VicinalError(
            f"{folder} holds no images{beside}: give a folder with image files below it"
        )
    return listing


def check_open(listing: Listing, skip_bad: bool) -> None:
    """Raise a VicinalError where a folder cannot be opened, and is not to be left out."""
    for folder, reason in listing.closed.items():
        if not skip_bad:
            raise VicinalError(
                f"the folder {folder} cannot be opened ({reason}): change its permissions, or "
                "leave it out with skip_bad (--skip-bad)"
            )


def image_files(path: str | os.PathLike[str]) -> list[Path]:
    """The images below a folder, sorted; raises as :func:`image_listing`."""
    return image_listing(path).images
