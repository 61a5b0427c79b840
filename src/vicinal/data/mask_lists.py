"""Pascal VOC's lists: which images have masks, and which part each belongs to."""

from dataclasses import replace
from pathlib import Path

from vicinal.data.mask_pairs import MaskPairs

PARTS = {"train": "train", "val": "val", "test": "test"}


def by_lists(pairs: MaskPairs) -> tuple[MaskPairs, list[str]]:
    """The pairs that `ImageSets/Segmentation` lists beside the folder of masks, and a note.

    Most images of VOC have boxes and no masks: those that no list names are left alone.

    Args:
        pairs: as :func:`find_pairs` has found them; they are returned where there are no lists.
    """
    folder = pairs.masks[0].parent.parent / "ImageSets" / "Segmentation"
    if not folder.is_dir():
        return pairs, []
    part_of: dict[str, str] = {}
    for file in sorted(folder.glob("*.txt")):
        for name in _names(file):
            # trainval.txt and the like name the images of other lists, too.
            if file.stem in PARTS or name not in part_of:
                part_of[name] = PARTS.get(file.stem, "")
    if not any(image.stem in part_of for image in pairs.images):
        return pairs, []
    rows = [row for row, image in enumerate(pairs.images) if image.stem in part_of]
    alone = [image for image in pairs.alone if image.stem in part_of]
    unlisted = len(pairs.images) - len(rows) + len(pairs.alone) - len(alone)
    chosen = replace(
        pairs,
        images=[pairs.images[row] for row in rows],
        masks=[pairs.masks[row] for row in rows],
        parts=[part_of[pairs.images[row].stem] for row in rows],
        alone=alone,
    )
    where = folder.relative_to(pairs.root).as_posix() if folder != pairs.root else folder.name
    noun = "image" if unlisted == 1 else "images"
    return chosen, [f"left alone: {unlisted:,} {noun} in no list of {where}"] if unlisted else []


def _names(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    return [line.split()[0] for line in lines if line.strip()]
