"""torchvision's losses."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "torchvision"


def names() -> dict[str, Any]:
    import torchvision.ops

    return names_with(torchvision.ops)


def public() -> set[str]:
    import torchvision.ops

    return {name for name in public_of(torchvision.ops) if "loss" in name.lower()}


LOSSES = [
    Loss("sigmoid_focal_loss", "labels", settings="reduction='mean'"),
    Loss("sigmoid_focal_loss", "one-hot masks", settings="reduction='mean'"),
]
NOT_APPLICABLE = dict.fromkeys(
    ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"),
    "of pairs of boxes: `DetectionMixUp` gives the boxes of both images",
)
