"""The heart: draw a mix, lay it, mix the target. Needs torch alone."""

from vicinal.mixing.batch import halves
from vicinal.mixing.choice import Choice
from vicinal.mixing.methods import CutMix, FMix, GridMix, MixUp, ResizeMix, SmoothMix
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.schedule import Schedule
from vicinal.mixing.target import MixedTarget

__all__ = [
    "Choice",
    "CutMix",
    "FMix",
    "GridMix",
    "Mix",
    "MixUp",
    "MixedTarget",
    "Mixer",
    "ResizeMix",
    "Schedule",
    "SmoothMix",
    "halves",
]
