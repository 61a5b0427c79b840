"""Keras' metrics on its torch backend."""

import os
from typing import Any

from losses.metrics import Metric, updated
from losses.zoo import names_with, public_of

MODULE = "keras"
os.environ.setdefault("KERAS_BACKEND", "torch")  # before Keras is imported


def names() -> dict[str, Any]:
    import keras.metrics

    return names_with(keras.metrics)


def public() -> set[str]:
    import keras.metrics

    return {name for name in public_of(keras.metrics) if name[0].isupper()}


def _updated(metric: Any, output: Any, target: Any) -> Any:
    updated(metric, output, target, lambda metric, o, y: metric.update_state(y, o))
    return metric.result()


def _metric(code: str, kind: str) -> Metric:
    return Metric(code, kind, _updated)


_HALF = "probabilities of labels"
METRICS = [
    _metric("SparseCategoricalAccuracy()", "probabilities"),
    _metric("SparseTopKCategoricalAccuracy(2)", "probabilities"),
    _metric("CategoricalAccuracy()", "one-hot probabilities"),
    _metric("TopKCategoricalAccuracy(2)", "one-hot probabilities"),
    _metric("Accuracy()", "predicted classes"),
    _metric("BinaryAccuracy()", _HALF),
    _metric("SparseCategoricalCrossentropy()", "probabilities"),
    _metric("CategoricalCrossentropy()", "one-hot probabilities"),
    _metric("BinaryCrossentropy()", _HALF),
    _metric("Precision()", _HALF),
    _metric("Recall()", _HALF),
    _metric("AUC()", _HALF),
    _metric("F1Score()", "one-hot probabilities"),
    _metric("FBetaScore()", "one-hot probabilities"),
    _metric("TruePositives()", _HALF),
    _metric("TrueNegatives()", _HALF),
    _metric("FalsePositives()", _HALF),
    _metric("FalseNegatives()", _HALF),
    _metric("PrecisionAtRecall(0.5)", _HALF),
    _metric("RecallAtPrecision(0.5)", _HALF),
    _metric("SensitivityAtSpecificity(0.5)", _HALF),
    _metric("SpecificityAtSensitivity(0.5)", _HALF),
    _metric("BinaryIoU()", _HALF),
    _metric("OneHotIoU(4, [1])", "one-hot probabilities"),
    _metric("OneHotMeanIoU(4)", "one-hot probabilities"),
    _metric("MeanIoU(4, sparse_y_pred=False)", "probabilities"),
    _metric("IoU(4, [1], sparse_y_pred=False)", "probabilities"),
    _metric("CategoricalHinge()", "one-hot"),
    _metric("Hinge()", "signs"),
    _metric("SquaredHinge()", "signs"),
    _metric("KLDivergence()", "one-hot probabilities"),
    _metric("Poisson()", "positive values"),
    _metric("MeanSquaredError()", "values"),
    _metric("RootMeanSquaredError()", "values"),
    _metric("MeanAbsoluteError()", "values"),
    _metric("MeanAbsolutePercentageError()", "values"),
    _metric("MeanSquaredLogarithmicError()", "positive values"),
    _metric("LogCoshError()", "values"),
    _metric("CosineSimilarity()", "values"),
    _metric("R2Score()", "values"),
    _metric("PearsonCorrelation()", "values"),
    _metric("ConcordanceCorrelation()", "values"),
]
NOT_APPLICABLE = dict.fromkeys(("Mean", "MeanMetricWrapper", "Metric", "Sum"), "reads no targets")
