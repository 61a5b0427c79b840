"""timm's metrics."""

from typing import Any

from losses.metrics import Metric
from losses.zoo import names_with, public_of
from vicinal import as_tensors

MODULE = "timm"


def names() -> dict[str, Any]:
    import timm.utils.metrics

    return names_with(timm.utils.metrics)


def public() -> set[str]:
    import timm.utils.metrics

    return public_of(timm.utils.metrics)


def _called(metric: Any, output: Any, target: Any) -> Any:
    return metric(output, as_tensors(target))


METRICS = [
    Metric("accuracy", "probabilities", _called),
    Metric("accuracy", "probabilities", _called, "topk=(1, 3)"),
]
NOT_APPLICABLE = {"AverageMeter": "reads no targets"}
