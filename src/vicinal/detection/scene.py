"""Scene: where the images of a mix are placed on its canvas, and the picture that they make.

Windows and sizes are in whole pixels, as (top, left, bottom, right) and (height, width).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.mixing.blend import interpolate_into

Size = tuple[int, int]
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Layer:
    """One image on a canvas.

    Args:
        source: the number of the image in the batch.
        size: of the image as it is placed; another one than its own resizes it.
        corner: (top, left) of the image on the canvas, which may be outside of it.
        window: the part of the canvas in which the image is shown, not larger than the image.
        chosen: (N,) bool, which of the image's objects come along; None for all.
        cutout: (H, W) bool, where on the canvas the image is shown; None for the whole window.
    """

    source: int
    size: Size
    corner: tuple[int, int]
    window: Window
    chosen: Tensor | None = None
    cutout: Tensor | None = None

    def shown(self, planes: Tensor) -> Tensor:
        """What is in the window, of (..., h, w) planes of the layer's size."""
        top, left, bottom, right = self.window
        y, x = self.corner
        return planes[..., top - y : bottom - y, left - x : right - x]


@dataclass(frozen=True)
class Scene:
    """One mixed image: layers on a canvas, each covering those before it.

    Args:
        size: of the canvas.
        layers: from the lowest to the uppermost.
        lam: None, or the share of the first of two layers that are blended, in (0, 1).
        fill: the value of pixels that no layer covers.
        min_visible: the visible share of an object below which it is dropped.
    """

    size: Size
    layers: tuple[Layer, ...]
    lam: float | None = None
    fill: float = 0.0
    min_visible: float = 0.0
    is_mixed: bool = True

    def covers(self, number: int) -> tuple[Layer, ...]:
        """The layers that cover a layer."""
        return () if self.lam is not None else self.layers[number + 1 :]

    def share(self, number: int) -> float:
        """The share of a layer in the pixels that it covers."""
        if self.lam is None:
            return 1.0
        return self.lam if number == 0 else 1 - self.lam

    def weight(self, source: int) -> float:
        """The share of an image in the canvas: of its pixels, or of each pixel if blended."""
        if self.lam is not None:
            return sum(self.share(k) for k, part in enumerate(self.layers) if part.source == source)
        kept = 0
        for number, layer in enumerate(self.layers):
            if layer.source == source:
                kept += _pixels(layer, layer.window)
                kept -= sum(_pixels(cover, layer.window) for cover in self.covers(number))
        return kept / max(self.size[0] * self.size[1], 1)

    def picture(self, images: Sequence[Tensor]) -> Tensor:
        """The mixed image (C, H, W), a new tensor."""
        if not self.is_mixed:
            return images[self.layers[0].source].clone(memory_format=torch.contiguous_format)
        first = images[self.layers[0].source]
        if self.lam is not None:
            canvas, other = (
                self._placed(layer, images[layer.source], first) for layer in self.layers
            )
            interpolate_into(canvas, other, canvas, self.lam)
            return canvas
        if first.dtype == torch.uint8 and self.fill not in range(256):
            raise VicinalError(
                f"fill={self.fill:g} is no value of a uint8 image: give a whole number from 0 to "
                "255, such as 114"
            )
        canvas = first.new_full((len(first), *self.size), self.fill)
        for layer in self.layers:
            self._show(layer, images[layer.source], canvas)
        return canvas

    def _placed(self, layer: Layer, image: Tensor, like: Tensor) -> Tensor:
        canvas = like.new_full((len(like), *self.size), self.fill)
        self._show(layer, image, canvas)
        return canvas

    def _show(self, layer: Layer, image: Tensor, canvas: Tensor) -> None:
        top, left, bottom, right = layer.window
        part = canvas[:, top:bottom, left:right]
        patch = layer.shown(resized(image, layer.size))
        if layer.cutout is None:
            part.copy_(patch)
        else:
            cutout = layer.cutout[top:bottom, left:right].to(part.device)
            part.copy_(torch.where(cutout, patch, part))


def whole(source: int, size: Size, **others: object) -> Layer:
    """A layer that shows an image as it is, in the upper left corner."""
    return replace(Layer(source, size, (0, 0), (0, 0, *size)), **others)  # type: ignore[arg-type]


def unmixed(source: int, size: Size) -> Scene:
    """The scene of an image that is not mixed."""
    return Scene(size, (whole(source, size),), is_mixed=False)


def common(first: Window, second: Window) -> Window:
    """The part that two windows have in common; of no size if there is none."""
    top, left = max(first[0], second[0]), max(first[1], second[1])
    bottom, right = min(first[2], second[2]), min(first[3], second[3])
    return top, left, max(bottom, top), max(right, left)


def resized(image: Tensor, size: Size) -> Tensor:
    """An image (C, H, W) of another size, by bilinear interpolation that averages when it shrinks.

    >>> resized(torch.tensor([[[0.0, 4.0], [4.0, 8.0]]]), (1, 1))
    tensor([[[4.]]])
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    exact = image if image.dtype in (torch.float32, torch.float64) else image.float()
    made = F.interpolate(exact[None], size, mode="bilinear", antialias=True)[0]
    if image.dtype == torch.uint8:
        made = made.round_().clamp_(0, 255)
    return made.to(image.dtype)


def resized_masks(masks: Tensor, size: Size) -> Tensor:
    """Masks (N, H, W) of another size, by the nearest pixel.

    >>> resized_masks(torch.tensor([[[1, 2], [3, 4]]]), (1, 4))
    tensor([[[3, 3, 4, 4]]])
    """
    height, width = masks.shape[-2:]
    if (height, width) == tuple(size):
        return masks
    if len(masks) and masks.dtype in (torch.uint8, torch.float32):
        return F.interpolate(masks[None], size, mode="nearest-exact")[0]
    rows, columns = (
        ((torch.arange(new, device=masks.device) + 0.5) * (old / new)).long().clamp_(max=old - 1)
        for new, old in ((size[0], height), (size[1], width))
    )
    return masks[..., rows[:, None], columns]


def _pixels(layer: Layer, window: Window) -> int:
    """How many pixels of the canvas a layer covers inside of a window."""
    top, left, bottom, right = common(layer.window, window)
    if layer.cutout is None:
        return (bottom - top) * (right - left)
    return int(layer.cutout[top:bottom, left:right].sum())
