"""What the constructors of mixers cannot do without, by the names of their classes."""

from typing import Any

from torch import nn

from vicinal import CutMix, MixUp

NEEDED: dict[str, dict[str, Any]] = {
    "AttentiveMix": {"attention": nn.Identity()},
    "BetweenClass": {"rate": 8000},
    "CMixUp": {"bandwidth": 1.0},
    "FeatMix": {"importance": [1, 2]},
    "Remix": {"counts": [1, 2]},
    "Choice": {"mixers": [MixUp(), CutMix()]},
    "Schedule": {"mixer": MixUp(), "steps": 10},
    "ManifoldMixUp": {"model": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))},
}
