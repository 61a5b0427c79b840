"""Item transforms: what becomes of each image when it is read."""

from collections.abc import Sequence
from typing import Any

from vicinal.data.cropping import RandomCropping
from vicinal.data.resizing import Method, Resizing
from vicinal.data.sizes import Size, how_read, sides
from vicinal.errors import VicinalError


class ResizeMethod:
    """The ways of :class:`Resize`, by fastai's names."""

    Crop: Method = "crop"
    Pad: Method = "pad"
    Squish: Method = "squish"


class PadMode:
    """What :class:`Resize` pads with, by fastai's names."""

    Zeros = "zeros"
    Border = "border"
    Reflection = "reflection"


PAD_METHODS: dict[str, Method] = {
    "zeros": "pad",
    "border": "pad_border",
    "reflection": "pad_reflection",
}


class ItemTransform:
    """What becomes of each image when it is read.

    Attributes:
        item_size: how it is resized.
    """

    item_size: Resizing | int


class Resize(ItemTransform):
    """Resize images when they are read.

    Args:
        size: side of a square, or (height, width), in pixels.
        method: ``"crop"`` fills the size and cuts off what is beyond it, at both sides alike;
            ``"squish"`` changes the aspect ratio; ``"pad"`` shows the whole image.
        pad_mode: what ``"pad"`` shows beside the image: ``"reflection"``, its mirror image;
            ``"zeros"``, black; ``"border"``, the pixels of its border.

    Raises:
        VicinalError: a size below 1, another method or another ``pad_mode``.
    """

    def __init__(self, size: Size, method: Method = "crop", pad_mode: str = "reflection") -> None:
        if pad_mode not in PAD_METHODS:
            raise VicinalError(
                f"pad_mode must be one of {', '.join(PAD_METHODS)}, not {pad_mode!r}"
            )
        self.size, self.method = size, method
        self.item_size = how_read(size, PAD_METHODS[pad_mode] if method == "pad" else method)

    def __repr__(self) -> str:
        return f"Resize({self.size}, {str(self.method)!r})"


class RandomResizedCrop(ItemTransform):
    """Crop a random part of each training image, and resize it; anew in each epoch.

    It needs the image files in each epoch, so that images are decoded for each batch. The crops of
    ``aug_transforms(size=…, min_scale=…)`` are computed on the device instead, from images that are
    decoded once.

    Args:
        size: side of a square, or (height, width), in pixels.
        min_scale, max_scale: the share of the image's area, in (0, 1].
        ratio: range of the part's width over its height; it is squished to the size.
        val_xtra: in validation, the whole image is resized to a size larger by this share, and
            then cropped to its middle.

    Raises:
        VicinalError: a value is out of its range.
    """

    def __init__(
        self,
        size: Size,
        min_scale: float = 0.08,
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        *,
        val_xtra: float = 0.14,
        max_scale: float = 1.0,
    ) -> None:
        self.size, self.min_scale = size, min_scale
        self.item_size = RandomCropping(
            *sides(size),
            min_scale=min_scale,
            max_scale=max_scale,
            ratio=(ratio[0], ratio[1]),
            val_xtra=val_xtra,
        )

    def __repr__(self) -> str:
        return f"RandomResizedCrop({self.size}, min_scale={self.min_scale})"


class ToTensor:
    """Nothing, as images are read as tensors; for code that lists it."""


def as_list(transforms: Any) -> list[Any]:
    """Transforms that are given as one, as several, or as None.

    >>> as_list(None), as_list(3), as_list((3, 4))
    ([], [3], [3, 4])
    """
    if transforms is None:
        return []
    return list(transforms) if isinstance(transforms, Sequence) else [transforms]


def resizing_of(item_tfms: Any) -> Resizing | int | None:
    """How images are read, by the item transforms of a DataBlock.

    Raises:
        VicinalError: one is of another kind, or there are several.
    """
    given = [t for t in as_list(item_tfms) if not isinstance(t, ToTensor) and t != ToTensor]
    for transform in given:
        if not isinstance(transform, ItemTransform):
            kind = type(transform)
            if isinstance(transform, type) and issubclass(transform, ItemTransform):
                name = transform.__name__
                raise VicinalError(f"item_tfms={name} is not called: give item_tfms={name}(224)")
            is_other = kind.__name__ in ("Resize", "RandomResizedCrop")
            other = f"that of {kind.__module__}" if is_other else repr(transform)
            raise VicinalError(
                f"item_tfms must be a Resize or a RandomResizedCrop, not {other}: use vicinal's"
            )
    if len(given) > 1:
        names = " and ".join(map(repr, given))
        raise VicinalError(f"images are resized once when they are read, not by {names}: give one")
    return given[0].item_size if given else None
