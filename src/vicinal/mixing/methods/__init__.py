"""The methods of mixing, one published method a file.

All derive from :class:`~vicinal.mixing.method.Method`. Each docstring says what the method does to
samples and targets, its arguments and errors, and its source, with any deviation from it.
"""

from vicinal.mixing.methods.alignmix import AlignMix
from vicinal.mixing.methods.attentivemix import AttentiveMix
from vicinal.mixing.methods.balancedmixup import BalancedMixUp
from vicinal.mixing.methods.betweenclass import BetweenClass
from vicinal.mixing.methods.classmix import ClassMix
from vicinal.mixing.methods.cmixup import CMixUp
from vicinal.mixing.methods.columnmix import ColumnMix
from vicinal.mixing.methods.cutmix import CutMix
from vicinal.mixing.methods.featmix import FeatMix
from vicinal.mixing.methods.fmix import FMix
from vicinal.mixing.methods.freqmix import FreqMix
from vicinal.mixing.methods.gridmix import GridMix
from vicinal.mixing.methods.guidedmixup import GuidedMixUp
from vicinal.mixing.methods.hidmix import HidMix
from vicinal.mixing.methods.kernelmixup import KernelMixUp
from vicinal.mixing.methods.kmixup import KMixUp
from vicinal.mixing.methods.mixup import MixUp
from vicinal.mixing.methods.multimix import MultiMix
from vicinal.mixing.methods.puzzlemix import PuzzleMix
from vicinal.mixing.methods.remix import Remix
from vicinal.mixing.methods.resizemix import ResizeMix
from vicinal.mixing.methods.saliencymix import SaliencyMix
from vicinal.mixing.methods.smoothmix import SmoothMix
from vicinal.mixing.methods.snapmix import SnapMix
from vicinal.mixing.methods.transmix import TransMix
from vicinal.mixing.methods.zetamixup import ZetaMixUp

__all__ = [
    "AlignMix",
    "AttentiveMix",
    "BalancedMixUp",
    "BetweenClass",
    "CMixUp",
    "ClassMix",
    "ColumnMix",
    "CutMix",
    "FMix",
    "FeatMix",
    "FreqMix",
    "GridMix",
    "GuidedMixUp",
    "HidMix",
    "KMixUp",
    "KernelMixUp",
    "MixUp",
    "MultiMix",
    "PuzzleMix",
    "Remix",
    "ResizeMix",
    "SaliencyMix",
    "SmoothMix",
    "SnapMix",
    "TransMix",
    "ZetaMixUp",
]
