"""The measures of several labels for each sample, for the registry of measures."""

from vicinal.study import evaluation, label_scores
from vicinal.study.measure import Measure

LABEL_MEASURES: tuple[Measure, ...] = (
    Measure(
        "map",
        "mean average precision",
        "predictions",
        "higher",
        "Of several labels: how far samples with a label rank before those without it, on average "
        "over the labels.",
        applies=evaluation.labels,
        compute=lambda e: label_scores.mean_average_precision(e.outputs, e.targets),
        chance=label_scores.shares_of_labels,
        percent=True,
    ),
    Measure(
        "micro_f1",
        "micro F1 score",
        "predictions",
        "higher",
        "Of several labels: the F1 score of all of them together, at its best threshold.",
        applies=evaluation.labels,
        compute=lambda e: label_scores.micro_f1(e.outputs, e.targets),
        percent=True,
        in_answer=True,
    ),
    Measure(
        "labels_f1",
        "macro F1 score of labels",
        "predictions",
        "higher",
        "Of several labels: the mean of their F1 scores at that threshold, so that rare labels "
        "count as much as frequent ones.",
        applies=evaluation.labels,
        compute=lambda e: label_scores.macro_f1(e.outputs, e.targets),
        percent=True,
        in_answer=True,
    ),
    Measure(
        "label_nll",
        "negative log-likelihood of labels",
        "probabilities",
        "lower",
        "Of several labels: the binary cross-entropy, on average over the labels.",
        applies=evaluation.labels,
        compute=lambda e: label_scores.surprise(e.outputs, e.targets),
        in_answer=True,
    ),
)
