"""torchmetrics, each as a class and as a function."""

import re
from typing import Any

from losses.metrics import Metric, updated
from losses.zoo import names_with
from vicinal import as_tensors

MODULE = "torchmetrics"
# Rooms of torchmetrics whose metrics do not read the targets that mixing pairs.
OTHER_ROOMS = {"aggregation", "audio", "clustering", "image", "metric", "nominal", "collections",
               "retrieval", "text", "utilities", "video", "wrappers", "detection", "multimodal",
               "shape"}  # fmt: skip


def names() -> dict[str, Any]:
    import torchmetrics
    import torchmetrics.functional

    return {
        **names_with(torchmetrics),
        **{
            f"{name}": value
            for name, value in vars(torchmetrics.functional).items()
            if callable(value)
        },
    }


def public() -> set[str]:
    import torchmetrics

    return {
        name
        for name in torchmetrics.__all__
        if isinstance(getattr(torchmetrics, name), type)
        and getattr(torchmetrics, name).__module__.split(".")[1] not in OTHER_ROOMS
    }


def _compute(metric: Any, output: Any, target: Any) -> Any:
    updated(metric, output, target, lambda metric, o, y: metric.update(o, y))
    return metric.compute()


def _call(function: Any, output: Any, target: Any) -> Any:
    return function(output, as_tensors(target))


def _both(name: str, kind: str, settings: str = "", function: str | None = None) -> list[Metric]:
    """The class and the function of one metric."""
    snake = function or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return [Metric(f"{name}({settings})", kind, _compute), Metric(snake, kind, _call, settings)]


_CLASSES = "task='multiclass', num_classes=4"
_LABELS = "task='multilabel', num_labels=4"
_MICRO = f"{_CLASSES}, average='micro'"
METRICS = [
    *_both("Accuracy", "probabilities", _MICRO),
    *_both("Accuracy", "probabilities", f"{_CLASSES}, average='macro'"),
    *_both("Accuracy", "probabilities of integer labels", _LABELS),
    *_both("Accuracy", "probability of yes", "task='binary'"),
    *_both("Precision", "probabilities", _CLASSES),
    *_both("Precision", "probabilities", f"{_CLASSES}, average='macro'"),
    *_both("Recall", "probabilities", f"{_CLASSES}, average='macro'"),
    *_both("F1Score", "probabilities", _CLASSES, "f1_score"),
    *_both("F1Score", "probabilities", f"{_CLASSES}, average='macro'", "f1_score"),
    *_both("FBetaScore", "probabilities", f"{_CLASSES}, beta=0.5, average='macro'", "fbeta_score"),
    *_both("Specificity", "probabilities", f"{_CLASSES}, average='macro'"),
    *_both("NegativePredictiveValue", "probabilities", f"{_CLASSES}, average='macro'"),
    *_both("HammingDistance", "probabilities", _CLASSES),
    *_both("StatScores", "probabilities", f"{_CLASSES}, average='macro'"),
    *_both("JaccardIndex", "probabilities", _CLASSES),
    *_both("CohenKappa", "probabilities", _CLASSES),
    *_both("MatthewsCorrCoef", "probabilities", _CLASSES, "matthews_corrcoef"),
    *_both("ConfusionMatrix", "probabilities", _CLASSES),
    *_both("ExactMatch", "probabilities of integer labels", _LABELS),
    *_both("AUROC", "probabilities", _CLASSES, "auroc"),
    *_both("AveragePrecision", "probabilities", _CLASSES),
    *_both("ROC", "probabilities", f"{_CLASSES}, thresholds=5", "roc"),
    *_both("LogAUC", "probabilities", f"{_CLASSES}, thresholds=5", "logauc"),
    *_both("PrecisionRecallCurve", "probabilities", f"{_CLASSES}, thresholds=5"),
    *_both("PrecisionAtFixedRecall", "probabilities", f"{_CLASSES}, min_recall=0.5"),
    *_both("RecallAtFixedPrecision", "probabilities", f"{_CLASSES}, min_precision=0.5"),
    *_both("SensitivityAtSpecificity", "probabilities", f"{_CLASSES}, min_specificity=0.5"),
    *_both("SpecificityAtSensitivity", "probabilities", f"{_CLASSES}, min_sensitivity=0.5"),
    *_both("CalibrationError", "probabilities", _CLASSES),
    *_both("HingeLoss", "probabilities", _CLASSES),
    *_both("Accuracy", "probabilities of integer labels", f"{_LABELS}, validate_args=False"),
    *_both("Accuracy", "probability of yes", "task='binary', validate_args=False"),
    *_both("AUROC", "probabilities", f"{_CLASSES}, validate_args=False", "auroc"),
    *_both("AUROC", "probabilities", f"{_CLASSES}, thresholds=5, validate_args=False", "auroc"),
    *_both("ConfusionMatrix", "probabilities", f"{_CLASSES}, validate_args=False"),
    *_both("Perplexity", "tokens"),
    *_both("KLDivergence", "soft probabilities", function="kl_divergence"),
    *_both("MeanSquaredError", "a value"),
    *_both("MeanAbsoluteError", "a value"),
    *_both("MeanAbsolutePercentageError", "a value"),
    *_both("SymmetricMeanAbsolutePercentageError", "a value"),
    *_both("WeightedMeanAbsolutePercentageError", "a value"),
    *_both("MeanSquaredLogError", "positive values"),
    *_both("LogCoshError", "a value"),
    *_both("MinkowskiDistance", "a value", "p=3"),
    *_both("TweedieDevianceScore", "a value"),
    *_both("NormalizedRootMeanSquaredError", "a value"),
    *_both("R2Score", "a value", function="r2_score"),
    *_both("RelativeSquaredError", "a value"),
    *_both("ExplainedVariance", "a value"),
    *_both("CosineSimilarity", "values"),
    *_both("PearsonCorrCoef", "a value", function="pearson_corrcoef"),
    *_both("SpearmanCorrCoef", "a value", function="spearman_corrcoef"),
    *_both("KendallRankCorrCoef", "a value", function="kendall_rank_corrcoef"),
    *_both("ConcordanceCorrCoef", "a value", function="concordance_corrcoef"),
    *_both("CriticalSuccessIndex", "a value", "threshold=0.0"),
]
NOT_APPLICABLE: dict[str, str] = {}
