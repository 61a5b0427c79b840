"""One published method a file."""

from vicinal.mixing.methods.columnmix import ColumnMix
from vicinal.mixing.methods.cutmix import CutMix
from vicinal.mixing.methods.fmix import FMix
from vicinal.mixing.methods.gridmix import GridMix
from vicinal.mixing.methods.mixup import MixUp
from vicinal.mixing.methods.resizemix import ResizeMix
from vicinal.mixing.methods.smoothmix import SmoothMix

__all__ = ["ColumnMix", "CutMix", "FMix", "GridMix", "MixUp", "ResizeMix", "SmoothMix"]
