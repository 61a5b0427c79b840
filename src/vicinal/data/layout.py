"""Which folders of a tree of images are parts of the data, and which are classes."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from vicinal.data.classes import (
    Labelled,
    check_parts_below,
    is_beside_pictures,
    is_container,
    labelled,
    strays,
)
from vicinal.data.parts import (
    FILLERS,
    WITHOUT_LABELS,
    is_only_part,
    part_of,
    part_word,
    rank,
    rest_of,
    says_only,
    words_of,
)
from vicinal.data.samples import images_of, listed
from vicinal.data.tree import STRAY, Folder, class_name
from vicinal.errors import VicinalError

# Names of folders that hold pictures of all classes, and of those with something for each picture.
PICTURES = frozenset(
    (
        *("image", "images", "img", "imgs", "jpeg", "jpegs", "jpg", "png"),
        *("photo", "photos", "picture", "pictures"),
    )
)
MASKS = frozenset(
    (
        *("mask", "masks", "annotation", "annotations", "label", "labels", "object", "class"),
        *("segmentation", "segmentations", "trimap", "trimaps", "contour", "contours"),
        *("gt", "ground", "truth", "groundtruth", "edge", "edges"),
    )
)

# Words that are in names of such folders, and hardly in those of classes.
MASKS_ALONE = frozenset(
    ("mask", "masks", "segmentation", "segmentations", "trimaps", "annotations")
)


@dataclass
class Layout:
    """The images of the training and the validation part, with their classes.

    Attributes:
        root: the folder whose folders are the classes, in the training part.
        train: the training images.
        notes: lines for the user.
        valid, valid_name: the validation part, and the name of its folder, where there is one.
    """

    root: Path
    train: Labelled
    notes: list[str] = field(default_factory=list)
    valid: Labelled | None = None
    valid_name: str = ""


def layout_of(tree: Folder, grouped: int | None = None) -> Layout:
    """Read parts and classes off the names of folders.

    Args:
        grouped: which folder of the path below the tree names a group, and so no class: 0 for the
            first; None where none does.

    Raises:
        VicinalError: the folders can be read in more than one way, or hold no classes.
    """
    notes: list[str] = []
    top = _without_inner_masks(_innermost(tree, notes), notes)
    layout = _by_class_first(top) or _by_parts(top, tree, grouped)
    if layout is None:
        layout = Layout(top.path, *labelled(top, tree.path, grouped))
    if top.path != tree.path:
        names = sorted({name for _, name in layout.train})
        notes.append(f"classes: the folders in {layout.root} ({listed(names, 4)})")
    layout.notes[:0] = notes
    return layout


def layout_by_name(tree: Folder, matches: Callable[[Path], bool]) -> Layout:
    """Read parts off the names of folders, where the names of files say the classes.

    Args:
        matches: whether a file's name says its class.

    Returns:
        The images without their classes, each with an empty name.

    Raises:
        VicinalError: there is a validation part, but no training part.
    """
    notes: list[str] = []
    top = _without_inner_masks(_innermost_by_name(tree, notes), notes)
    class_first = _by_class_first(top)
    if class_first is not None and class_first.valid is not None:
        train_images, valid_images = (
            _unlabelled([image for image, _ in part])
            for part in (class_first.train, class_first.valid)
        )
        notes += class_first.notes
        return Layout(top.path, train_images, notes, valid_images, class_first.valid_name)
    folders, own = top.folders, top.own
    parts = [name for name in folders if is_only_part(name) or _has_namesake(name, folders)]
    train = [name for name in parts if part_of(name) == "train"]
    train = [name for name in train if name.lower() == part_word(name)] or train
    others = sorted({rank(name) for name in parts if part_of(name) != "train"})
    if not train:
        if others:
            raise _no_training(top, min(parts, key=rank))
        check_parts_below(top)
        images = [*own, *(image for name in folders for image in folders[name].images)]
        return Layout(top.path, _unlabelled(images), notes)
    layout = Layout(top.path, _unlabelled([i for n in train for i in folders[n].images]), notes)
    used = list(train)
    for best in others:
        names = [name for name in parts if part_of(name) != "train" and rank(name) == best]
        images = [image for name in names for image in folders[name].images]
        if part_of(names[0]) == "valid" or any(map(matches, images)):
            layout.valid, layout.valid_name = _unlabelled(images), listed(names, 3)
            used += names
            break
    layout.notes += _beside(folders, own, used, listed(train, 3))
    return layout


def _innermost_by_name(folder: Folder, notes: list[str]) -> Folder:
    """Descend from folders that only hold another one, without those of masks."""
    while True:
        pictures = _without_masks(folder, notes)
        if pictures:
            folder = Folder(folder.path, folder.own, pictures)
        if folder.own or len(folder.folders) != 1:
            return folder
        (folder,) = folder.folders.values()


def _unlabelled(images: list[Path]) -> Labelled:
    return [(image, "") for image in sorted(images, key=lambda image: image.parts)]


def _beside(folders: dict[str, Folder], own: list[Path], used: list[str], train: str) -> list[str]:
    """A note about the images that are in none of the folders that are used."""
    left = {name: len(each.images) for name, each in folders.items() if name not in used}
    left |= {"no folder": len(own)} if own else {}
    if not left:
        return []
    return [f"left out: {images_of(sum(left.values()))} beside {train}, in {listed([*left], 3)}"]


def _innermost(folder: Folder, notes: list[str]) -> Folder:
    """Descend from folders that only wrap another one, or that hold masks beside images."""
    while folder.is_deep:
        pictures = _without_masks(folder, notes)
        if pictures:
            folder = Folder(folder.path, folder.own, pictures)
        inner = [*folder.folders.values()]
        data = _data_among(inner)
        if data is not None:
            others = [each for each in inner if each is not data]
            count = sum(len(each.images) for each in others)
            names = listed([each.name for each in others], 3)
            notes.append(f"left out: {images_of(count)} beside {data.name}, in {names}")
            inner = [data]
        if pictures and not any(each.is_deep for each in inner):
            raise VicinalError(
                f"{folder.path} holds no class folders, but {listed([*pictures], 3)} and what "
                "belongs to each image: move the images into class folders, or take classes from "
                "the file names with a pattern (--label-pattern)"
            )
        if len(inner) > 1 or not inner[0].is_deep:
            break
        notes += strays(folder)
        folder = inner[0]
    return folder


def _data_among(folders: list[Folder]) -> Folder | None:
    """The one of several folders that holds the data, by the names of all."""
    pictures = [each for each in folders if not is_beside_pictures(each.name)]
    if len(folders) > 1 and len(pictures) == 1:
        return pictures[0] if pictures[0].is_deep else None
    data = [each for each in folders if each.is_deep and is_container(each.name)]
    if len(folders) == 1 or len(data) != 1:
        return None
    count = sum(len(each.images) for each in folders)
    return data[0] if count - len(data[0].images) <= STRAY * count else None


def _without_masks(folder: Folder, notes: list[str]) -> dict[str, Folder] | None:
    """Of folders whose names all say pictures or masks, those of pictures; None of others."""
    pictures = {name: f for name, f in folder.folders.items() if says_only(name, PICTURES)}
    masks = [n for n in folder.folders if n not in pictures and says_only(n, PICTURES | MASKS)]
    if not masks or not pictures or len(masks) + len(pictures) < len(folder.folders):
        return None
    count = sum(len(folder.folders[name].images) for name in masks)
    beside = f"which by its name holds none to classify, beside {next(iter(pictures))}"
    notes.append(f"left out: {images_of(count)} in {listed(masks, 3)}, {beside}")
    return pictures


def _without_inner_masks(top: Folder, notes: list[str]) -> Folder:
    """The tree without folders of masks in class folders: cat/images beside cat/lung masks."""
    left_out: Counter[str] = Counter()

    def pruned(folder: Folder) -> Folder:
        pictures = [name for name in folder.folders if says_only(name, PICTURES)]
        others = folder.folders.keys() - pictures
        kept = folder.folders
        if len(pictures) == 1 and others and all(MASKS_ALONE & {*words_of(n)} for n in others):
            left_out.update({name: len(kept[name].images) for name in others})
            kept = {pictures[0]: kept[pictures[0]]}
        return Folder(folder.path, folder.own, {n: pruned(each) for n, each in kept.items()})

    found = Folder(top.path, top.own, {n: pruned(each) for n, each in top.folders.items()})
    if left_out:
        names = listed(sorted(left_out), 3)
        notes.append(
            f"left out: {images_of(left_out.total())} in folders called {names}, beside the images "
            "that they belong to"
        )
    return found


def _unwrapped(part: Folder) -> Folder:
    """A part's folder without folders that only wrap another one: train/train, train/images."""
    while part.is_deep and len(part.folders) == 1:
        (inner,) = part.folders.values()
        named = part_of(part.name)
        is_same = inner.name == part.name or (named and part_of(inner.name) == named)
        if not (inner.is_deep or is_same or says_only(inner.name, PICTURES)):
            break
        part = inner
    return part


