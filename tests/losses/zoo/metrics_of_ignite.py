"""ignite's metrics."""

from typing import Any

from losses.metrics import Metric, updated
from losses.zoo import names_with

MODULE = "ignite"


def names() -> dict[str, Any]:
    import ignite.metrics
    import torch

    return {**names_with(ignite.metrics), "F": torch.nn.functional}


def public() -> set[str]:
    import inspect

    import ignite.metrics

    return {
        name
        for name, value in vars(ignite.metrics).items()
        if inspect.isclass(value) and issubclass(value, ignite.metrics.Metric)
    }


def _computed(metric: Any, output: Any, target: Any) -> Any:
    metric.reset()
    updated(metric, output, target, lambda metric, o, y: metric.update((o, y)))
    return metric.compute()


def _metric(code: str, kind: str) -> Metric:
    return Metric(code, kind, _computed)


METRICS = [
    _metric("Accuracy()", "probabilities"),
    _metric("Accuracy(is_multilabel=True)", "predicted labels"),
    _metric("TopKCategoricalAccuracy(k=2)", "probabilities"),
    _metric("Precision(average='macro')", "probabilities"),
    _metric("Precision(average='micro')", "probabilities"),
    _metric("Recall(average='macro')", "probabilities"),
    _metric("Loss(F.cross_entropy)", "classes"),
    _metric("ConfusionMatrix(4)", "probabilities"),
    _metric("MatthewsCorrCoef()", "probabilities"),
    _metric("CohenKappa()", "predicted classes"),
    _metric("MultiLabelConfusionMatrix(4)", "predicted labels"),
    _metric("ROC_AUC()", "probability of yes"),
    _metric("AveragePrecision()", "probability of yes"),
    _metric("PrecisionRecallCurve()", "probability of yes"),
    _metric("RocCurve()", "probability of yes"),
    _metric("MeanSquaredError()", "a value"),
    _metric("MeanAbsoluteError()", "a value"),
    _metric("RootMeanSquaredError()", "a value"),
    _metric("CosineSimilarity()", "values"),
    _metric("KLDivergence()", "one-hot"),
    _metric("JSDivergence()", "one-hot"),
    _metric("MeanPairwiseDistance()", "values"),
    _metric("Perplexity()", "classes"),
]
NOT_APPLICABLE = dict.fromkeys(
    ("Average", "Bleu", "CharacterErrorRate", "CommonObjectDetectionMetrics", "Entropy",
     "EpochMetric", "FID", "Frequency", "GeometricAverage", "GpuInfo", "HSIC", "HitRate",
     "InceptionScore", "MaximumMeanDiscrepancy", "MeanAveragePrecision", "Metric", "MetricGroup",
     "MetricsLambda", "MutualInformation", "NDCG", "ObjectDetectionAvgPrecisionRecall", "PSNR",
     "Rouge", "RougeL", "RougeN", "RunningAverage", "SSIM", "VariableAccumulation"),
    "reads other targets than those that mixing pairs, or none",
)  # fmt: skip
