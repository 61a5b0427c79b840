"""Pascal VOC's lists: which images have masks, and which part each belongs to."""

from dataclasses import replace
from pathlib import Path

from vicinal.data.mask_pairs import MaskPairs

PLACE = Path("ImageSets", "Segmentation")
PARTS = {"train": "train", "val": "val", "test": "test"}


def by_lists(pairs: MaskPairs) -> tuple[MaskPairs, list[str]]:
    """The pairs that `ImageSets/Segmentation` lists beside the folder of masks, and a note.

    Most images of VOC have boxes and no masks: those that no list names are left alone. Each year
    has lists of its own.

    Args:
        pairs: as :func:`find_pairs` has found them; they are returned where there are no lists.
    """
    years = [mask.parent.parent for mask in pairs.masks]
    listed: dict[Path, dict[str, str]] = {}
    for year in {*years}:
        found = _parts(year / PLACE)
        named = zip(pairs.images, years, strict=True)
        if any(image.stem in found for image, own in named if own == year):
            listed[year] = found
    if not listed:
        return pairs, []
    only = next(iter(listed)) if len({*years}) == 1 else None

    def is_used(image: Path, year: Path) -> bool:
        return year not in listed or image.stem in listed[year]

    rows = [row for row, year in enumerate(years) if is_used(pairs.images[row], year)]
    alone = [image for image in pairs.alone if is_used(image, only or image.parent.parent)]
    unlisted = len(pairs.images) - len(rows) + len(pairs.alone) - len(alone)
    chosen = replace(
        pairs,
        images=[pairs.images[row] for row in rows],
        masks=[pairs.masks[row] for row in rows],
        parts=[
            listed.get(years[row], {}).get(pairs.images[row].stem, pairs.parts[row]) for row in rows
        ],
        alone=alone,
    )
    places = sorted((year / PLACE).relative_to(pairs.root).as_posix() for year in listed)
    noun = "image" if unlisted == 1 else "images"
    note = f"left alone: {unlisted:,} {noun} in no list of {' or '.join(places)}"
    return chosen, [note] if unlisted else []


def _parts(folder: Path) -> dict[str, str]:
    """The part of each image that lists name; empty where they name none."""
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.txt")):
        for name in _names(file):
            # trainval.txt and the like name the images of other lists, too.
            if file.stem in PARTS or name not in found:
                found[name] = PARTS.get(file.stem, "")
    return found


def _names(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    return [line.split()[0] for line in lines if line.strip()]
