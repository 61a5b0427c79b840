"""Mixing: draw a mix, complete it, apply it to samples, and mix the targets. Needs torch alone.

- :class:`Mixer` and :class:`Method` draw; ``methods/`` holds the published ones, one a file.
- :class:`Choice`, :class:`Schedule` and :class:`ManifoldMixUp` wrap other mixers.
- :class:`Drawn` and :class:`Pattern` are what is drawn: blends, boxes, masks, columns.
- :class:`Mix` is one draw for one batch, with the weights that the papers call λ (``lam``).
- :class:`MixedTarget` is the pair of targets that losses and metrics read.
- :func:`check_mixer` tests a mixer of your own.
"""

from vicinal.mixing.across import AcrossProcesses
from vicinal.mixing.batch import halves
from vicinal.mixing.blend import Blend
from vicinal.mixing.checks import check_mixer
from vicinal.mixing.choice import Choice
from vicinal.mixing.columns import Columns
from vicinal.mixing.completion import Batch
from vicinal.mixing.hidden import ManifoldMixUp
from vicinal.mixing.looking import LooksWithModel, look
from vicinal.mixing.method import Method
from vicinal.mixing.methods import (
    AlignMix,
    AttentiveMix,
    BalancedMixUp,
    BetweenClass,
    ClassMix,
    CMixUp,
    ColumnMix,
    CutMix,
    FeatMix,
    FMix,
    FreqMix,
    GridMix,
    GuidedMixUp,
    HidMix,
    KernelMixUp,
    KMixUp,
    MixUp,
    MultiMix,
    PuzzleMix,
    Remix,
    ResizeMix,
    SaliencyMix,
    SmoothMix,
    SnapMix,
    TransMix,
    ZetaMixUp,
)
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.partners_by import Far, Near
from vicinal.mixing.paste import Boxes, Cuboids, Masks, ResizedBoxes, SoftMasks
from vicinal.mixing.pattern import Drawn, Pattern
from vicinal.mixing.saliency import spectral_residual
from vicinal.mixing.schedule import Schedule
from vicinal.mixing.target import MixedTarget

Mixup = MixUp  # as the book on fastai writes it, too

__all__ = [
    "AcrossProcesses",
    "AlignMix",
    "AttentiveMix",
    "BalancedMixUp",
    "Batch",
    "BetweenClass",
    "Blend",
    "Boxes",
    "CMixUp",
    "Choice",
    "ClassMix",
    "ColumnMix",
    "Columns",
    "Cuboids",
    "CutMix",
    "Drawn",
    "FMix",
    "Far",
    "FeatMix",
    "FreqMix",
    "GridMix",
    "GuidedMixUp",
    "HidMix",
    "KMixUp",
    "KernelMixUp",
    "LooksWithModel",
    "ManifoldMixUp",
    "Masks",
    "Method",
    "Mix",
    "MixUp",
    "MixedTarget",
    "Mixer",
    "Mixup",
    "MultiMix",
    "Near",
    "Pattern",
    "PuzzleMix",
    "Remix",
    "ResizeMix",
    "ResizedBoxes",
    "SaliencyMix",
    "Schedule",
    "SmoothMix",
    "SnapMix",
    "SoftMasks",
    "TransMix",
    "ZetaMixUp",
    "check_mixer",
    "halves",
    "look",
    "spectral_residual",
]
