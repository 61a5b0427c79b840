"""The classes of images in one folder: what lies below each folder in it."""

import filecmp
import re
from collections import Counter
from pathlib import Path

from vicinal.data.parts import WITHOUT_LABELS, is_only_part, part_of, rest_of, says_only, words_of
from vicinal.data.samples import images_of, listed
from vicinal.data.tree import Folder, class_name
from vicinal.errors import VicinalError

Labelled = list[tuple[Path, str]]  # images in the order of their paths, each with its class

# Names that count: of folds, batches, years. They are no classes where others can be.
NUMBERED = re.compile(
    r"(?i)((fold|batch|part|chunk|set|session|day|run|shard|year|week|v|cam|camera|view|scene|seq"
    r"|sequence)[\W_]*)?\d+[a-z]?([\W_]+\d+)*"
)
# Names of folders that hold images of all classes.
COUNTED = re.compile(r"(?i)(19|20)\d\d|(folds?|batch|chunk|shard)[\W_]*\d+")
# Names that cameras and phones give to folders.
CAMERA = re.compile(r"\d{3}\w{5}")
# Folders that hold the data rather than a class of them.
CONTAINERS = frozenset(("data", "dataset", "datasets", "raw", "image", "images", "img", "imgs"))
# Folders that hold something for each picture.
BESIDE_PICTURES = frozenset(
    ("annotation", "annotations", "groundtruth", "segmentation", "segmentations", "trimaps")
)


def labelled(folder: Folder, root: Path, grouped: int | None = None) -> tuple[Labelled, list[str]]:
    """The images of a part with their classes, and lines for the user.

    Args:
        folder: the folder of the part.
        root: the folder that the user named.
        grouped: which folder of the path below ``root`` names a group, from 0 on.

    Raises:
        VicinalError: its folders can be read in more than one way, or hold no classes.
    """
    if not folder.is_deep:
        raise VicinalError(
            f"{folder.own[0]} is in no class folder: move it into one, or take classes from the "
            "file names with a pattern (--label-pattern)"
        )
    _check_names(folder)
    check_parts_below(folder)
    _check_containers(folder)
    folders, notes = _without_copies(folder)
    notes += _without_annotations(folders)
    if grouped == len(folder.path.parts) - len(root.parts):
        folders, around = _inside(folders), f"each of {listed(sorted(folders), 3)}"
        notes.append(f"classes: the folders in {around}, which name groups")
    else:
        notes += _nested(folder.path, folders, root, grouped)
    notes += strays(folder)
    names = {name: class_name(name) for name in folders}
    found = [(image, names[name]) for name, each in folders.items() for image in each.images]
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        notes.append(f"merged: folders of {listed(twice)}, which are spelled in two ways")
    return sorted(found, key=lambda pair: pair[0].parts), notes


def strays(folder: Folder) -> list[str]:
    """A note about images beside class folders."""
    names = [image.name for image in folder.own]
    if not names:
        return []
    return [f"left out: {images_of(len(names))} in no class folder: {listed(names, 3)}"]


def _check_names(folder: Folder) -> None:
    """Refuse folders without folders in them that are parts of the data by their names."""
    names = sorted(folder.folders)
    if folder.name.upper() == "DCIM" and all(map(CAMERA.fullmatch, names)):
        raise VicinalError(
            f"the folders {listed(names, 4)} in {folder.path} are those of a camera, and no "
            "classes: sort the images into class folders, or name their classes in a table"
        )
    are_flat = not any(each.is_deep for each in folder.folders.values())
    if len(names) > 1 and are_flat and all(map(COUNTED.fullmatch, names)):
        raise VicinalError(
            f"the folders {listed(names, 4)} in {folder.path} count years or folds by their names, "
            "and hold no class folders: take classes from the file names with a pattern "
            "(--label-pattern), or from these folders with --label-pattern '([^/]+)/[^/]+$'"
        )
    are_parts = all(is_only_part(n) or says_only(n, WITHOUT_LABELS) for n in names)
    besides: dict[str | None, set[tuple[str, ...]]] = {}
    for name in names:
        besides.setdefault(part_of(name), set()).add(rest_of(name))
    # train_cat, train_dog, test_cat, test_dog
    repeat = None not in besides and len(besides) > 1
    repeat = repeat and all(each == besides[part_of(names[0])] for each in besides.values())
    if any(map(part_of, names)) and (are_parts or repeat):
        raise VicinalError(
            f"the folders {listed(names)} in {folder.path} are parts of the data by their names, "
            "and hold no class folders: put the images into some, or take classes from the file "
            "names with a pattern (--label-pattern)"
        )


def is_container(name: str) -> bool:
    """Whether a folder's name says that it holds the data.

    >>> is_container("raw-img"), is_container("flowers")
    (True, False)
    """
    return says_only(name, CONTAINERS)


def is_beside_pictures(name: str) -> bool:
    """Whether a folder's name says that it holds something for each picture of others.

    >>> is_beside_pictures("SegmentationClass"), is_beside_pictures("with_mask")
    (True, False)
    """
    return bool(BESIDE_PICTURES & set(words_of(name)))


