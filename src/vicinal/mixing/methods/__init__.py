"""One published method a file."""

from vicinal.mixing.methods.cutmix import CutMix
from vicinal.mixing.methods.mixup import MixUp

__all__ = ["CutMix", "MixUp"]
