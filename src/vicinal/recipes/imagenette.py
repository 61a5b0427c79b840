"""Imagenette, Imagewoof and the like from random weights, as on their leaderboard.

The leaderboard (github.com/fastai/imagenette) is of xresnet50 at 128 pixels, of crops of 35 % of
the area and more, and flips. Its best short trainings take a constant learning rate that anneals by
a cosine over the last quarter (``fit_flat_cos``), and label smoothing of 0.1. Mixing goes
by its length, as without a recipe: none in 20 epochs, mixup in 80.
"""

from torch import nn

from vicinal.data.augment import BatchTransform, RandomView
from vicinal.data.sizes import Size
from vicinal.learner.learner import Learner
from vicinal.recipes.recipe import Recipe


def changes(size: Size) -> tuple[list[BatchTransform], str]:
    view = RandomView(size, min_scale=0.35, max_rotate=0, max_zoom=1, max_warp=0)
    return [view], "crops of 35% of the area and more, flips"


RECIPE = Recipe(
    defaults={
        "model": "xresnet50",
        "epochs": 20,
        "batch_size": 64,
        "lr": 4e-3,
        "size": 128,
    },
    changes=changes,
    fit=Learner.fit_flat_cos,
    learner={"loss_func": nn.CrossEntropyLoss(label_smoothing=0.1)},
    item_scale=1.15,
)
