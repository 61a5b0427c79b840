"""Criteria as people write them for themselves, with reductions of their own, for MixLoss."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

w = torch.tensor([1.0, 5.0, 0.5, 2.0], dtype=torch.float64)


def each(o: Tensor, y: Tensor, **settings: object) -> Tensor:
    return F.cross_entropy(o, y, reduction="none", **settings)


class Reduced(nn.Module):
    """The base of those below: a plain mean or sum of losses."""

    def __init__(self, reduction="mean", ignore_index=-100, weight=None):
        super().__init__()
        self.reduction, self.ignore_index, self.weight = reduction, ignore_index, weight

    def reduced(self, losses):
        return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[self.reduction]()


class Focal(Reduced):
    def forward(self, o, y):
        losses = each(o, y, weight=self.weight)
        return self.reduced((1 - torch.exp(-losses)) ** 2 * losses)


class MeanOfValid(Reduced):
    """A mean over the labels that are not ignored."""

    def forward(self, o, y):
        losses = each(o, y, ignore_index=self.ignore_index)
        if self.reduction == "mean":
            return losses.sum() / ((y != self.ignore_index).double().sum() + 1e-12)
        return self.reduced(losses)


class OnlyValid(Reduced):
    """It drops the ignored rows before the loss."""

    def forward(self, o, y):
        valid = y != self.ignore_index
        return self.reduced(each(o[valid], y[valid]))


class MeanOfWeights(Reduced):
    """A mean by class weights."""

    def forward(self, o, y):
        losses = self.weight[y] * each(o, y)
        if self.reduction == "mean":
            return losses.sum() / self.weight[y].sum()
        return self.reduced(losses)


class Flat(Reduced):
    """It flattens tokens, so that there are more losses than samples."""

    def forward(self, o, y):
        return F.cross_entropy(
            o.flatten(0, 1), y.flatten(), reduction=self.reduction, ignore_index=self.ignore_index
        )


class MeanOfSequences(Reduced):
    def forward(self, o, y):
        return self.reduced(each(o.transpose(1, 2), y).mean(1))


class Transposed(Reduced):
    """Losses of shape (C, B)."""

    def forward(self, o, y):
        return self.reduced((-o.log_softmax(1) * F.one_hot(y, 4)).T)


class OfClasses(Reduced):
    """One loss for each class."""

    def forward(self, o, y):
        return self.reduced((-o.log_softmax(1) * F.one_hot(y, 4)).sum(0))


class PlainMean(nn.CrossEntropyLoss):
    """A subclass of torch's that averages otherwise."""

    def forward(self, o, y):
        losses = each(o, y, weight=self.weight, ignore_index=self.ignore_index)
        return losses.mean() if self.reduction == "mean" else losses


class Sharper(nn.CrossEntropyLoss):
    """A subclass of torch's that averages as torch does."""

    def forward(self, o, y):
        return super().forward(2 * o, y)


class Root(nn.MSELoss):
    def forward(self, o, y):
        return super().forward(o, y).sqrt()


class Inner(Reduced):
    """Its reduction is not that of the loss in it."""

    def __init__(self):
        super().__init__()
        self.loss = nn.CrossEntropyLoss(w)

    def forward(self, o, y):
        return self.loss(o, y)


class DividedByCount(Reduced):
    """Without a reduction, its losses are divided by their number."""

    def forward(self, o, y):
        return each(o, y).mean() if self.reduction == "mean" else each(o, y) / len(y)


class SumOfLabels(Reduced):
    """The mean is one over samples alone, of the sum over their labels."""

    def forward(self, o, y):
        losses = F.binary_cross_entropy_with_logits(o, y, reduction="none")
        return losses.sum(1).mean() if self.reduction == "mean" else losses


class OtherWord(Reduced):
    def forward(self, o, y):
        return each(o, y) if self.reduction == "none" else each(o, y).mean()


def with_weights(o, y, weight=w, reduction="mean"):
    return F.cross_entropy(o, y, weight=weight, reduction=reduction)


def summed(o, y, reduction="sum"):
    return F.cross_entropy(o, y, reduction=reduction)


def of_classes(o, y):
    return (-o.log_softmax(1) * F.one_hot(y, 4)).sum(0)


def of_samples_and_classes(o, y):
    return -o.log_softmax(1) * F.one_hot(y, 4)


def a_column(o, y):
    return each(o, y)[:, None]


def of_tokens(o, y):
    return each(o.transpose(1, 2), y, ignore_index=2)


def of_all_pairs(o, y):
    """Losses (B, B), of each output with every target."""
    return (o.mean(1)[:, None] - y[None].double()).square()


def of_same_class(o, y):
    """One loss for each sample, but of its distances to others."""
    return (torch.cdist(o, o) * (y[:, None] == y[None])).sum(1)


def balanced_in_the_batch(o, y):
    """One loss for each sample, but divided by a count of the batch."""
    return each(o, y) / torch.bincount(y, minlength=4)[y]


def by_softmax_over_the_batch(o, y):
    """One loss for each sample, but weighted by the others'."""
    return each(o, y) * each(o, y).detach().softmax(0)


# What each is made by, and the kind of its targets.
CRITERIA = {
    "Focal()": "classes",
    "Focal(weight=w)": "classes",
    "MeanOfValid(ignore_index=2)": "classes",
    "OnlyValid(ignore_index=2)": "classes",
    "MeanOfWeights(weight=w)": "classes",
    "MeanOfWeights('sum', weight=w)": "classes",
    "Flat()": "tokens",
    "Flat(ignore_index=2)": "tokens",
    "MeanOfSequences()": "tokens",
    "Transposed()": "classes",
    "OfClasses()": "classes",
    "PlainMean(w)": "classes",
    "PlainMean(ignore_index=2)": "classes",
    "Sharper(w)": "classes",
    "Root()": "values",
    "Inner()": "classes",
    "DividedByCount()": "classes",
    "SumOfLabels()": "labels",
    "OtherWord('elementwise_mean')": "classes",
    "with_weights": "classes",
    "summed": "classes",
    "of_classes": "classes",
    "of_samples_and_classes": "classes",
    "a_column": "classes",
    "of_tokens": "tokens",
    "of_all_pairs": "classes",
    "of_same_class": "classes",
    "balanced_in_the_batch": "classes",
    "by_softmax_over_the_batch": "classes",
}
