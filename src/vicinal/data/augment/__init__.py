"""Data augmentation of images: random for each sample, computed on the device for whole batches.

A transform has two methods: ``train`` is random; ``valid`` gives validation images the same shape
and changes nothing else.
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
