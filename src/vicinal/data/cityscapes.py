"""Cityscapes' names of files: of several masks of an image, one holds the classes of its pixels.

The files of `aachen_000000_000019` are called by what they hold: `…_leftImg8bit`,
`…_gtFine_labelIds`, `…_gtFine_color` and others, in folders `leftImg8bit` and `gtFine`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from vicinal.data.legend import Legend

OF_IMAGES = re.compile(r"(?i)leftImg8bit(_\w+)?")
OF_MASKS = re.compile(r"(?i)gt(Fine|Coarse)(_\w+)?")
IMAGE = re.compile(r"(?i)(.+)_leftImg8bit")
MASK = re.compile(r"(?i)(?P<name>.+)_gt(?P<detail>Fine|Coarse)_(?P<holds>[a-z]+)")
IDS, TRAIN_IDS = "labelids", "labeltrainids"
# The classes that count in its evaluation, by their id; the order is that of their train ids.
CLASSES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle",
    33: "bicycle",
}  # fmt: skip
LAST_ID = 33


def is_of(pattern: re.Pattern[str], folder: str) -> bool:
    """Whether a folder is Cityscapes' of images or of masks.

    >>> is_of(OF_MASKS, "gtFine"), is_of(OF_MASKS, "gtFine_trainvaltest"), is_of(OF_MASKS, "gt")
    (True, True, False)
    """
    return pattern.fullmatch(folder) is not None


def plain_stem(file: Path) -> str:
    """The name of an image or mask without what it holds.

    >>> plain_stem(Path("bonn_000001_000019_gtFine_labelIds.png")), plain_stem(Path("cat.png"))
    ('bonn_000001_000019', 'cat')
    """
    found = IMAGE.fullmatch(file.stem) or MASK.fullmatch(file.stem)
    return found[1] if found else file.stem


def without_others(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files without those that hold something else than classes; and the latter.

    Fine masks go before coarse ones, and ids before train ids.
    """
    named = [(file, MASK.fullmatch(file.stem)) for file in files]
    kinds = {(each["detail"].lower(), each["holds"].lower()) for _, each in named if each}
    wanted = [(detail, holds) for detail in ("fine", "coarse") for holds in (IDS, TRAIN_IDS)]
    chosen = next((kind for kind in wanted if kind in kinds), None)
    if chosen is None:
        return [*files], []
    kept: list[Path] = []
    others: list[Path] = []
    for file, found in named:
        is_other = found and (found["detail"].lower(), found["holds"].lower()) != chosen
        (others if is_other else kept).append(file)
    return kept, others


def legend_of(mask: Path) -> Legend | None:
    """The classes of Cityscapes' masks, by the name of one; None for others."""
    found = MASK.fullmatch(mask.stem)
    if found is None or found["holds"].lower() not in (IDS, TRAIN_IDS):
        return None
    if found["holds"].lower() == TRAIN_IDS:
        return Legend(Path("Cityscapes' train ids"), [*CLASSES.values()], [*range(19)], "numbers")
    names = [CLASSES.get(number, "void") for number in range(LAST_ID + 1)]
    return Legend(Path("Cityscapes' ids"), names, [*range(LAST_ID + 1)], "numbers")