def _by_class_first(top: Folder) -> Layout | None:
    """Classes whose folders each hold folders of the parts: cat/train, cat/test."""
    split = {name: folder for name, folder in top.folders.items() if _holds_flat_parts(folder)}
    whole = [folder for folder in split.values() if len({*map(part_of, folder.folders)}) > 1]
    if not whole or not top.is_deep:
        return None
    first = whole[0]
    without = [name for name in top.folders if name not in split]
    if without:
        raise VicinalError(
            f"{first.path} holds the parts {listed([*first.folders])}, but {without[0]} beside it "
            f"holds none: give {first.path} if it is the data, or such parts to each class"
        )
    names = {name for folder in split.values() for name in folder.folders}
    train = {name for name in names if part_of(name) == "train"}
    best = min(rank(name) for name in names - train)
    valid = {name for name in names - train if rank(name) == best}

    def of_part(part: set[str]) -> Labelled:
        pairs = [
            (image, class_name(folder.name))
            for folder in split.values()
            for name, inner in folder.folders.items()
            for image in inner.images
            if name in part
        ]
        return sorted(pairs, key=lambda pair: pair[0].parts)

    notes = strays(top)
    others = names - train - valid
    if others:
        notes.append(f"left out: the folders {listed(sorted(others))} in each class folder")
    shown = f"{listed(sorted(valid), 2)} in each class folder"
    return Layout(top.path, of_part(train), notes, of_part(valid), shown)


