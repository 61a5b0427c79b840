"""What a tensor of a batch is, as far as its shape, dtype, name and class show it.

An image has a height and a width to cut regions from, and values to average. A mask, a box and a
label have neither, in whatever dtype they are stored. What cannot be told raises an error.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vicinal.mixing.batch import leaves

# Names that leave no doubt. Beside an image, such a tensor describes it; alone, it is the data.
BOXES = ("box", "boxes", "bbox", "bboxes", "bounding_box", "bounding_boxes")
COORDINATES = frozenset((*BOXES, "keypoint", "keypoints", "kpts", "landmarks"))
# With what is of them and no coordinate: `box_scores`.
ABOUT_THEM = ("score", "scores", "feature", "features", "embedding", "embeddings")
PADDING = frozenset(("attention_mask", "padding_mask", "key_padding_mask"))

FEW = 4  # channels, that images have where the last dimension holds them
SMALL = 8  # pixels: fewer are no image's height or width, but those of a feature map


def longest(sizes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The size with the most sides, the first of several; of at least one.

    >>> longest([(8, 8), (4, 8, 8)])
    (4, 8, 8)
    """
    found = sizes[0]
    for size in sizes[1:]:  # not max(sizes, key=len), which torch 2.6 cannot compile
        found = size if len(size) > len(found) else found
    return found


def image_size(tensors: list[Tensor]) -> tuple[int, int]:
    """Height and width of the first images, (B, ..., H, W) or (B, ..., H, W, C)."""
    for tensor in tensors:
        if tensor.ndim >= 3:
            return _size_with_channels_last(tensor.shape) or last_sides([tensor])
    raise ValueError("there are no images (B, ..., H, W) to take regions from in this batch")


def last_sides(tensors: list[Tensor]) -> tuple[int, int]:
    """The last two sides of the first tensor (B, ..., H, W), whatever they hold."""
    for tensor in tensors:
        if tensor.ndim >= 3:
            return tensor.shape[-2], tensor.shape[-1]
    return image_size(tensors)


def last_sides_without_channels(tensors: list[Tensor]) -> tuple[int, int]:
    """As :func:`last_sides`; a ValueError if the last one clearly holds the channels of images."""
    size = last_sides(tensors)
    shape = next(tensor.shape for tensor in tensors if tensor.ndim >= 3)
    if shape[-1] > 2 and _size_with_channels_last(shape):
        raise ValueError(
            f"the last dimension of a tensor of shape {tuple(shape)} holds channels, which are not "
            f"cut: {_permuted(len(shape))} puts them first"
        )
    return size


def volume_sides(tensors: list[Tensor]) -> tuple[int, ...]:
    """Depth, height and width of the first volumes, (B, C, D, H, W), whose channels come first."""
    for tensor in tensors:
        shape = tuple(tensor.shape)
        if len(shape) < 3:
            continue
        if len(shape) < 5:
            raise ValueError(
                f"a tensor of shape {shape} has no depth beside its channels: give (B, C, D, H, W)"
                + (", as x.unsqueeze(1) does for (B, D, H, W)" if len(shape) == 4 else "")
            )
        if _may_have_channels_last(shape):
            is_clear = shape[1] > FEW
            holds = "holds" if is_clear else "may hold"
            side = "; if it is a side, x.transpose(2, -1) puts another last"
            otherwise = "" if is_clear else side
            raise ValueError(
                f"the last dimension of a tensor of shape {shape} {holds} channels, which are not "
                f"cut: {_permuted(len(shape))} puts them first{otherwise}"
            )
        return shape[-3:]
    raise ValueError("there are no volumes (B, C, D, H, W) to take regions from in this batch")


def sizes_of_masks(tensors: list[Tensor]) -> list[tuple[int, ...]]:
    """The sides that masks of the first images may have: (H, W), and of volumes also (D, H, W)."""
    sizes: list[tuple[int, ...]] = [image_size(tensors)]
    shape = next(tensor.shape for tensor in tensors if tensor.ndim >= 3)
    if len(shape) > 4:
        is_last = tuple(shape[-2:]) != sizes[0]
        sizes.append(tuple(shape[-4:-1] if is_last else shape[-3:]))
    return sizes


def check_sides(x: Tensor, size: tuple[int, ...]) -> None:
    """Raise a ValueError if regions that were drawn for this size cannot be cut from a tensor."""
    shape = tuple(x.shape)
    sides = "height and width" if len(size) == 2 else "depth, height and width"
    if len(shape) <= len(size):
        raise ValueError(
            f"a tensor of shape {shape} has no {sides} to cut regions from: give "
            f"(B, ..., {'H, W' if len(size) == 2 else 'D, H, W'}), or name the fields to mix"
        )
    if len(shape) == 4 and len(size) == 3 and not in_proportion(shape[1:], size):
        raise ValueError(
            f"a tensor of shape {shape} may be images or masks of volumes, beside volumes of "
            f"{' x '.join(map(str, size))}: give masks as (B, 1, D, H, W), or name the fields to "
            "mix"
        )


def in_proportion(sides: Sequence[int], size: Sequence[int]) -> bool:
    """Whether sides are those of a size, enlarged or reduced.

    >>> in_proportion((4, 8, 8), (8, 16, 16)), in_proportion((3, 8, 8), (8, 16, 16))
    (True, False)
    """
    first, *others = zip(sides, size, strict=True)
    return all(first[0] * size == side * first[1] for side, size in others)


