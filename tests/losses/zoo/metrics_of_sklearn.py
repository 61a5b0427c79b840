"""scikit-learn's metrics, which read arrays."""

from typing import Any

from losses.metrics import Metric
from losses.zoo import names_with
from vicinal import as_tensors

MODULE = "sklearn"


def names() -> dict[str, Any]:
    import sklearn.metrics

    return names_with(sklearn.metrics)


def public() -> set[str]:
    return set()  # every one of them reads arrays


def _called(metric: Any, output: Any, target: Any) -> Any:
    return metric(as_tensors(target), output)


def _metric(code: str, kind: str, settings: str = "") -> Metric:
    return Metric(code, kind, _called, settings)


METRICS = [
    _metric("accuracy_score", "predicted classes"),
    _metric("balanced_accuracy_score", "predicted classes"),
    _metric("f1_score", "predicted classes", "average='macro'"),
    _metric("confusion_matrix", "predicted classes", "labels=range(4)"),
    _metric("cohen_kappa_score", "predicted classes"),
    _metric("matthews_corrcoef", "predicted classes"),
    _metric("log_loss", "probabilities", "labels=range(4)"),
    _metric("top_k_accuracy_score", "probabilities", "labels=range(4)"),
    _metric("mean_squared_error", "a value"),
    _metric("mean_absolute_error", "a value"),
    _metric("r2_score", "a value"),
]
NOT_APPLICABLE: dict[str, str] = {}
