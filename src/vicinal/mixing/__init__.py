"""The heart: draw a mix, apply it, mix the target. Needs torch alone."""

from vicinal.mixing.batch import halves
from vicinal.mixing.blend import Blend
from vicinal.mixing.choice import Choice
from vicinal.mixing.columns import Columns
from vicinal.mixing.completion import Batch
from vicinal.mixing.hidden import ManifoldMixUp
from vicinal.mixing.method import Method
from vicinal.mixing.methods import (
    ColumnMix,
    CutMix,
    FMix,
    GridMix,
    MixUp,
    ResizeMix,
    SmoothMix,
)
from vicinal.mixing.methods.balancedmixup import BalancedMixUp
from vicinal.mixing.methods.classmix import ClassMix
from vicinal.mixing.methods.cmixup import CMixUp
from vicinal.mixing.methods.remix import Remix
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.paste import Boxes, Masks, ResizedBoxes, SoftMasks
from vicinal.mixing.pattern import Drawn, Pattern
from vicinal.mixing.schedule import Schedule
from vicinal.mixing.target import MixedTarget

__all__ = [
    "BalancedMixUp",
    "Batch",
    "Blend",
    "Boxes",
    "CMixUp",
    "Choice",
    "ClassMix",
    "ColumnMix",
    "Columns",
    "CutMix",
    "Drawn",
    "FMix",
    "GridMix",
    "ManifoldMixUp",
    "Masks",
    "Method",
    "Mix",
    "MixUp",
    "MixedTarget",
    "Mixer",
    "Pattern",
    "Remix",
    "ResizeMix",
    "ResizedBoxes",
    "Schedule",
    "SmoothMix",
    "SoftMasks",
    "halves",
]
