"""Which files below a folder are masks, and of which images."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from vicinal.data import cityscapes
from vicinal.data.listing import Listing
from vicinal.data.parts import is_only_part, part_of, part_word
from vicinal.data.samples import listed
from vicinal.errors import VicinalError

# Words in the names of folders of masks, and of images.
OF_MASKS = frozenset(
    (
        *("mask", "masks", "label", "labels", "annotation", "annotations", "annot", "gt"),
        *("groundtruth", "segmentation", "segmentations", "seg", "trimap", "trimaps"),
    )
)
OF_IMAGES = frozenset(
    (
        *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"),
        *("jpeg", "jpg", "png", "input", "inputs", "original", "originals"),
    )
)
ARRAYS = frozenset((".npy", ".npz", ".mat"))
FILLERS = frozenset(("data", "dataset", "set", "class", "all"))
ENDING = re.compile(
    r"(?i)(?<=.)[\W_]+(mask|masks|p|l|m|seg|segmentation|label|labels|gt|groundtruth|annotation)$"
)
Key = tuple[tuple[str, ...], str]


@dataclass
class MaskPairs:
    """Images with their masks.

    Args:
        root: the folder that holds them.
        images, masks: the files, one of each a pair.
        parts: the word that names the part of each pair; empty where there is none.
        alone: images without a mask, among others that have one.
        unused: masks without an image, likewise.
        others: images in folders of which none has a mask.
        beside: files that hold something else of the images, such as Cityscapes' instances.
    """

    root: Path
    images: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    alone: list[Path] = field(default_factory=list)
    unused: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)


def find_pairs(listing: Listing, *, are_masks: bool = False) -> MaskPairs | None:
    """The images and masks below a folder; None where it holds no masks.

    A mask has the name of its image, in a folder named after masks, or with an ending such as
    ``_mask``, also beside it. Folders of masks in several folders, which may be classes, are none,
    unless ``are_masks`` says so.

    Those of several years of VOC are no classes.

    Raises:
        VicinalError: two images, or two masks, have one name; or no mask has an image's.
    """
    root = listing.root
    files, of_others = cityscapes.without_others(listing.images)
    in_folders = [file for file in files if any(map(_is_of_masks, _folders(file, root)))]
    if in_folders:
        in_several = len({_above(file, root) for file in in_folders}) > 1
        if in_several and not are_masks and not _are_years(in_folders, files):
            return None
        masks = _by_key(in_folders, root)
        held = set(in_folders)
        images = _by_key([file for file in files if file not in held], root)
    else:
        beside = _beside_images(files)
        if not beside or len(beside) < (len(files) - len(beside)) / 2:
            return None
        masks = _by_key(beside, root)
        held = set(beside)
        images = _by_key([file for file in files if file not in held], root)
    pairs = _paired(root, images, masks)
    if not pairs.images:
        _check_names(root, [*images.values()], [*masks.values()])
        return None
    pairs.beside = of_others
    return pairs


def _are_years(masks: Sequence[Path], files: Sequence[Path]) -> bool:
    """Whether each folder of masks is one of VOC's, as its name and the folder beside it say."""
    folders = {mask.parent for mask in masks}
    beside = {file.parent for file in files}
    return all(
        folder.name.startswith("Segmentation") and folder.parent / "JPEGImages" in beside
        for folder in folders
    )


def _paired(root: Path, images: dict[Key, Path], masks: dict[Key, Path]) -> MaskPairs:
    of_image: dict[Key, Path] = {}
    unused = []
    for key, mask in masks.items():
        folders, stem = key
        bare = (folders, ENDING.sub("", stem))
        found = next((each for each in (key, bare) if each in images), None)
        if found is None:
            unused.append(mask)
        elif found in of_image:
            raise VicinalError(
                f"{of_image[found]} and {mask} are both masks of {images[found]} by their names: "
                "keep one"
            )
        else:
            of_image[found] = mask
    pairs = MaskPairs(root)
    with_masks = {images[key].parent for key in of_image}
    with_images = {mask.parent for mask in of_image.values()}
    for key, image in images.items():
        if key in of_image:
            pairs.images.append(image)
            pairs.masks.append(of_image[key])
            pairs.parts.append(_part(image, root))
        else:
            (pairs.alone if image.parent in with_masks else pairs.others).append(image)
    for mask in unused:
        (pairs.unused if mask.parent in with_images else pairs.others).append(mask)
    return pairs


def _check_names(root: Path, images: Sequence[Path], masks: Sequence[Path]) -> None:
    """Refuse a folder of images beside one of masks that have no names in common."""
    named = [file for file in images if any(map(_is_of_images, _folders(file, root)))]
    plain = Counter(file.parent for file in masks if _says_masks(file.parent.name))
    if named and plain:
        folder = plain.most_common(1)[0][0]
        first = next(mask for mask in masks if mask.parent == folder)
        raise VicinalError(
            f"none of the {plain[folder]:,} masks in {folder}, such as {first.name}, has the name "
            f"of an image in {named[0].parent}, such as {named[0].name}: call them alike, also "
            "with an ending such as _mask"
        )


