"""The heart: draw a mix, lay it, mix the target. Needs torch alone."""

from vicinal.mixing.methods import MixUp
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.target import MixedTarget

__all__ = ["Mix", "MixUp", "MixedTarget", "Mixer"]
