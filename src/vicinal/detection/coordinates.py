"""Boxes and keypoints in pixels, from the formats that targets have and back."""

from typing import Any, Literal

import torch
from torch import Tensor

from vicinal.detection.scene import Size
from vicinal.errors import VicinalError
from vicinal.mixing.tensors import is_tv

Format = Literal["xyxy", "xywh", "cxcywh"]


def from_xyxy(boxes: Tensor, format: str) -> Tensor:
    """Boxes x1, y1, x2, y2 in another format.

    >>> from_xyxy(torch.tensor([[1.0, 2.0, 5.0, 8.0]]), "cxcywh")
    tensor([[3., 5., 4., 6.]])
    """
    if format == "xyxy":
        return boxes
    start, stop = boxes[:, :2], boxes[:, 2:]
    first = start if format == "xywh" else (start + stop) / 2
    return torch.cat([first, stop - start], 1)


def to_xyxy(boxes: Tensor, format: str) -> Tensor:
    """The inverse of :func:`from_xyxy`."""
    if format == "xyxy":
        return boxes
    first, sides = boxes[:, :2], boxes[:, 2:]
    start = first if format == "xywh" else first - sides / 2
    return torch.cat([start, start + sides], 1)


FORMATS = ("xyxy", "xywh", "cxcywh")


def format_of(boxes: Tensor, format: str) -> str:
    """The format of boxes: their own if they are torchvision's, else the given one."""
    if not is_tv(boxes, "BoundingBoxes"):
        return format
    own = str(boxes.format.value).lower()  # type: ignore[attr-defined]
    if own not in FORMATS:
        raise VicinalError(f"boxes in the format {own.upper()} are rotated: give upright ones")
    return own


def in_pixels(points: Tensor, size: Size) -> Tensor:
    """Normalised (..., 2 or 4) coordinates x, y in pixels of an image of this size."""
    return points * _sides(points, size)


def normalised(points: Tensor, size: Size) -> Tensor:
    """The inverse of :func:`in_pixels`."""
    return points / _sides(points, size)


def _sides(points: Tensor, size: Size) -> Tensor:
    return points.new_tensor([size[1], size[0]] * (points.shape[-1] // 2))


def wrapped(tensor: Tensor, like: Any, size: Size) -> Tensor:
    """A tensor as torchvision's tv_tensor that ``like`` is, for a canvas of this size."""
    if not is_tv(like, "Image", "Mask", "BoundingBoxes"):
        return tensor
    from torchvision import tv_tensors

    # By wrap, boxes keep their format, and what else newer versions of torchvision add.
    options = {"canvas_size": size} if is_tv(like, "BoundingBoxes") else {}
    return tv_tensors.wrap(tensor, like=like, **options)  # type: ignore[no-any-return]


def plain(tensor: Tensor) -> Tensor:
    """A tensor without the class that torchvision gives it."""
    return tensor.as_subclass(Tensor) if type(tensor) is not Tensor else tensor
