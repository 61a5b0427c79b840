"""COCO's JSON: what it says of images, categories and objects, checked as a whole."""

import importlib.util
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicinal.errors import VicinalError

OUTSIDE = 1.0  # pixels by which tools, which round, may place a box outside of its image


@dataclass
class Annotated:
    """An image and its objects, as the JSON has them."""

    id: int | str
    file: Path
    height: int
    width: int
    objects: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Coco:
    """The content of a file: images by their order, and categories by their number."""

    images: list[Annotated]
    categories: list[dict[str, Any]]
    left_out: list[str]


def read_coco(
    folder: str | os.PathLike[str],
    file: str | os.PathLike[str],
    *,
    masks: bool,
    keypoints: bool,
    skip: bool,
) -> Coco:
    """Read and check a file; what is wrong in it raises a VicinalError, or is left out."""
    content = _load(Path(file))
    categories = sorted(content["categories"], key=lambda category: category["id"])
    known = {category["id"]: category for category in categories}
    if len(known) < len(categories):
        raise VicinalError(f"{file} has several categories of one id: give each its own")
    images, wrong = _images(Path(folder), file, content["images"])
    reasons = [_problem(wrong, len(content["images"]), "images", file)]
    missing = {image.id for image, _ in wrong}
    by_id = {image.id: image for image in images if image.id not in missing}
    checks = [_bad_box, *([_bad_mask] if masks else []), *([_bad_points] if keypoints else [])]
    bad = []
    for number, one in enumerate(content["annotations"]):
        if isinstance(one, Mapping) and _is_id(one.get("image_id")) and one["image_id"] in missing:
            continue
        reason = _bad(one, by_id, known, checks)
        if reason:
            label = one.get("id", number) if isinstance(one, Mapping) else number
            bad.append((label, reason))
        else:
            by_id[one["image_id"]].objects.append(one)
    reasons.append(_problem(bad, len(content["annotations"]), "annotations", file))
    reasons = [reason for reason in reasons if reason]
    if reasons and not skip:
        raise VicinalError(f"{reasons[0]}; correct the file, or leave them out by invalid='skip'")
    return Coco(list(by_id.values()), categories, reasons)


def check_pycocotools() -> None:
    """Raise a VicinalError if masks cannot be read."""
    if importlib.util.find_spec("pycocotools") is None:
        raise VicinalError(
            "masks in COCO's polygons and run lengths need pycocotools: pip install "
            "'vicinal[coco]', or read the boxes alone, by masks=False"
        )


