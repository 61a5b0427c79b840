"""The metrics of segmentation_models_pytorch, all of which are functions of get_stats."""

from typing import Any

from losses.metrics import Metric
from losses.zoo import names_with
from vicinal import as_tensors

MODULE = "segmentation_models_pytorch"


def names() -> dict[str, Any]:
    import segmentation_models_pytorch.metrics as metrics

    return names_with(metrics)


def public() -> set[str]:
    return {"get_stats"}


def _scored(reduction: str) -> Any:
    def score(metric: Any, output: Any, target: Any) -> Any:
        import segmentation_models_pytorch.metrics as metrics

        return metrics.iou_score(*metric(output, as_tensors(target)), reduction=reduction)

    return score


_CLASSES, _BINARY = "mode='multiclass', num_classes=4", "mode='binary', threshold=0.5"
METRICS = [
    Metric("get_stats", "predicted masks", _scored("micro"), _CLASSES),
    Metric("get_stats", "probabilities of integer binary masks", _scored("micro"), _BINARY),
    Metric("get_stats", "probabilities of integer binary masks", _scored("macro"), _BINARY),
    Metric("get_stats", "probabilities of integer binary masks", _scored("micro-imagewise"),
           _BINARY),
]  # fmt: skip
NOT_APPLICABLE: dict[str, str] = {}
