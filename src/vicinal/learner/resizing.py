"""Progressive resizing: small images first, which cost less."""

from math import fsum
from typing import TYPE_CHECKING

import torch.nn.functional as F

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class ProgressiveResizing(Callback):
    """Train on smaller images first, and on larger and larger ones towards the end.

    Batches are shrunk on the device after all changes of samples and before they are mixed. What is
    validated is not shrunk. The network has to take images of any size.

    Args:
        sizes: shorter sides in pixels, one for each part of the training: (share of the epochs,
            side), in their order; where the shares end, images keep their size.

    Raises:
        VicinalError: a share or a side is out of its range, or the shares exceed 1.

    Source: J. Howard, Training Imagenet in 3 hours for $25 (2018); fastai's progressive resizing.

    >>> ProgressiveResizing([(0.5, 24)]).side(epoch=3, epochs=8)
    24
    """

    order = 45  # before the batch is mixed, which then costs less, too

    def __init__(self, sizes: list[tuple[float, int]]) -> None:
        if not all(0 < share <= 1 for share, _ in sizes) or fsum(s for s, _ in sizes) > 1:
            raise VicinalError(
                f"the shares of the training must lie in (0, 1] and add up to 1 at most, not "
                f"{[share for share, _ in sizes]}"
            )
        if not all(side >= 1 for _, side in sizes):
            raise VicinalError(
                f"images of {[side for _, side in sizes]} pixels cannot be: give 1 or more"
            )
        self.sizes = sizes

    def side(self, epoch: int, epochs: int) -> int | None:
        """The side in an epoch, counted from 0; None for that of the images themselves."""
        end = 0.0
        for share, side in self.sizes:
            end += share
            if epoch < round(end * epochs):
                return side
        return None

    def before_batch(self, learn: "Learner") -> None:
        side = self.side(learn.epoch, learn.epochs)
        if not learn.training or side is None or side >= min(learn.x.shape[-2:]):
            return
        scale = side / min(learn.x.shape[-2:])
        size = [round(scale * length) for length in learn.x.shape[-2:]]
        learn.x = F.interpolate(learn.x, size, mode="bilinear", antialias=True, align_corners=False)
