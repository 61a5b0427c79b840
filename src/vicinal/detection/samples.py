"""A batch for object detection, read and checked: images of any sizes, and their objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vicinal.detection.coordinates import format_of, in_pixels, plain, to_xyxy
from vicinal.detection.scene import Size
from vicinal.errors import VicinalError
from vicinal.mixing.batch import is_blendable
from vicinal.mixing.tensors import is_tv

Target = Mapping[str, Any]
OF_OBJECTS = ("boxes", "labels", "masks", "keypoints", "area", "iscrowd", "weights")
MOVED = ("boxes", "masks", "keypoints")
OUTSIDE = 1.0  # pixels by which labelling tools, which round, may place a box outside


@dataclass(frozen=True)
class Objects:
    """The objects of an image, in pixels.

    Args:
        boxes: (N, 4) floats, x1, y1, x2, y2.
        masks: (N, H, W), or None.
        keypoints: (N, K, 3), or None.
        crowd: (N,) bool, which are crowds of objects.
    """

    boxes: Tensor
    masks: Tensor | None
    keypoints: Tensor | None
    crowd: Tensor


def sizes_of(images: Any) -> list[Size]:
    """The height and width of each image; a VicinalError if they are no images of one kind."""
    if not isinstance(images, Tensor | list | tuple):
        raise VicinalError(
            f"images are of type {type(images).__name__}: give a list of (C, H, W) tensors, or one "
            "(B, C, H, W)"
        )
    for i, image in enumerate(images):
        if not isinstance(image, Tensor):
            raise VicinalError(
                f"images[{i}] is of type {type(image).__name__}: give (C, H, W) floats or uint8, "
                "as torchvision's to_image makes of pictures"
            )
        if image.ndim != 3 or not is_blendable(image) or image.is_complex():
            raise VicinalError(
                f"images[{i}] has shape {tuple(image.shape)} and dtype {image.dtype}: give "
                "(C, H, W) floats or uint8"
            )
        first = images[0]
        if (image.shape[0], image.dtype) != (first.shape[0], first.dtype):
            raise VicinalError(
                f"images[{i}] has {image.shape[0]} channels of {image.dtype}, but images[0] has "
                f"{first.shape[0]} of {first.dtype}: give all images the same"
            )
    return [(image.shape[-2], image.shape[-1]) for image in images]


def fields_of(targets: Sequence[Target], image_fields: Sequence[str]) -> list[str]:
    """The names of the tensors that have an entry for each box, the same in all targets."""
    fields = [
        [name for name in target if name not in image_fields and isinstance(target[name], Tensor)]
        for target in targets
    ]
    for i, names in enumerate(fields):
        if "boxes" not in names or set(names) != set(fields[0]):
            raise VicinalError(
                f"targets[{i}] holds tensors for {', '.join(names) or 'nothing'}, and targets[0] "
                f"for {', '.join(fields[0]) or 'nothing'}: give boxes, and the same fields in all"
            )
    return fields[0] if fields else []


def read_objects(
    targets: Any, sizes: Sequence[Size], format: str, normalized: bool, image_fields: Sequence[str]
) -> list[Objects]:
    """The objects of each image; a VicinalError names what is wrong with them."""
    _check_targets(targets, sizes)
    fields = fields_of(targets, image_fields)
    found = []
    for i, (target, size) in enumerate(zip(targets, sizes, strict=True)):
        _check_shapes(i, target, fields, size)
        boxes = _at_least_single(plain(target["boxes"]))
        boxes = in_pixels(boxes, size) if normalized else boxes
        boxes = to_xyxy(boxes, format_of(target["boxes"], format))
        points = target.get("keypoints")
        if points is not None:
            points = _at_least_single(plain(points))
            x, y, seen = points.unbind(-1)
            xy = torch.stack([x, y], -1)
            xy = in_pixels(xy, size) if normalized else xy
            points = torch.cat([xy, seen[..., None]], -1)
        masks = target.get("masks")
        crowd = target.get("iscrowd")
        none = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
        found.append(
            Objects(
                boxes,
                None if masks is None else plain(masks),
                points,
                none if crowd is None else plain(crowd).to(torch.bool).reshape(-1),
            )
        )
    if not normalized:
        _check_units(targets, sizes)
    for i, (objects, size) in enumerate(zip(found, sizes, strict=True)):
        _check_boxes(i, targets[i]["boxes"], objects.boxes, size, normalized)
    return found


def _at_least_single(numbers: Tensor) -> Tensor:
    is_small = numbers.dtype in (torch.float16, torch.bfloat16)
    return numbers.float() if is_small else numbers


def _check_targets(targets: Any, sizes: Sequence[Size]) -> None:
    if isinstance(targets, Mapping) or not isinstance(targets, list | tuple):
        raise VicinalError(
            f"targets are of type {type(targets).__name__}: give a list with a dict for each "
            "image, of boxes and what belongs to them"
        )
    if len(targets) != len(sizes):
        raise VicinalError(
            f"there are {len(sizes)} images and {len(targets)} targets: give one target for each "
            "image"
        )
    for i, target in enumerate(targets):
        if not isinstance(target, Mapping):
            raise VicinalError(
                f"targets[{i}] is of type {type(target).__name__}: give a dict of boxes and what "
                "belongs to them"
            )
        for name in OF_OBJECTS:
            if name in target and not isinstance(target[name], Tensor):
                raise VicinalError(
                    f"{name!r} in targets[{i}] is of type {type(target[name]).__name__}: give a "
                    "tensor with an entry for each box"
                )


def _check_shapes(i: int, target: Target, fields: Sequence[str], size: Size) -> None:
    boxes = target["boxes"]
    if not boxes.is_floating_point() and boxes.ndim == 2 and boxes.shape[1] == 4:
        raise VicinalError(
            f"the boxes in targets[{i}] are {boxes.dtype}, which cannot hold where a box is cut or "
            "resized: give floats, boxes.float()"
        )
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise VicinalError(
            f"the boxes in targets[{i}] have shape {tuple(boxes.shape)} and dtype "
            f"{boxes.dtype}: give (N, 4) floats, torch.zeros(0, 4) where there are none"
        )
    if is_tv(boxes, "BoundingBoxes") and tuple(boxes.canvas_size) != size:
        raise VicinalError(
            f"the boxes in targets[{i}] are on a canvas of {tuple(boxes.canvas_size)}, but the "
            f"image has {size}: transform the image and its boxes together"
        )
    for name in fields:
        shape = target[name].shape
        if shape[:1] != boxes.shape[:1]:
            raise VicinalError(
                f"{name!r} in targets[{i}] has shape {tuple(shape)}, but there are "
                f"{len(boxes)} boxes: give an entry for each box, or name it in image_fields"
            )
        if name == "masks" and tuple(shape[1:]) != size:
            raise VicinalError(
                f"the masks in targets[{i}] have shape {tuple(shape)}, but the image "
                f"{size[0]} x {size[1]} pixels: give both the same height and width"
            )
        if name == "keypoints" and (len(shape) != 3 or shape[2] != 3):
            raise VicinalError(
                f"the keypoints in targets[{i}] have shape {tuple(shape)}: give (N, K, 3), x, y "
                "and 0 for those that are not labelled, else 1 or 2"
            )
        if name == "keypoints" and not target[name].is_floating_point():
            raise VicinalError(
                f"the keypoints in targets[{i}] are {target[name].dtype}, which cannot hold where "
                "a point of a resized image is: give floats, keypoints.float()"
            )
        if name not in MOVED and is_tv(target[name], "BoundingBoxes", "Mask", "KeyPoints"):
            raise VicinalError(
                f"{name!r} in targets[{i}] is of type {type(target[name]).__name__}, but only "
                "'boxes', 'masks' and 'keypoints' move with their image: leave it out"
            )


def _check_units(targets: Sequence[Target], sizes: Sequence[Size]) -> None:
    """Reject boxes that are shares of their images, where pixels are expected."""
    held = [(target["boxes"], size) for target, size in zip(targets, sizes, strict=True)]
    held = [(boxes, size) for boxes, size in held if boxes.numel()]
    if not held or min(min(size) for _, size in held) <= 4:
        return  # boxes in pixels of so small an image may well be from 0 to 1
    largest = max(float(plain(boxes).max()) for boxes, _ in held)
    if 0 < largest <= 1.01:  # 1 and a little, which labelling tools give
        raise VicinalError(
            f"no number in the boxes is larger than {largest:.3g}, so they are relative to their "
            "images: give boxes in pixels, or say normalized=True"
        )


def _check_boxes(i: int, given: Tensor, boxes: Tensor, size: Size, normalized: bool) -> None:
    """Reject boxes that are no numbers, inside out, or outside of their image."""
    if not len(boxes):
        return
    x1, y1, x2, y2 = boxes.unbind(1)
    is_bad = ~boxes.isfinite().all(1)
    is_inside_out = ~is_bad & ((x2 <= x1) | (y2 <= y1))
    outside = (x1 < -OUTSIDE) | (y1 < -OUTSIDE)
    outside |= (x2 > size[1] + OUTSIDE) | (y2 > size[0] + OUTSIDE)
    beside = (x2 <= 0) | (y2 <= 0) | (x1 >= size[1]) | (y1 >= size[0])
    checks = (
        (is_bad, "is not of finite numbers: give the numbers of a box, or leave it out"),
        (
            is_inside_out,
            "has no width or no height: leave it out, or say format= if its numbers are not "
            "x1, y1, x2, y2",
        ),
        (
            ~is_bad & (outside | beside),
            f"is outside of its image, which has {size[1]} x {size[0]} pixels (width x height): "
            + (
                "clip it, or leave out normalized=True if its numbers are pixels"
                if normalized
                else "clip it, or say format= if its numbers are not x1, y1, x2, y2"
            ),
        ),
    )
    for wrong, reason in checks:
        if bool(wrong.any()):
            k = int(wrong.nonzero()[0])
            numbers = ", ".join(f"{value:g}" for value in plain(given)[k].tolist())
            more = int(wrong.sum()) - 1
            others = f" (and {more} more like it)" if more else ""
            raise VicinalError(f"box {k} of targets[{i}], [{numbers}]{others}, {reason}")
