"""fastai's metrics, of which a Learner computes those of unmixed validation batches."""

from typing import Any

from losses.metrics import Metric
from losses.zoo import names_with
from vicinal import as_tensors

MODULE = "fastai"


def names() -> dict[str, Any]:
    import fastai.metrics

    return names_with(fastai.metrics)


def public() -> set[str]:
    return set()  # a Learner computes them of validation batches, which are not mixed


def _called(metric: Any, output: Any, target: Any) -> Any:
    return metric(output, as_tensors(target))


METRICS = [
    Metric("accuracy", "probabilities", _called),
    Metric("error_rate", "probabilities", _called),
    Metric("top_k_accuracy", "probabilities", _called, "k=2"),
    Metric("accuracy_multi", "integer labels", _called),
    Metric("mse", "values", _called),
    Metric("mae", "values", _called),
    Metric("msle", "positive values", _called),
    Metric("foreground_acc", "masks with a channel", _called),
]
NOT_APPLICABLE: dict[str, str] = {}