def check_arrays(listing: Listing) -> None:
    """Refuse masks that are stored as arrays beside images of their names.

    Raises:
        VicinalError: a folder named after masks holds some.
    """
    stems = {file.stem for file in listing.images}
    root = listing.root
    found = [
        file
        for file in listing.others
        if file.suffix.lower() in ARRAYS
        and file.stem in stems
        and any(map(_is_of_masks, _folders(file, root)))
    ]
    if found:
        first = found[0]
        raise VicinalError(
            f"{len(found):,} files in {first.parent}, such as {first.name}, have names of images, "
            "and masks are read from images alone: save them as PNG, by "
            f"Image.fromarray(mask.astype('uint8')).save('{first.stem}.png')"
        )


def _by_key(files: Sequence[Path], root: Path) -> dict[Key, Path]:
    found: dict[Key, Path] = {}
    for file in files:
        folders = tuple(filter(None, (_neutral(name) for name in _folders(file, root))))
        key = (folders, cityscapes.plain_stem(file))
        if key in found:
            raise VicinalError(
                f"{found[key]} and {file} have the same name, so it is unclear which of them is "
                "meant: keep one"
            )
        found[key] = file
    return found


def _beside_images(files: Sequence[Path]) -> list[Path]:
    """The files that are called as another one in their folder, with an ending of masks."""
    names = {(file.parent, file.stem) for file in files}
    found = []
    for file in files:
        bare = ENDING.sub("", file.stem)
        if bare != file.stem and (file.parent, bare) in names:
            found.append(file)
    return found


def _above(mask: Path, root: Path) -> tuple[str, ...]:
    """The folders around that of a mask, but for those of parts."""
    around = takewhile(lambda name: not _is_of_masks(name), _folders(mask, root))
    return tuple(name for name in around if not is_only_part(name))


def _part(image: Path, root: Path) -> str:
    words = (part_word(name) for name in _folders(image, root))
    return next((word for word in words if word), "")


def _folders(file: Path, root: Path) -> tuple[str, ...]:
    return file.parent.relative_to(root).parts


def _tokens(name: str) -> list[str]:
    """The words and numbers in the name of a folder.

    >>> _tokens("SegmentationClass"), _tokens("trainannot"), _tokens("masks_01")
    (['segmentation', 'class'], ['train', 'annot'], ['masks', '01'])
    """
    apart = re.sub(r"(?i)(train|val|valid|test)(?=annot$)", r"\1_", name)
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", apart)
    apart = re.sub(r"(?i)ground[\W_]*truth", "groundtruth", apart)
    return re.findall(r"[^\W\d_]+|\d+", apart.lower())


def _neutral(name: str) -> str:
    """The name of a folder without what says that it is of images or of masks."""
    if cityscapes.is_of(cityscapes.OF_IMAGES, name) or cityscapes.is_of(cityscapes.OF_MASKS, name):
        return ""
    return "_".join(word for word in _tokens(name) if word not in OF_MASKS | OF_IMAGES | FILLERS)


def _is_of_masks(name: str) -> bool:
    """Whether a folder's name says that it holds masks.

    >>> _is_of_masks("SegmentationClass"), _is_of_masks("train_masks"), _is_of_masks("with_mask")
    (True, True, False)
    """
    if cityscapes.is_of(cityscapes.OF_MASKS, name):
        return True
    words = _tokens(name)
    fits = all(
        word in OF_MASKS | OF_IMAGES | FILLERS or part_of(word) or word.isdigit() for word in words
    )
    return bool(OF_MASKS & set(words)) and fits


def _is_of_images(name: str) -> bool:
    return bool(OF_IMAGES & set(_tokens(name))) and not _is_of_masks(name)


def _says_masks(name: str) -> bool:
    return bool({"mask", "masks"} & set(_tokens(name))) and _is_of_masks(name)


def by_part(pairs: MaskPairs) -> dict[str, list[int]]:
    """The indices of the pairs of each part, by the word that names it.

    >>> by_part(MaskPairs(Path(), [], [], ["val", "train", "train"]))
    {'val': [0], 'train': [1, 2]}
    """
    found: dict[str, list[int]] = {}
    for index, word in enumerate(pairs.parts):
        found.setdefault(word or "train", []).append(index)
    return found


def unmatched(pairs: MaskPairs) -> str | None:
    """What lacks its counterpart, counted and named; None where nothing does."""
    texts = []
    for files, what in ((pairs.alone, "without a mask"), (pairs.unused, "without an image")):
        noun = "image" if what == "without a mask" else "mask"
        if files:
            plural = "" if len(files) == 1 else "s"
            names = listed([str(file) for file in files], 2)
            texts.append(f"{len(files):,} {noun}{plural} {what} ({names})")
    return " and ".join(texts) or None
