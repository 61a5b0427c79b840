"""The measures of masks, for the registry of measures."""

from vicinal.study import evaluation, mask_scores
from vicinal.study.measure import Measure

MASK_MEASURES: tuple[Measure, ...] = (
    Measure(
        "mean_iou",
        "mean IoU",
        "predictions",
        "higher",
        "Of masks: the intersection over union of predicted and true pixels of a class, on average "
        "over the classes, so that small ones count as much as large ones.",
        applies=evaluation.masks,
        compute=lambda e: mask_scores.mean_iou(e.outputs),
        chance=mask_scores.most_frequent_iou,
        percent=True,
    ),
    Measure(
        "pixel_accuracy",
        "pixel accuracy",
        "predictions",
        "higher",
        "Of masks: the share of the pixels whose class is predicted.",
        applies=evaluation.masks,
        compute=lambda e: mask_scores.pixel_accuracy(e.outputs),
        percent=True,
        in_answer=True,
    ),
)