def check_parts_below(folder: Folder) -> None:
    """Refuse folders of which one holds the parts of the data, and others lie beside it."""
    for name, each in folder.folders.items():
        inner = next((below for below in each.walk() if _holds_parts(below)), None)
        if inner is not None and len(folder.folders) > 1:
            raise _holds_data(folder, name, inner)


def _check_containers(folder: Folder) -> None:
    """Refuse folders of which one holds the classes by its name, and others lie beside it."""
    for name, each in folder.folders.items():
        is_data = each.is_deep and is_container(name) and len(each.core.folders) > 1
        if is_data and len(folder.folders) > 1:
            raise _holds_data(folder, name, each.core)


def _holds_data(folder: Folder, name: str, inner: Folder) -> VicinalError:
    others = listed(sorted(folder.folders.keys() - {name}), 3)
    return VicinalError(
        f"{inner.path} holds the folders of the data, it seems, and not of a class beside "
        f"{others}: give {inner.path}, or rename {name}"
    )


def _holds_parts(folder: Folder) -> bool:
    parts = {part_of(name) for name in folder.folders if is_only_part(name)}
    return "train" in parts and len(parts) > 1


def _without_annotations(folders: dict[str, Folder]) -> list[str]:
    """Take out folders that hold something for each picture of the others, with a note."""
    names = [name for name in folders if is_beside_pictures(name)]
    if not names or len(names) == len(folders):
        return []
    count = sum(len(folders.pop(name).images) for name in names)
    return [f"left out: {images_of(count)} in {listed(names, 3)}, which by its name is no class"]


def _without_copies(folder: Folder) -> tuple[dict[str, Folder], list[str]]:
    """The folders but for those that hold the ones beside them once more, and lines about these.

    Raises:
        VicinalError: one holds folders of the same names with other images.
    """
    kept, notes = dict(folder.folders), []
    for name, each in folder.folders.items():
        if not each.is_deep or len(each.folders) < 2 or not each.names <= folder.names - {name}:
            continue
        if not all(
            _is_copy(image, folder.path / image.relative_to(each.path)) for image in each.images
        ):
            raise VicinalError(
                f"{each.path} holds the folders {listed(sorted(each.folders), 3)}, as does the "
                "folder around it: merge them, or give one of them"
            )
        del kept[name]
        count = f"{images_of(len(each.images))} in {each.path}"
        notes.append(f"left out: {count}, which are those beside it once more")
    return kept, notes


def _is_copy(image: Path, other: Path) -> bool:
    return other.exists() and filecmp.cmp(image, other, shallow=False)


def _inside(folders: dict[str, Folder]) -> dict[str, Folder]:
    """The folders in all of some folders, by name."""
    inside: dict[str, Folder] = {}
    for folder in folders.values():
        if not folder.is_deep:
            raise VicinalError(
                f"{folder.path} names a group by --group, but holds no class folders: move its "
                "images into some, or take classes from a pattern (--label-pattern)"
            )
        for name, each in folder.folders.items():
            known = inside.setdefault(name, Folder(folder.path.parent / name))
            known.own += each.images
    return inside


def _nested(path: Path, folders: dict[str, Folder], root: Path, grouped: int | None) -> list[str]:
    """A note about folders in each class folder.

    Raises:
        VicinalError: all hold the same ones, so that these can be the classes.
    """
    cores = {name: each.core for name, each in folders.items()}
    counts = Counter(name for each in cores.values() for name in each.names)
    common = {name for name, count in counts.items() if 2 * count >= max(len(folders), 4)}
    are_alike = all(
        each.is_deep and 2 * len(each.names & common) >= len(each.names) for each in cores.values()
    )
    inner, outer = sorted(counts), sorted(folders)
    counted = _are_numbered(inner) and not _are_numbered(outer)  # cat/2019, cat/2020
    counted |= grouped == len(path.parts) - len(root.parts) + 1
    if len(folders) > 1 and len(common) > 1 and are_alike and not counted:
        above = "[^/]+/" * (len(path.parts) - len(root.parts))
        depths = {len(each.path.parts) - len(path.parts) for each in cores.values()}
        between = "[^/]+/" * max(depths)
        patterns = (
            f", or name the class by --label-pattern '^{above}([^/]+)/' for {outer[0]}, "
            f"'^{above}{between}([^/]+)/' for {inner[0]}, or what are groups, such as patients, by "
            "--group"
        )
        raise VicinalError(
            f"the folders {listed(outer, 4)} in {path} hold the same folders "
            f"{listed(inner, 4)}, so either can be the classes: give one part such as "
            f"{cores[outer[0]].path}{patterns if len(depths) == 1 else ''}"
        )
    deep = [name for name in outer if len(cores[name].folders) > 1]
    if not deep:
        return []
    below = sorted({name for each in deep for name in cores[each].folders})
    shown = f"classes: {listed(outer, 4)}; folders below {listed(deep, 4)} ({listed(below, 4)})"
    return [f"{shown} are not told apart"]


def _are_numbered(names: list[str]) -> bool:
    return all(NUMBERED.fullmatch(name) for name in names)
