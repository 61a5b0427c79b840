"""Progressive resizing: small images first, which are cheaper."""

from math import fsum
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from vicinal.data.split_loader import name_of
from vicinal.errors import VicinalError
from vicinal.learner.events import Callback

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class ProgressiveResizing(Callback):
    """Train on small images first, and on larger ones towards the end.

    Batches are resized on the device, after data augmentation and before they are mixed. Validation
    images are not resized. The network must accept images of any size.

    Args:
        sizes: phases of the training in order, each (fraction of the epochs, shorter side in
            pixels); after the last phase, images are not resized.

    Raises:
        VicinalError: a fraction or a side is out of its range, or the fractions exceed 1.

    Source: J. Howard, Training Imagenet in 3 hours for $25 (2018); fastai's progressive resizing.

    >>> ProgressiveResizing([(0.5, 24)]).side(epoch=3, epochs=8)
    24
    """

    order = 45  # before the batch is mixed, which is then cheaper too

    def __init__(self, sizes: list[tuple[float, int]]) -> None:
        fractions = [fraction for fraction, _ in sizes]
        if not all(0 < fraction <= 1 for fraction in fractions) or fsum(fractions) > 1:
            raise VicinalError(
                f"the fractions of the training must be in (0, 1] and sum to 1 at most, not "
                f"{fractions}"
            )
        if not all(side >= 1 for _, side in sizes):
            raise VicinalError(
                f"the sides must be 1 pixel or more, not {[side for _, side in sizes]}"
            )
        self.sizes = sizes

    def side(self, epoch: int, epochs: int) -> int | None:
        """The shorter side in an epoch, counted from 0; None if images are not resized."""
        end = 0.0
        for fraction, side in self.sizes:
            end += fraction
            if epoch < round(end * epochs):
                return side
        return None

    def before_batch(self, learn: "Learner") -> None:
        side = self.side(learn.epoch, learn.epochs)
        if not learn.training or side is None:
            return
        if not isinstance(learn.x, Tensor):
            raise VicinalError(
                "ProgressiveResizing takes batches of images, one tensor each, and these are a "
                f"{name_of(learn.x)}: leave it out"
            )
        if side >= min(learn.x.shape[-2:]):
            return
        scale = side / min(learn.x.shape[-2:])
        size = [round(scale * length) for length in learn.x.shape[-2:]]
        learn.x = F.interpolate(learn.x, size, mode="bilinear", antialias=True, align_corners=False)
