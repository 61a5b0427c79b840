"""Metrics of masks, over the pixels of the whole validation part."""

import math
import weakref
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError


class Overlap:
    """How predicted and true pixels of each class overlap, counted over all batches.

    Args:
        axis: the class axis of the outputs.
    """

    name: str
    higher_is_better = True

    def __init__(self, axis: int = 1) -> None:
        self.axis, self.__name__ = axis, self.name
        self.counts: Tensor | None = None

    def reset(self) -> None:
        """Forget all batches."""
        self.counts = None

    def update(self, output: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            output: (B, C, ...) scores of C classes.
            target: (B, ...) class indices; those outside of [0, C) are skipped.
        """
        counts = _counted(output, target, self.axis)
        self.counts = counts if self.counts is None else self.counts + counts

    def compute(self) -> float:
        """The metric of all batches of all processes; every process must call this.

        It is nan where there is no batch.
        """
        from vicinal.processes import gathered

        found = gathered([] if self.counts is None else [(self.counts[None],)])
        if not found:
            return math.nan
        (counts,) = found
        table = counts.sum(0).double()
        both, true, predicted = table.diagonal(), table.sum(1), table.sum(0)
        return self._of(both, true, predicted)

    def __call__(self, output: Tensor, target: Tensor) -> float:
        """The metric of one batch; those that were added are not affected."""
        before, self.counts = self.counts, None
        try:
            self.update(output, target)
            return self.compute()
        finally:
            self.counts = before

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        raise NotImplementedError


class _OfTwo(Overlap):
    def check_classes(self, number: int) -> None:
        """Raise a VicinalError if there are not two classes."""
        if number != 2:
            name = type(self).__name__
            raise VicinalError(
                f"{name}() is for two classes, and there are {number}: use {name}Multi()"
            )


class Dice(_OfTwo):
    """The Dice coefficient of the second of two classes, over all pixels.

    Args:
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> Dice()(scores, torch.tensor([[0, 1, 0]]))  # doctest: +ELLIPSIS
    0.666...
    """

    name = "dice"

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        return _ratio(2 * both[1], true[1] + predicted[1])


class JaccardCoeff(_OfTwo):
    """Intersection over union of the second of two classes, over all pixels.

    Args:
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> JaccardCoeff()(scores, torch.tensor([[0, 1, 0]]))
    0.5
    """

    name = "jaccard_coeff"

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        return _ratio(both[1], true[1] + predicted[1] - both[1])


class DiceMulti(Overlap):
    """The mean over the classes of their Dice coefficients, over all pixels.

    Classes that are neither true nor predicted anywhere are skipped.

    Args:
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> DiceMulti()(scores, torch.tensor([[0, 1, 0]]))  # doctest: +ELLIPSIS
    0.666...
    """

    name = "dice_multi"

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        sizes = true + predicted
        return float((2 * both / sizes)[sizes > 0].mean())


class JaccardCoeffMulti(Overlap):
    """The mean over the classes of their intersections over unions, over all pixels.

    Classes that are neither true nor predicted anywhere are skipped.

    Args:
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> JaccardCoeffMulti()(scores, torch.tensor([[0, 1, 0]]))
    0.5
    """

    name = "jaccard_coeff_multi"

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        unions = true + predicted - both
        return float((both / unions)[unions > 0].mean())


class ClassIoU(Overlap):
    """The intersection over union of one class, over all pixels; nan where there are none of it.

    Args:
        index: of the class.
        name: of the class, which the metric is called after.
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> metric = ClassIoU(1, "sky")
    >>> metric.__name__, metric(scores, torch.tensor([[0, 1, 0]]))
    ('iou_sky', 0.5)
    """

    def __init__(self, index: int, name: str, axis: int = 1) -> None:
        self.index, self.name = index, f"iou_{name}"
        super().__init__(axis)

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        place = self.index
        return _ratio(both[place], true[place] + predicted[place] - both[place])


class MeanIoU(Overlap):
    """The mean over the classes of :class:`ClassIoU`; classes without a true pixel are skipped.

    Args:
        axis: the class axis of the outputs.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> MeanIoU()(scores, torch.tensor([[0, 1, 1]]))
    1.0
    """

    name = "mean_iou"

    def _of(self, both: Tensor, true: Tensor, predicted: Tensor) -> float:
        unions = true + predicted - both
        return float((both / unions)[true > 0].mean())


@torch.no_grad()
def overlap_counts(output: Tensor, target: Tensor, axis: int = 1) -> Tensor:
    """How many pixels of each class are predicted as each class, for each sample.

    Args:
        output: (B, C, ...) scores of C classes, along ``axis``.
        target: (B, ...) class indices; those outside of [0, C) are skipped.

    Returns:
        (B, C, C) int64, the true class first.

    Raises:
        VicinalError: the shapes do not match.

    >>> import torch
    >>> scores = torch.tensor([[[2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]).permute(1, 0, 2)
    >>> overlap_counts(scores, torch.tensor([[0, 1, 0]]))
    tensor([[[1, 1],
             [0, 1]]])
    """
    classes, predicted = output.shape[axis], output.argmax(axis)
    if classes == 1:
        raise VicinalError(
            "metrics of masks need a score for each class, and the outputs have one channel: let "
            "the network give two for two classes"
        )
    if predicted.shape != target.shape:
        raise VicinalError(
            f"the masks have shape {tuple(target.shape)}, but this output needs "
            f"{tuple(predicted.shape)}"
        )
    valid = (target >= 0) & (target < classes)
    samples = torch.arange(len(target), device=target.device)
    samples = samples.view(-1, *[1] * (target.ndim - 1)).expand_as(target)
    pairs = (samples[valid] * classes + target[valid].long()) * classes + predicted[valid]
    counts = torch.bincount(pairs, minlength=len(target) * classes**2)
    return counts.reshape(len(target), classes, classes)


# Several metrics are asked about the same batch, one after the other: the tensors and the counts
# of the last one.
_last: list[Any] = []


def _counted(output: Tensor, target: Tensor, axis: int) -> Tensor:
    """:func:`overlap_counts` of all samples of a batch together, on the CPU."""
    if output.is_inference() or target.is_inference():  # nothing tells whether they were changed
        return overlap_counts(output, target, axis).sum(0).cpu()
    versions = (output._version, target._version, axis)
    if _last and _last[0]() is output and _last[1]() is target and _last[2] == versions:
        kept: Tensor = _last[3]
        return kept
    counts = overlap_counts(output, target, axis).sum(0).cpu()
    _last[:] = [weakref.ref(output), weakref.ref(target), versions, counts]
    return counts


def _ratio(part: Tensor, whole: Tensor) -> float:
    return float(part / whole) if whole > 0 else math.nan
