"""The losses of pytorch-metric-learning."""

from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "pytorch_metric_learning"


def names() -> dict[str, Any]:
    from pytorch_metric_learning import losses

    return names_with(losses)


def public() -> set[str]:
    from pytorch_metric_learning import losses

    return public_of(losses)


# Each sample is compared with the weights of its class, or with proxies.
_OF_CLASSES = """
    ArcFaceLoss(4, 4)
    SubCenterArcFaceLoss(num_classes=4, embedding_size=4)
    CosFaceLoss(4, 4)
    SphereFaceLoss(4, 4)
    LargeMarginSoftmaxLoss(4, 4)
    NormalizedSoftmaxLoss(4, 4)
    P2SGradLoss(4, 4)
    ProxyNCALoss(4, 4)
    SoftTripleLoss(4, 4)
    MultipleLosses([ArcFaceLoss(4, 4)])
"""
_OF_PAIRS = """
    AngularLoss()
    CircleLoss()
    ContrastiveLoss()
    CrossBatchMemory(ContrastiveLoss(), 4, 16)
    DynamicSoftMarginLoss()
    FastAPLoss()
    GeneralizedLiftedStructureLoss()
    HistogramLoss(n_bins=4)
    IntraPairVarianceLoss()
    LiftedStructureLoss()
    MarginLoss()
    MultiSimilarityLoss()
    NCALoss()
    NPairsLoss()
    NTXentLoss()
    PNPLoss()
    RankedListLoss(0.4, 10)
    SignalToNoiseRatioContrastiveLoss()
    SupConLoss()
    ThresholdConsistentMarginLoss()
    TripletMarginLoss()
    TupletMarginLoss()
"""
_OF_THE_BATCH = ("ProxyAnchorLoss(4, 4)", "InstanceLoss()")
LOSSES = [
    *(Loss(code.strip(), "classes") for code in _OF_CLASSES.strip().splitlines()),
    *(Loss(code, "classes", "of the whole batch") for code in _OF_THE_BATCH),
    *(Loss(code.strip(), "classes", "of pairs of samples")
      for code in _OF_PAIRS.strip().splitlines()),
]  # fmt: skip
NOT_APPLICABLE = {
    "ManifoldLoss": "reads no labels",
    "SmoothAPLoss": "needs a batch with as many samples of each class",
    "SelfSupervisedLoss": "of two views of each sample; it reads no labels",
    "VICRegLoss": "of two views of each sample; it reads no labels",
    **dict.fromkeys(
        ("BaseLossWrapper", "BaseMetricLossFunction", "EmbeddingRegularizerMixin",
         "GenericPairLoss", "WeightRegularizerMixin"),
        "no loss",
    ),
}  # fmt: skip
