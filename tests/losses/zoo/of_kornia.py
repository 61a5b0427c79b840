"""kornia's losses."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "kornia"


def names() -> dict[str, Any]:
    import kornia.losses

    return names_with(kornia.losses)


def public() -> set[str]:
    import kornia.losses

    return public_of(kornia.losses)


LOSSES = [
    Loss("FocalLoss(alpha=0.5, reduction='mean')", "masks"),
    Loss("FocalLoss(alpha=0.5, reduction='mean', weight=w)", "classes"),
    Loss("FocalLoss(alpha=0.5, reduction='mean', ignore_index=2)", "masks"),
    Loss("focal_loss", "classes", settings="alpha=0.5, reduction='mean'"),
    Loss("BinaryFocalLossWithLogits(alpha=0.25, reduction='mean')", "binary masks"),
    Loss("binary_focal_loss_with_logits", "labels", settings="reduction='mean'"),
    Loss("DiceLoss()", "masks"),
    Loss("DiceLoss(average='macro')", "masks"),
    Loss("dice_loss", "masks"),
    Loss("TverskyLoss(0.5, 0.5)", "masks"),
    Loss("tversky_loss", "masks", settings="alpha=0.5, beta=0.5"),
    Loss("LovaszSoftmaxLoss()", "masks", "sorts the pixels of the batch or of an image"),
    Loss("lovasz_softmax_loss", "masks", "sorts the pixels of the batch or of an image"),
    Loss("LovaszHingeLoss()", "masks of yes or no", "sorts the pixels of the batch or of an image"),
    Loss("lovasz_hinge_loss", "masks of yes or no", "sorts the pixels of the batch or of an image"),
    Loss("HausdorffERLoss()", "masks with a channel", "erodes the masks"),
    Loss("CauchyLoss(reduction='mean')", "values"),
    Loss("CharbonnierLoss(reduction='mean')", "values"),
    Loss("GemanMcclureLoss(reduction='mean')", "values"),
    Loss("WelschLoss(reduction='mean')", "values"),
    Loss("cauchy_loss", "values", settings="reduction='mean'"),
    Loss("charbonnier_loss", "values", settings="reduction='mean'"),
    Loss("geman_mcclure_loss", "values", settings="reduction='mean'"),
    Loss("welsch_loss", "values", settings="reduction='mean'"),
    Loss("kl_div_loss_2d", "probabilities of one-hot masks"),
    Loss("js_div_loss_2d", "probabilities of one-hot masks"),
]
_IMAGES = "of images, not of labels"
NOT_APPLICABLE = {
    "HausdorffERLoss3D": "`HausdorffERLoss` of volumes",
    "MIKernel": "no loss",
    "one_hot": "no loss",
    **dict.fromkeys(
        ("InverseDepthSmoothnessLoss", "inverse_depth_smoothness_loss", "MILossFromRef",
         "MILossFromRef2D", "MILossFromRef3D", "NMILossFromRef", "NMILossFromRef2D",
         "NMILossFromRef3D", "mutual_information_loss", "mutual_information_loss_2d",
         "mutual_information_loss_3d", "normalized_mutual_information_loss",
         "normalized_mutual_information_loss_2d", "normalized_mutual_information_loss_3d",
         "MS_SSIMLoss", "PSNRLoss", "psnr_loss", "SSIM3DLoss", "ssim3d_loss", "SSIMLoss",
         "ssim_loss", "TotalVariation", "total_variation"),
        _IMAGES,
    ),
}  # fmt: skip
