"""MONAI's losses."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "monai"


def names() -> dict[str, Any]:
    import monai.losses

    return names_with(monai.losses)


def public() -> set[str]:
    import monai.losses

    return public_of(monai.losses)


LOSSES = [
    Loss("DiceLoss(to_onehot_y=True, softmax=True)", "masks with a channel"),
    Loss("DiceLoss(sigmoid=True)", "binary masks"),
    Loss("DiceLoss(softmax=True, squared_pred=True)", "one-hot masks"),
    Loss(
        "DiceLoss(to_onehot_y=True, softmax=True, batch=True)",
        "masks with a channel",
        "of the whole batch",
    ),
    Loss("MaskedDiceLoss(sigmoid=True)", "binary masks"),
    Loss("DiceCELoss(to_onehot_y=True, softmax=True)", "masks with a channel", skips_pixels=True),
    Loss(
        "DiceCELoss(to_onehot_y=True, softmax=True, weight=w)",
        "masks with a channel",
        skips_pixels=True,
    ),
    Loss(
        "DiceFocalLoss(to_onehot_y=True, softmax=True)", "masks with a channel", skips_pixels=True
    ),
    Loss("GeneralizedDiceLoss(to_onehot_y=True, softmax=True)", "masks with a channel"),
    Loss(
        "GeneralizedDiceFocalLoss(to_onehot_y=True, softmax=True)",
        "masks with a channel",
        skips_pixels=True,
    ),
    Loss("GeneralizedWassersteinDiceLoss(1.0 - torch.eye(4).numpy())", "masks with a channel"),
    Loss("FocalLoss(to_onehot_y=True)", "masks with a channel"),
    Loss("FocalLoss(to_onehot_y=True, use_softmax=True, weight=w)", "masks with a channel"),
    Loss("TverskyLoss(to_onehot_y=True, softmax=True)", "masks with a channel"),
    Loss("AsymmetricUnifiedFocalLoss(to_onehot_y=True)", "two-class masks with a channel"),
    Loss("MCCLoss(to_onehot_y=True, softmax=True)", "masks with a channel"),
    Loss(
        "MCCLoss(to_onehot_y=True, softmax=True, batch=True)",
        "masks with a channel",
        "of the whole batch",
    ),
    Loss(
        "BoundaryLoss(to_onehot_y=True, softmax=True)",
        "masks with a channel",
        "of distances to the masks' edges",
    ),
    Loss(
        "HausdorffDTLoss(to_onehot_y=True, softmax=True)",
        "masks with a channel",
        "of distances to the masks' edges",
    ),
    Loss(
        "LogHausdorffDTLoss(to_onehot_y=True, softmax=True)",
        "masks with a channel",
        "the logarithm of the batch's mean distance",
    ),
    Loss("SoftclDiceLoss(to_onehot_y=True, softmax=True)", "masks with a channel"),
    Loss("SoftDiceclDiceLoss(to_onehot_y=True, softmax=True)", "masks with a channel"),
    Loss("NACLLoss(classes=4, dim=2)", "masks", "counts the labels of neighbouring pixels"),
    Loss("AUCMLoss()", "probability of yes, a column"),
    Loss("MaskedLoss(DiceLoss(sigmoid=True))", "binary masks"),
    Loss(
        "DeepSupervisionLoss(DiceCELoss(to_onehot_y=True, softmax=True))",
        "masks with a channel",
        skips_pixels=True,
    ),
]
_IMAGES = "of images, not of labels"
NOT_APPLICABLE = {
    "BoxGIoULoss": "of pairs of boxes",
    "BarlowTwinsLoss": "of two views of each sample",
    "ContrastiveLoss": "of two views of each sample",
    "PatchAdversarialLoss": "reads no targets",
    **dict.fromkeys(
        ("BendingEnergyLoss", "DiffusionLoss", "GlobalMutualInformationLoss", "JukeboxLoss",
         "LocalNormalizedCrossCorrelationLoss", "MultiScaleLoss", "PerceptualLoss", "SSIMLoss",
         "SURELoss"),
        _IMAGES,
    ),
}  # fmt: skip
