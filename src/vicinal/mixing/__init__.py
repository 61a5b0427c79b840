"""The heart: draw a mix, lay it, mix the target. Needs torch alone."""

from vicinal.mixing.batch import halves
from vicinal.mixing.choice import Choice
from vicinal.mixing.hidden import ManifoldMixUp
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
from vicinal.mixing.schedule import Schedule
from vicinal.mixing.target import MixedTarget

__all__ = [
    "BalancedMixUp",
    "CMixUp",
    "Choice",
    "ClassMix",
    "ColumnMix",
    "CutMix",
    "FMix",
    "GridMix",
    "ManifoldMixUp",
    "Mix",
    "MixUp",
    "MixedTarget",
    "Mixer",
    "Remix",
    "ResizeMix",
    "Schedule",
    "SmoothMix",
    "halves",
]