def _holds_flat_parts(folder: Folder) -> bool:
    are_parts = all(is_only_part(name) for name in folder.folders)
    are_flat = not any(inner.folders for inner in folder.folders.values())
    has_train = any(part_of(name) == "train" for name in folder.folders)
    return folder.is_deep and are_parts and are_flat and has_train


def _by_parts(top: Folder, tree: Folder, grouped: int | None) -> Layout | None:
    """Folders of classes that are parts by their names: train/cat, test/cat."""
    unwrapped = {name: _unwrapped(folder) for name, folder in top.folders.items()}
    deep = {name: folder for name, folder in unwrapped.items() if folder.is_deep}
    parts = [
        name
        for name in deep
        if is_only_part(name) or (part_of(name) and _has_other_part(name, deep, top))
    ]
    others = [name for name in parts if part_of(name) != "train"]
    others.sort(key=lambda name: (rank(name), len(name), name))
    train = _training_part(top, deep, parts, others)
    if train is None:
        return None
    layout = Layout(deep[train].path, *labelled(deep[train], tree.path, grouped))
    known = {name for _, name in layout.train}
    for name in others:
        names = deep[name].names
        if part_of(name) == "test" and len(names) == 1 and not names & known:
            continue  # test/unknown: without labels
        layout.valid, notes = labelled(deep[name], tree.path, grouped)
        layout.valid_name = name
        layout.notes += [note for note in notes if note not in layout.notes]
        break
    if not is_only_part(train):
        layout.notes.append(f"training: the folder {train}")
    used = [train, layout.valid_name]
    layout.notes += _beside(top.folders, top.own, used, train)
    return layout


def _training_part(
    top: Folder, deep: dict[str, Folder], parts: list[str], others: list[str]
) -> str | None:
    """The name of the training part; None where the folders are no parts.

    Args:
        top: the folder that holds them.
        deep: those that hold folders of images.
        parts: the names of those that are parts.
        others: those that are not called train, the best one for validation first.
    """
    train = [name for name in parts if name not in others]
    exact = [name for name in train if name.lower() == part_word(name)]
    if len(train) > 1 and len(exact) != 1:
        raise VicinalError(
            f"{top.path} holds {listed(train)}, which could each be the training part: rename the "
            "one that is to train"
        )
    if train:
        _check_alone((exact or train)[0], top, deep, others)
        return (exact or train)[0]
    alike = [
        name
        for name in deep
        if name not in parts and any(_alike(deep[name], deep[other]) for other in others)
    ]
    if len(alike) == 1:
        return alike[0]
    if not any(is_only_part(name) for name in others):
        return None
    raise _no_training(top, others[0])


def _check_alone(train: str, top: Folder, deep: dict[str, Folder], others: list[str]) -> None:
    """Refuse a folder called train, beside folders that are neither parts nor alike: bus, car."""
    beside = [
        name
        for name in deep
        if name != train
        and not _alike(deep[name], deep[train])
        and not WITHOUT_LABELS & {*words_of(name)}
        and not is_beside_pictures(name)
    ]
    if beside and not others:
        raise VicinalError(
            f"{train} beside {listed(beside, 3)} in {top.path} can be a class or the training part "
            f"of the data: give {deep[train].path} if it is the data, or rename it"
        )


def _no_training(top: Folder, part: str) -> VicinalError:
    return VicinalError(
        f"{top.path} holds the part {part}, but none that is called train: put the other images "
        f"into a folder train, or rename {part}"
    )


def _has_other_part(name: str, deep: dict[str, Folder], top: Folder) -> bool:
    """Whether another folder is a part of the same data: rps-test-set beside rps."""
    rest = set(rest_of(name)) - FILLERS
    alike = [other for other in deep if other != name and _alike(deep[name], deep[other])]
    return _has_namesake(name, top.folders) or any(
        rest <= set(words_of(other)) if part_of(other) is None else part_of(other) != part_of(name)
        for other in alike
    )


def _has_namesake(name: str, names: Collection[str]) -> bool:
    """Whether a part's name is that of another part but for the part: asl_train, asl_test."""
    if part_of(name) is None:
        return False
    parts = {part_of(other) for other in names if rest_of(other) == rest_of(name)}
    return len(parts - {None}) > 1


def _alike(one: Folder, other: Folder) -> bool:
    """Whether two folders hold mostly folders of the same names."""
    common = one.names & other.names
    return len(common) >= max(1, min(len(one.names), len(other.names)) / 2)
