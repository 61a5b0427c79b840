"""The usual augmentation, put together."""

import math

from vicinal.data.augment.color import ColorJitter, Lighting
from vicinal.data.augment.erasing import RandomErasing
from vicinal.data.augment.geometry import RandomView
from vicinal.data.augment.transform import BatchTransform, check
from vicinal.data.sizes import Size


def aug_transforms(
    mult: float = 1,
    *,
    size: Size | None = None,
    min_scale: float = 1.0,
    do_flip: bool = True,
    flip_vert: bool = False,
    max_rotate: float = 10.0,
    max_zoom: float = 1.1,
    max_warp: float = 0.2,
    max_lighting: float = 0.2,
    max_saturation: float = 0.0,
    max_hue: float = 0.0,
    p_affine: float = 0.75,
    p_lighting: float = 0.75,
    p_erase: float = 0.0,
) -> list[BatchTransform]:
    """The usual augmentation of photos, with fastai's names and defaults.

    Args:
        mult: multiplies ``max_rotate``, ``max_warp`` and ``max_lighting``.
        size: side of the images that the network sees, or (height, width); None keeps that of the
            items.
        min_scale: smallest fraction of an image's area that a crop covers.
        do_flip, flip_vert: mirror left to right, upside down.
        max_rotate: degrees; ``max_zoom``: factor; ``max_warp``, ``max_lighting``: strength.
        max_saturation: strength; ``max_hue``: turns, 0.5 for all hues. With either of them
            :class:`ColorJitter` changes light and colour, and :class:`Lighting` is not used.
        p_affine, p_lighting: the fraction of samples that these change.
        p_erase: the fraction of which a rectangle is erased, by :class:`RandomErasing`.

    Raises:
        VicinalError: a value lies outside its range.

    >>> [type(t).__name__ for t in aug_transforms(size=224, min_scale=0.9)]
    ['RandomView', 'Lighting']
    >>> [type(t).__name__ for t in aug_transforms(max_hue=0.1, p_erase=0.25)]
    ['RandomView', 'ColorJitter', 'RandomErasing']
    """
    check(0 <= mult < math.inf, "mult must be 0 or more, and finite", mult)
    view = RandomView(
        size,
        min_scale=min_scale,
        flip=do_flip,
        flip_vert=flip_vert,
        max_rotate=max_rotate * mult,
        max_zoom=max_zoom,
        max_warp=max_warp * mult,
        p=p_affine,
    )
    light: BatchTransform = Lighting(max_lighting * mult, p=p_lighting)
    if max_saturation or max_hue:
        strength = max_lighting * mult
        light = ColorJitter(strength, strength, max_saturation, max_hue, p=p_lighting)
    erasing = RandomErasing(p_erase)
    return [view, light, erasing] if erasing.p else [view, light]
