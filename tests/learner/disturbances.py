"""Callbacks that disturb a training."""

from vicinal.learner.events import Callback


class At(Callback):
    """Raises at an event, the n-th time."""

    def __init__(self, event, error, time=1, order=0):
        self.left, self.error, self.order = time, error, order
        setattr(self, event, self.hear)

    def hear(self, learn):
        self.left -= 1
        if self.left == 0:
            raise self.error
