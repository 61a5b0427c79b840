"""timm's losses."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "timm"


def names() -> dict[str, Any]:
    import timm.loss

    return names_with(timm.loss)


def public() -> set[str]:
    import timm.loss

    return public_of(timm.loss)


LOSSES = [
    Loss("LabelSmoothingCrossEntropy()", "classes"),
    Loss("SoftTargetCrossEntropy()", "one-hot"),
    Loss("PolyCrossEntropy()", "classes"),
    Loss("PolyCrossEntropy(smoothing=0.1)", "classes"),
    Loss("BinaryCrossEntropy()", "classes"),
    Loss("BinaryCrossEntropy(target_threshold=0.2)", "classes"),
    Loss("BinaryCrossEntropy(sum_classes=True)", "labels"),
    Loss("PolyBinaryCrossEntropy()", "labels"),
    Loss("AsymmetricLossMultiLabel()", "labels"),
    Loss("AsymmetricLossMultiLabel(reduction='mean', weight=w)", "labels"),
    Loss("AsymmetricLossSingleLabel()", "classes"),
    Loss("DistributionBalancedLoss([9, 4, 5, 7], 20)", "labels"),
    Loss("TwoWayLoss()", "labels"),
    Loss("ZlprLoss()", "labels"),
    Loss("create_classification_loss(smoothing=0.1)", "classes"),
    Loss("create_classification_loss(multi_label=True)", "labels"),
]
NOT_APPLICABLE = {
    "JsdCrossEntropy": "of several augmented views of each sample, stacked in the batch",
    **dict.fromkeys(
        (
            "compute_class_weights",
            "load_class_stats",
            "load_class_weights",
            "resolve_class_weights",
        ),
        "no loss",
    ),
}
