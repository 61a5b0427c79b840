"""Data augmentation of images: random for each sample, computed on the device for whole batches.

A transform has two methods: ``train`` is random; ``valid`` gives validation images the same shape
and changes nothing else.
"""

from vicinal.data.augment.color import (
    CIFAR_STATS,
    IMAGENET_STATS,
    MNIST_STATS,
    ColorJitter,
    Lighting,
    Normalize,
)
from vicinal.data.augment.erasing import RandomErasing
from vicinal.data.augment.geometry import AlternatingFlip, RandomView, Translate, resize
from vicinal.data.augment.presets import aug_transforms
from vicinal.data.augment.transform import BatchTransform, to_unit_floats

# By fastai's names.
imagenet_stats, cifar_stats, mnist_stats = IMAGENET_STATS, CIFAR_STATS, MNIST_STATS

__all__ = [
    "CIFAR_STATS",
    "IMAGENET_STATS",
    "MNIST_STATS",
    "AlternatingFlip",
    "BatchTransform",
    "ColorJitter",
    "Lighting",
    "Normalize",
    "RandomErasing",
    "RandomView",
    "Translate",
    "aug_transforms",
    "cifar_stats",
    "imagenet_stats",
    "mnist_stats",
    "resize",
    "to_unit_floats",
]
