"""How much of the label noise a network has learned by heart, in the course of its training."""

from torch import Tensor

from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.study.curve_points import SAMPLES, points
from vicinal.study.scores import memorised

MEMORISED = "memorised"  # the measure, and the column of a history


class Memorising(Callback):
    """Records how much of the label noise is memorised, after the epochs of a learning curve.

    In these epochs, the row of the history has the share of noisy training samples for which the
    network predicts the injected label, of about 1,000 of them where there are many more. Training
    is the same, as no random numbers are drawn.

    Args:
        noisy: (M,) int64, the indices of the training samples with injected label noise.
    """

    order = 86  # of a row that is written, and not saved yet

    def __init__(self, noisy: Tensor) -> None:
        self.noisy = noisy[:: max(1, len(noisy) // SAMPLES)]

    def after_epoch(self, learn: Learner) -> None:
        if learn.epoch in points(learn.epochs):
            learn.history[-1][MEMORISED] = memorised(learn, self.noisy).mean().item()
