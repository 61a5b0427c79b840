"""What is visible of objects on a canvas: boxes, masks and keypoints, clipped and covered."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal.detection.scene import Layer, Size, Window, resized_masks


@dataclass(frozen=True)
class Visible:
    """What is visible of the N objects of a layer.

    Args:
        boxes: (N, 4) floats, x1, y1, x2, y2 on the canvas, around what is visible.
        share: (N,) floats in [0, 1], the visible share of each object's area.
        masks: (N, H, W) of the canvas, of what is visible; None without masks.
        keypoints: (N, K, 3) on the canvas; zeros for those that cannot be seen; None without.
    """

    boxes: Tensor
    share: Tensor
    masks: Tensor | None
    keypoints: Tensor | None


def visible(
    boxes: Tensor,
    masks: Tensor | None,
    keypoints: Tensor | None,
    *,
    layer: Layer,
    covers: Sequence[Layer],
    own: Size,
    canvas: Size,
) -> Visible:
    """What is visible of the objects of an image that is a layer on a canvas.

    An object is measured by its mask, or by its box if it has none.

    Args:
        boxes: (N, 4) floats, x1, y1, x2, y2 in pixels of the image.
        masks: (N, H, W) of the image, None if there are none.
        keypoints: (N, K, 3) of the image, x, y and visibility; None if there are none.
        layer: where the image is.
        covers: the layers that cover it.
        own: the size of the image.
        canvas: the size of the canvas.
    """
    placed = _moved(boxes, layer, own)
    around, share = _visible_boxes(placed, layer.window, covers)
    shown = None
    is_whole = layer.size == own == canvas and layer.window == (0, 0, *canvas)
    if masks is not None and is_whole and not covers:
        shown = masks
    elif masks is not None:
        shown, count, total = _visible_masks(masks, layer, covers, canvas)
        has_mask, is_cut = total > 0, count < total
        if not bool(has_mask.all()):  # what has lost all pixels by resizing cannot be seen
            has_mask = has_mask | (pixels(masks) > 0)
        share = torch.where(has_mask, count / total.clamp(min=1), share)
        tight = boxes_around(shown).to(around.dtype)
        around = torch.where((has_mask & is_cut)[:, None], tight, around)
    points = None if keypoints is None else _visible_points(keypoints, layer, covers, own)
    return Visible(around, share, shown, points)


def boxes_around(masks: Tensor) -> Tensor:
    """(N, 4) int64, the boxes around masks (N, H, W): x1, y1, x2, y2, the last two exclusive.

    A mask of one pixel has a box of one by one; an empty mask has zeros.

    >>> masks = torch.zeros(1, 8, 8)
    >>> masks[0, 2:5, 3:7] = 1
    >>> boxes_around(masks)
    tensor([[3, 2, 7, 5]])
    """
    if not masks.numel():
        return torch.zeros(len(masks), 4, dtype=torch.int64, device=masks.device)
    edges = []
    for axis in (1, 2):  # over rows for x, over columns for y
        line = (masks.amax(axis) != 0).int()  # several times as fast as any()
        is_any = line.any(1)
        start = line.argmax(1)
        stop = line.shape[1] - line.flip(1).argmax(1)
        edges.append((start * is_any, stop * is_any))
    (x1, x2), (y1, y2) = edges
    return torch.stack([x1, y1, x2, y2], 1)


def areas(boxes: Tensor) -> Tensor:
    """(N,) the areas of boxes x1, y1, x2, y2; 0 for those that are inside out."""
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)


def _moved(boxes: Tensor, layer: Layer, own: Size) -> Tensor:
    """Boxes of an image on the canvas."""
    if layer.size == own and layer.corner == (0, 0):
        return boxes
    scale, shift = _scale_and_shift(layer, own, boxes)
    return boxes * scale.repeat(2) + shift.repeat(2)


def _scale_and_shift(layer: Layer, own: Size, like: Tensor) -> tuple[Tensor, Tensor]:
    """For x and y: the factor of a layer's resizing, and the place of its corner."""
    scale = [layer.size[1] / own[1], layer.size[0] / own[0]]
    return like.new_tensor(scale), like.new_tensor(layer.corner[::-1])


