"""The losses of segmentation_models_pytorch."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "segmentation_models_pytorch"


def names() -> dict[str, Any]:
    import segmentation_models_pytorch.losses as losses

    return names_with(losses)


def public() -> set[str]:
    import segmentation_models_pytorch.losses as losses

    return public_of(losses)


LOSSES = [
    Loss("SoftCrossEntropyLoss(smooth_factor=0.0)", "masks"),
    Loss("SoftCrossEntropyLoss(smooth_factor=0.1)", "masks"),
    Loss("SoftCrossEntropyLoss(smooth_factor=0.1, ignore_index=2)", "masks"),
    Loss("SoftBCEWithLogitsLoss()", "binary masks"),
    Loss("SoftBCEWithLogitsLoss(smooth_factor=0.1)", "binary masks"),
    Loss("SoftBCEWithLogitsLoss(ignore_index=1)", "binary masks"),
    Loss("FocalLoss('binary')", "binary masks"),
    Loss("FocalLoss('multilabel')", "one-hot masks"),
    Loss("FocalLoss('multiclass')", "masks"),
    Loss("FocalLoss('binary', normalized=True)", "binary masks", "of the whole batch"),
    Loss("FocalLoss('multiclass', ignore_index=2)", "masks"),
    Loss("DiceLoss('binary')", "binary masks", "of the whole batch"),
    Loss("DiceLoss('multiclass')", "masks", "of the whole batch"),
    Loss("DiceLoss('multilabel')", "one-hot masks", "of the whole batch"),
    Loss("DiceLoss('multiclass', ignore_index=2)", "masks", "of the whole batch"),
    Loss("JaccardLoss('binary')", "binary masks", "of the whole batch"),
    Loss("JaccardLoss('multiclass')", "masks", "of the whole batch"),
    Loss("TverskyLoss('binary')", "binary masks", "of the whole batch"),
    Loss("TverskyLoss('multiclass')", "masks", "of the whole batch"),
    Loss("MCCLoss()", "probabilities of binary masks", "of the whole batch"),
    Loss(
        "LovaszLoss('binary')",
        "binary masks",
        "sorts the pixels of the batch or of an image",
        float32=True,
    ),
    Loss(
        "LovaszLoss('multiclass')",
        "masks",
        "sorts the pixels of the batch or of an image",
        float32=True,
    ),
]
NOT_APPLICABLE: dict[str, str] = {}
