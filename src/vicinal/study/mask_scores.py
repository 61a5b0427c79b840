"""Measures of masks, from how predicted and true pixels of each class overlap in each image.

Images are the samples: the pixels of one image depend on each other, so that they are no samples of
their own. IoU and accuracy are ratios of sums over all images, as the field gives them, and no
means over images, in which a class of three pixels would count as much as one of a million. They
are linearised: the value of an image is the measure plus the image's influence on it, so that their
mean is the measure, and their spread gives its standard error.

Source: the delta method for ratios of means, with images as clusters of pixels (Cochran, Sampling
techniques (1977), sections 2.11 and 9A).
"""

from typing import Any

import torch
from torch import Tensor

from vicinal.learner.learner import Learner
from vicinal.scores.masks import overlap_counts

IOU = "valid_iou_"  # and the class: as its metric is called in a training's history


def overlaps(learn: Learner) -> tuple[Tensor, Tensor]:
    """What the measures need of the validation part.

    Returns:
        (N, 3, C) int64: of each image and class how many pixels are both predicted and true, true,
        and predicted, without those that have no class; and (N, C), those that are true.
    """
    parts = []
    with torch.no_grad(), learn.evaluating():
        for x, y in learn.dls.valid:
            counts = overlap_counts(learn.output(x), y).cpu()
            both = counts.diagonal(dim1=1, dim2=2)
            parts.append(torch.stack([both, counts.sum(2), counts.sum(1)], dim=1))
    outputs = torch.cat(parts)
    return outputs, outputs[:, 1]


def mean_iou(outputs: Tensor) -> Tensor:
    """The mean over the classes of the intersection over union of all pixels.

    Args:
        outputs: (N, 3, C), of :func:`overlaps`. Classes without a true pixel are left out.

    Returns:
        (N,) float64; single values may lie outside [0, 1].

    >>> counts = torch.tensor([[[6, 1], [6, 2], [7, 1]], [[2, 4], [4, 4], [2, 6]]])
    >>> values = mean_iou(counts)
    >>> round(values.mean().item(), 4), round((8 / 11 + 5 / 8) / 2, 4)
    (0.6761, 0.6761)
    """
    both, true, predicted = outputs.double().unbind(1)
    known = true.sum(0) > 0
    return _ratios(both[:, known], (true + predicted - both)[:, known]).mean(1)


def pixel_accuracy(outputs: Tensor) -> Tensor:
    """The share of all pixels whose class is predicted; arguments as of :func:`mean_iou`.

    >>> counts = torch.tensor([[[6, 1], [6, 2], [7, 1]], [[2, 4], [4, 4], [2, 6]]])
    >>> round(pixel_accuracy(counts).mean().item(), 4), 13 / 16
    (0.8125, 0.8125)
    """
    both, true, _ = outputs.double().sum(2, keepdim=True).unbind(1)
    return _ratios(both, true).mean(1)


def class_ious(outputs: Tensor) -> Tensor:
    """The intersection over union of each class over all pixels, (C,); nan without a true pixel.

    >>> class_ious(torch.tensor([[[6, 1, 0], [6, 2, 0], [7, 1, 0]]]))
    tensor([0.8571, 0.5000,    nan], dtype=torch.float64)
    """
    both, true, predicted = outputs.double().sum(0)
    return torch.where(true > 0, both / (true + predicted - both), torch.nan)


def with_classes(
    history: list[dict[str, Any]], outputs: Tensor, vocab: list[str]
) -> list[dict[str, Any]]:
    """A history whose last row has the IoU of every class, however many there are.

    Args:
        history: a row for each epoch.
        outputs: (N, 3, C), of :func:`overlaps`, after the last one.
        vocab: the names of the C classes. One without a true pixel gets no value.
    """
    found = zip(vocab, class_ious(outputs).tolist(), strict=True)
    last = {f"{IOU}{name}": value for name, value in found if value == value}
    return [*history[:-1], {**history[-1], **last}] if history else history


def _ratios(parts: Tensor, wholes: Tensor) -> Tensor:
    """Ratios of the sums over the samples, linearised: (N, K) from (N, K) and (N, K)."""
    total = wholes.sum(0)
    ratio = parts.sum(0) / total
    return ratio + (parts - ratio * wholes) * len(parts) / total


def most_frequent_iou(true: Tensor) -> float:
    """The mean IoU of always predicting the class with the most pixels.

    Args:
        true: (N, C), the true pixels of each class.

    >>> most_frequent_iou(torch.tensor([[3, 1, 0], [3, 1, 0]]))
    0.375
    """
    totals = true.sum(0).double()
    return float(totals.max() / totals.sum() / (totals > 0).sum())
