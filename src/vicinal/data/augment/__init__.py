"""Random changes of images, drawn for each sample and made on the device for the whole batch.

A transform has two faces: ``train`` is random, ``valid`` brings images of the validation part to
the same shape and changes nothing else.
"""

from vicinal.data.augment.color import IMAGENET_STATS, ColorJitter, Lighting, Normalize
from vicinal.data.augment.erasing import RandomErasing
from vicinal.data.augment.geometry import AlternatingFlip, RandomView, Translate, resize
from vicinal.data.augment.presets import aug_transforms
from vicinal.data.augment.transform import BatchTransform, to_unit_floats

__all__ = [
    "IMAGENET_STATS",
    "AlternatingFlip",
    "BatchTransform",
    "ColorJitter",
    "Lighting",
    "Normalize",
    "RandomErasing",
    "RandomView",
    "Translate",
    "aug_transforms",
    "resize",
    "to_unit_floats",
]