def _visible_boxes(boxes: Tensor, window: Window, covers: Sequence[Layer]) -> tuple[Tensor, Tensor]:
    """The boxes around what is left of boxes in a window, without covers, and its share."""
    whole = areas(boxes)
    kept = _clipped(boxes, window)
    left = areas(kept)
    for cover in covers:
        if cover.cutout is None:  # by cutouts, objects are measured by their masks
            hidden = _clipped(kept, cover.window)
            left = left - areas(hidden)
            kept = _without(kept, hidden)
    return kept, (left / whole).clamp(0, 1)


def _clipped(boxes: Tensor, window: Window) -> Tensor:
    top, left, bottom, right = window
    low, high = boxes.new_tensor([left, top] * 2), boxes.new_tensor([right, bottom] * 2)
    return torch.minimum(torch.maximum(boxes, low), high)


def _without(boxes: Tensor, hidden: Tensor) -> Tensor:
    """The boxes around boxes without a part of each; the part is a box of some area, or none."""
    is_hidden = areas(hidden) > 0
    kept = boxes.clone()
    for x, y in ((0, 1), (1, 0)):
        # Only a part that spans the other direction shortens a box in this one.
        spans = is_hidden & (hidden[:, y] <= boxes[:, y]) & (hidden[:, y + 2] >= boxes[:, y + 2])
        first = spans & (hidden[:, x] <= boxes[:, x])
        last = spans & (hidden[:, x + 2] >= boxes[:, x + 2])
        kept[:, x] = torch.where(first, hidden[:, x + 2], kept[:, x])
        kept[:, x + 2] = torch.where(last & ~first, hidden[:, x], kept[:, x + 2])
    return kept


def _visible_masks(
    masks: Tensor, layer: Layer, covers: Sequence[Layer], canvas: Size
) -> tuple[Tensor, Tensor, Tensor]:
    """Masks on the canvas, and how many pixels of each are visible, of how many."""
    placed = resized_masks(masks, layer.size)
    total = pixels(placed)
    shown = placed.new_zeros(len(placed), *canvas)
    top, left, bottom, right = layer.window
    shown[:, top:bottom, left:right] = layer.shown(placed)
    for cover in covers:
        top, left, bottom, right = cover.window
        part = shown[:, top:bottom, left:right]
        if cover.cutout is None:
            part.zero_()
        else:
            part.mul_(~cover.cutout[top:bottom, left:right].to(part.device))
    if layer.cutout is not None:
        shown.mul_(layer.cutout.to(shown.device))
    return shown, pixels(shown), total


def pixels(masks: Tensor) -> Tensor:
    """(N,) the pixels of each mask (N, H, W)."""
    # One by one: with dim=, each pixel becomes a number of 8 bytes first, and it takes 20 times as
    # long.
    counts = [torch.count_nonzero(mask) for mask in masks]
    return torch.stack(counts) if counts else masks.new_zeros(0, dtype=torch.int64)


def _visible_points(keypoints: Tensor, layer: Layer, covers: Sequence[Layer], own: Size) -> Tensor:
    """Keypoints on the canvas; zeros for those that are clipped, covered, or not labelled."""
    scale, shift = _scale_and_shift(layer, own, keypoints)
    points = keypoints[..., :2] * scale + shift
    top, left, bottom, right = layer.window
    x, y = points.unbind(-1)
    seen = (keypoints[..., 2] > 0) & (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    for cover in covers:
        top, left, bottom, right = cover.window
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        if cover.cutout is not None:
            height, width = cover.cutout.shape
            rows, columns = y.long().clamp(0, height - 1), x.long().clamp(0, width - 1)
            inside &= cover.cutout.to(x.device)[rows, columns]
        seen &= ~inside
    made = torch.cat([points, keypoints[..., 2:]], -1)
    return made.where(seen[..., None], 0)  # a product would leave nan
