"""Mosaic: four images on one canvas, for object detection."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.detection.form import DetectionMixer, DetectionOptions
from vicinal.detection.samples import Objects
from vicinal.detection.scene import Layer, Scene, Size, Window, common
from vicinal.mixing.arguments import number, pair, shares

QUADRANTS = ((0, 0), (0, 1), (1, 0), (1, 1))  # lower or not, right or not


class Mosaic(DetectionMixer):
    """Place four images around a random centre of one canvas, each in a quadrant of it.

    The canvas is as large as the image itself, so that sizes stay as they are. Its partners are the
    next three images of the random order: four different ones in batches of at least four. Each
    image is resized, with its aspect ratio, to a random multiple of the size that just fits the
    canvas, and is placed with a corner at the centre. What is outside of its quadrant is cut off;
    where an image does not fill its quadrant, there is ``fill``.

    Boxes, masks, keypoints and areas become those of what is visible. What is less than a pixel
    wide or high then is dropped. Batches and targets are those of :class:`DetectionMixUp`.
    ``"weights"`` are 1, as pixels are copied, not blended.

    Args:
        scale: the smallest and the largest multiple, drawn uniformly for each image. The default is
            the range of sizes of Ultralytics' trainer, which resizes a mosaic as a whole.
        center: where the centre may be, as shares of the canvas; uniform.
        fill: the value of pixels without an image: 114 for uint8 images and 114 / 255 for floats in
            [0, 1] are the grey of YOLO's trainers; 0 is right for normalised images.
        min_visible: the visible share of an object, in [0, 1], below which it is dropped: of its
            mask's pixels, or of its box's area if it has no mask. The default is that of YOLOv5.
        **options: of :class:`DetectionMixer`, :class:`Method` and :class:`Mixer`: format,
            normalized, image_fields, per, p, partners, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
        VicinalError: images and targets do not match, or a box is no box of its image; the message
            names it.

    Source: A. Bochkovskiy, C.-Y. Wang, H.-Y. M. Liao, YOLOv4: Optimal Speed and Accuracy of Object
    Detection, arXiv 2004.10934 (2020), section 3.3; the range of the centre is its code's.

    >>> images = torch.rand(4, 3, 64, 64)
    >>> boxes = torch.tensor([[8.0, 8.0, 56.0, 56.0]])
    >>> targets = [{"boxes": boxes, "labels": torch.tensor([label])} for label in range(4)]
    >>> images, targets = Mosaic(seed=0)(images, targets)
    >>> images.shape, targets[0]["labels"].tolist()  # too little is visible of number 1
    (torch.Size([4, 3, 64, 64]), [0, 2, 3])
    """

    def __init__(
        self,
        scale: tuple[float, float] = (0.5, 1.5),
        *,
        center: tuple[float, float] = (0.2, 0.8),
        fill: float = 0.0,
        min_visible: float = 0.1,
        **options: Unpack[DetectionOptions],
    ) -> None:
        super().__init__(**options)
        self.scale = pair("scale", scale)
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be given as (smallest, largest), above 0, not {scale!r}")
        self.center = shares("center", center)
        if isinstance(fill, bool) or not isinstance(fill, int | float):
            raise TypeError(f"fill must be a number, not {fill!r}")
        self.fill = float(fill)
        self.min_visible = number("min_visible", min_visible, upper=1.0)

    def numbers(self, count: int, generator: torch.Generator) -> Tensor:
        # Two for the centre, four for the multiples, four for the order of the images.
        drawn = torch.rand(count, 10, generator=generator, dtype=torch.float64, device="cpu")
        for part, (low, high) in ((slice(2), self.center), (slice(2, 6), self.scale)):
            drawn[:, part] = drawn[:, part] * (high - low) + low
        return drawn

    def scene(
        self,
        i: int,
        numbers: list[float],
        partner: list[int],
        sizes: list[Size],
        objects: list[Objects] | None,
    ) -> Scene | None:
        canvas = sizes[i]
        centre = round(numbers[0] * canvas[0]), round(numbers[1] * canvas[1])
        images = [i]
        for _ in range(3):
            images.append(partner[images[-1]])
        order = sorted(range(4), key=lambda k: numbers[6 + k])
        tiles = []
        for quadrant, k in zip(QUADRANTS, order, strict=True):
            own = sizes[images[k]]
            factor = numbers[2 + k] * min(canvas[0] / own[0], canvas[1] / own[1])
            size = max(1, round(own[0] * factor)), max(1, round(own[1] * factor))
            tiles.append(_tile(images[k], size, quadrant, centre, canvas))
        return Scene(canvas, tuple(tiles), fill=self.fill, min_visible=self.min_visible)


def _tile(
    source: int, size: Size, quadrant: tuple[int, int], centre: tuple[int, int], canvas: Size
) -> Layer:
    """An image of this size with its inner corner at the centre."""
    y, x = (
        middle - (0 if is_far else length)
        for middle, length, is_far in zip(centre, size, quadrant, strict=True)
    )
    (top, bottom), (left, right) = (
        (middle, end) if is_far else (0, middle)
        for middle, end, is_far in zip(centre, canvas, quadrant, strict=True)
    )
    image: Window = (y, x, y + size[0], x + size[1])
    return Layer(source, size, (y, x), common(image, (top, left, bottom, right)))
