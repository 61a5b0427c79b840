"""The losses of masks: cross-entropy of each pixel, the overlap of whole masks, or both."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.data.stored_masks import VOID
from vicinal.dice_loss import DiceLoss
from vicinal.errors import VicinalError
from vicinal.known_losses import averages_plainly
from vicinal.mixes import MixSpec

BLENDED_BY_PIXEL = ("smoothmix",)  # whose masks have a weight for each pixel


class OverlapLoss(nn.Module):
    """The Dice loss of each mask, on average over the classes that it holds.

    A class that a mask lacks has a Dice coefficient of 0 whatever is predicted, so it is left out,
    as segmentation_models_pytorch leaves out those that a batch lacks. Here each image has a loss
    of its own: so the loss of a mixed mask is the weighted sum of those of both masks.

    Args:
        cross_entropy: add the mean cross-entropy of the pixels of each image.

    Pixels of class 255 count nowhere; an image without others has a loss of 0.
    """

    def __init__(self, *, cross_entropy: bool = False) -> None:
        super().__init__()
        self.cross_entropy = cross_entropy
        self.reduction = "mean"
        self._dice = DiceLoss(reduction="none", ignore_index=VOID)

    @averages_plainly
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (B, C, H, W) and class indices (B, H, W), the mean over images."""
        dice = self._dice(output, target)
        known = (target != VOID).flatten(1)
        classes = output.shape[1]
        index = target.flatten(1).where(known, classes).long()
        held = dice.new_zeros(len(dice), classes + 1).scatter_(1, index, 1)[:, :classes]
        losses = (dice * held).sum(1) / held.sum(1).clamp(min=1)
        if self.cross_entropy:
            each = F.cross_entropy(output, target, ignore_index=VOID, reduction="none").flatten(1)
            losses = losses + each.sum(1) / known.sum(1).clamp(min=1)
        return losses if self.reduction == "none" else losses.mean()


LOSSES: dict[str, Callable[[], Callable[..., Tensor]] | None] = {
    "ce": None,  # what loaders of masks give a Learner
    "dice": OverlapLoss,
    "ce+dice": partial(OverlapLoss, cross_entropy=True),
}


def checked_loss(name: str | None) -> str:
    """The name of the loss that ``--loss`` chooses.

    Raises:
        VicinalError: there is no such loss.
    """
    chosen = "+".join(sorted((name or "ce").split("+")))
    if chosen not in LOSSES:
        raise VicinalError(f"--loss must be {', '.join(LOSSES)} for masks, not {name}")
    return chosen


def criterion(loss: str | None) -> Callable[..., Tensor] | None:
    """The loss function of this name; None for what a Learner takes by itself."""
    make = LOSSES[loss or "ce"]
    return None if make is None else make()


def check_mix(loss: str | None, spec: MixSpec) -> None:
    """Refuse mixes whose masks have a weight for each pixel with a loss of whole masks."""
    found = next((part for part in spec.parts if part.method.name in BLENDED_BY_PIXEL), None)
    if loss not in (None, "ce") and found is not None:
        raise VicinalError(
            f"--loss {loss} compares whole masks, and --mix {found.text} gives each pixel a weight "
            "of its own: use --loss ce, or another mix"
        )
