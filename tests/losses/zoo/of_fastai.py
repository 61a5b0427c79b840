"""fastai's losses."""

import functools
from typing import Any

from losses.verdict import Loss
from losses.zoo import names_with, public_of

MODULE = "fastai"


def names() -> dict[str, Any]:
    import fastai.losses

    found = names_with(fastai.losses)
    return {**found, "w": found["w"].float()}


def public() -> set[str]:
    import fastai.losses

    return public_of(fastai.losses)


_Loss = functools.partial(Loss, float32=True)  # it casts targets and class weights
LOSSES = [
    _Loss("CrossEntropyLossFlat()", "classes"),
    _Loss("CrossEntropyLossFlat(weight=w)", "classes"),
    _Loss("CrossEntropyLossFlat(ignore_index=2)", "classes"),
    _Loss("CrossEntropyLossFlat()", "tokens"),
    _Loss("CrossEntropyLossFlat(axis=1)", "masks"),
    _Loss("CrossEntropyLossFlat(axis=1, weight=w)", "masks"),
    _Loss("LabelSmoothingCrossEntropy()", "classes"),
    _Loss("LabelSmoothingCrossEntropy(weight=w)", "classes"),
    _Loss("LabelSmoothingCrossEntropyFlat()", "classes"),
    _Loss("LabelSmoothingCrossEntropyFlat(axis=1)", "masks"),
    _Loss("FocalLoss()", "classes"),
    _Loss("FocalLoss(weight=w)", "classes"),
    _Loss("FocalLossFlat()", "classes"),
    _Loss("FocalLossFlat(axis=1)", "masks"),
    _Loss("BCEWithLogitsLossFlat()", "labels"),
    _Loss("BCELossFlat()", "probabilities of labels"),
    _Loss("MSELossFlat()", "values"),
    _Loss("MSELossFlat()", "a column"),
    _Loss("L1LossFlat()", "values"),
    _Loss("DiceLoss()", "masks"),
    _Loss("DiceLoss(reduction='mean')", "masks"),
]
NOT_APPLICABLE = {"BaseLoss": "no loss"}