def _load(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise VicinalError(f"there is no file {file}: give the JSON of the annotations") from None
    except (OSError, ValueError) as error:
        raise VicinalError(f"{file} cannot be read as JSON ({error}): give COCO's") from None
    parts = ("images", "annotations", "categories")
    held = content if isinstance(content, dict) else {}
    lacking = [part for part in parts if not isinstance(held.get(part), list)]
    if lacking:
        found = ", ".join(map(str, list(held)[:5])) or f"a {type(content).__name__}"
        raise VicinalError(
            f"{file} has no list of {' and of '.join(lacking)}, but {found}: give COCO's JSON of "
            "objects (instances or person_keypoints)"
        )
    for one in held["categories"]:
        if not isinstance(one, Mapping) or not isinstance(one.get("id"), int):
            raise VicinalError(f"{file} has a category without an id, {one}: give it a number")
    return held


def _images(
    folder: Path, file: Any, listed: Sequence[Any]
) -> tuple[list[Annotated], list[tuple[Annotated, str]]]:
    """The images that the file names, and what is wrong with some of them."""
    images: dict[Any, Annotated] = {}
    wrong = []
    for one in listed:
        if not isinstance(one, Mapping) or not _is_complete(one):
            raise VicinalError(
                f"{file} has an image without an id, a file_name, or whole numbers for height and "
                f"width, {one}: give all of them"
            )
        if one["id"] in images:
            raise VicinalError(f"{file} has two images of the id {one['id']}: give each its own")
        path = folder / one["file_name"]
        images[one["id"]] = image = Annotated(one["id"], path, one["height"], one["width"])
        if not path.is_file():
            wrong.append((image, f"{path} does not exist"))
    return list(images.values()), wrong


def _problem(wrong: Sequence[tuple[Any, str]], total: int, kind: str, file: Any) -> str:
    """One sentence on what is wrong with some of so many; empty if nothing is."""
    if not wrong:
        return ""
    first, reason = wrong[0]
    if kind == "images":
        return f"{len(wrong)} of {total} images of {file} are missing: {reason}"
    return f"{len(wrong)} of {total} annotations in {file} are wrong: number {first} {reason}"


def _bad(
    one: Any,
    images: Mapping[Any, Annotated],
    categories: Mapping[Any, Any],
    checks: Sequence[Callable[[Any, Annotated, Any], str]],
) -> str:
    """What is wrong with an annotation; empty if nothing is."""
    if not isinstance(one, Mapping):
        return f"is no object, but {one!r}"
    if not _is_id(one.get("image_id")) or one["image_id"] not in images:
        return f"is of image {one.get('image_id')!r}, which is not among the images"
    if not _is_id(one.get("category_id")) or one["category_id"] not in categories:
        return f"has category {one.get('category_id')!r}, which is not among the categories"
    image, category = images[one["image_id"]], categories[one["category_id"]]
    return next((reason for check in checks if (reason := check(one, image, category))), "")


def _bad_box(one: Mapping[str, Any], image: Annotated, category: Any) -> str:
    box = one.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        return f"has the bbox {box!r}, which is not four finite numbers"
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return f"has the bbox {box}, which has no width or no height"
    stop = x + width, y + height
    is_outside = min(x, y) < -OUTSIDE or stop[0] > image.width + OUTSIDE
    is_outside |= stop[1] > image.height + OUTSIDE
    is_beside = min(stop) <= 0 or x >= image.width or y >= image.height
    if is_outside or is_beside:
        return (
            f"has the bbox {box} (x, y, width, height), outside of {image.file.name}, which has "
            f"{image.width} x {image.height} pixels"
        )
    area = one.get("area", 0)
    if not _is_number(area) or area < 0:
        return f"has the area {area!r}, which is no number of 0 or more"
    if one.get("iscrowd", 0) not in (0, 1):
        return f"has iscrowd {one['iscrowd']!r}, which is neither 0 nor 1"
    return ""


def _bad_mask(one: Mapping[str, Any], image: Annotated, category: Any) -> str:
    segments = one.get("segmentation")
    if isinstance(segments, Mapping):
        size = segments.get("size")
        if size != [image.height, image.width]:
            return f"has a mask of the size {size}, but its image is {image.height} x {image.width}"
        counts = segments.get("counts")
        if isinstance(counts, str):
            return ""
        if not isinstance(counts, list):
            return "has a mask without counts"
        is_whole = all(isinstance(count, int) and count >= 0 for count in counts)
        if not is_whole or sum(counts) != image.height * image.width:
            return (
                f"has a mask whose run lengths do not add up to the {image.height} x {image.width} "
                "pixels of its image"
            )
        return ""
    if not isinstance(segments, list) or not segments:
        return "has no segmentation"
    for polygon in segments:
        is_list = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
        if not is_list or not all(map(_is_number, polygon)):
            return f"has a polygon that is not three or more points x, y: {str(polygon)[:60]}"
    return ""


def _bad_points(one: Mapping[str, Any], image: Annotated, category: Any) -> str:
    points, names = one.get("keypoints"), category.get("keypoints", [])
    if points is None:
        return ""
    if not isinstance(points, list) or len(points) != 3 * len(names):
        return f"has {len(points or [])} numbers of keypoints, not 3 for each of {len(names)} names"
    return "" if all(map(_is_number, points)) else "has keypoints that are not finite numbers"


def _is_complete(image: Mapping[str, Any]) -> bool:
    sides = image.get("height"), image.get("width")
    is_named = _is_id(image.get("id")) and isinstance(image.get("file_name"), str)
    return is_named and all(isinstance(side, int) and side > 0 for side in sides)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