def _size_with_channels_last(shape: Any) -> tuple[int, int] | None:
    """Height and width if the last dimension clearly holds the channels.

    A ValueError if it may do so, such as in (B, 64, 100, 1): a spectrogram, or 64 sensors.
    """
    if not _may_have_channels_last(shape):
        return None
    height, width, channels = shape[-3:]
    is_narrow = max(height, width) > 4 * min(height, width)  # for an image
    if shape[1] <= FEW or is_narrow or (channels < 3 and height != width):
        raise ValueError(
            f"a tensor of shape {tuple(shape)} may have its channels first or last: "
            f"{_permuted(len(shape))} puts the last dimension first; if it holds no channels, join "
            "it with another one (flatten, squeeze)"
        )
    return height, width


def _may_have_channels_last(shape: Any) -> bool:
    return len(shape) in (4, 5) and 1 <= shape[-1] <= FEW and min(shape[-3:-1]) >= SMALL


def _permuted(ndim: int) -> str:
    return f"x.permute(0, {ndim - 1}, {', '.join(map(str, range(1, ndim - 1)))})"


def has_channels_last(x: Tensor, size: tuple[int, ...]) -> bool:
    """Whether x is (B, ..., H, W, C), given the sides for which regions were drawn.

    Its own sides may be others, but in the same proportion.

    >>> has_channels_last(torch.rand(2, 16, 16, 3), (32, 32))
    True
    >>> has_channels_last(torch.rand(2, 64, 8, 4), (64, 32))
    False
    """
    shape = x.shape
    if not _may_have_channels_last(shape):
        return False
    count = len(size)
    if len(shape) < count + 2 or in_proportion(shape[-count:], size):
        return False
    return in_proportion(shape[-count - 1 : -1], size)


def kind_of(drawn_types: list[Any], tensors: list[Tensor]) -> str:
    """What regions are drawn for: "images", "planes" (B, 1, H, W) or "series" (B, C, T)."""
    for drawn in drawn_types:
        if drawn.size_of in (last_sides, last_sides_without_channels):  # spans of time
            return "series"
    if drawn_types[0].spatial:
        for tensor in tensors:
            if tensor.ndim == 3:
                return "series"
            if tensor.ndim > 3:
                return "planes" if tensor.ndim == 4 and tensor.shape[1] <= 2 else "images"
    return "images"


def is_mask(path: Any, leaf: Tensor) -> bool:
    """Whether a tensor holds masks, as its class or its name says."""
    name = _name(path)
    if leaf.is_floating_point():
        return name in PADDING or is_tv(leaf, "Mask")
    return is_tv(leaf, "Mask") or not {"mask", "masks"}.isdisjoint(name.split("_"))


def may_be_mask(leaf: Tensor, mixed: list[Tensor]) -> bool:
    """Whether uint8 values may be masks, labels or padding instead of images.

    They are images if nothing else is to be averaged, or if their shape shows it.

    Args:
        leaf: a tensor of any dtype.
        mixed: all tensors of the batch whose values are to be averaged.
    """
    if leaf.dtype != torch.uint8:
        return False
    others = [other for other in mixed if other is not leaf]
    if leaf.ndim < 4:
        return bool(others)
    channels = (leaf.shape[1], leaf.shape[-1], leaf.shape[2 if leaf.ndim > 4 else 1])
    if 3 in channels or 4 in channels:
        return False
    return any(other.ndim >= 3 for other in others)


def are_coordinates(path: Any, leaf: Tensor, batch: Any) -> bool:
    """Whether a tensor holds boxes or keypoints of the images in the batch."""
    if is_tv(leaf, "BoundingBoxes", "KeyPoints"):
        return True
    return (
        _names_coordinates(_name(path))
        and leaf.ndim > 1
        and 2 <= leaf.shape[-1] <= 4
        and any(other.ndim >= 4 for other in _others(leaf, batch))
    )


def _names_coordinates(name: str) -> bool:
    """Whether a name is one of boxes or keypoints, or has it as a part: ``gt_boxes``."""
    # By `in`, as torch 2.6 cannot compile methods of a global set.
    parts = name.split("_")
    is_about_them = any(part in ABOUT_THEM for part in parts)
    return name in COORDINATES or any(p in COORDINATES for p in parts if not is_about_them)


def _others(leaf: Tensor, batch: Any) -> list[Tensor]:
    """The other tensors of the batch, but those of single numbers."""
    found = [other for _, other in leaves(batch) if isinstance(other, Tensor)]
    return [other for other in found if other is not leaf and other.ndim]


def is_plain(x: Any) -> bool:
    """Whether this is a tensor that can be told by its dtype alone."""
    return isinstance(x, Tensor) and not is_tv(x, "Mask", "BoundingBoxes", "KeyPoints")


def is_tv(leaf: Tensor, *names: str) -> bool:
    """Whether this is one of torchvision's tv_tensors, which need not be installed."""
    cls = type(leaf)
    return (
        cls is not Tensor
        and cls.__name__ in names
        and cls.__module__.startswith("torchvision.tv_tensors")
    )


def _name(path: Any) -> str:
    """The last key or attribute on a path; a position has no name."""
    for key in reversed(path):
        name = getattr(key, "key", getattr(key, "name", None))
        if isinstance(name, str):
            return name.lower()
    return ""
