"""The registry of measures: what is measured of a trained network on the validation samples.

Everything about a measure is in its entry of :data:`MEASURES`: what it needs, how it is computed,
named and formatted, and whether higher or lower is better. The answer, the tables, the report and
its figures, and the budget all follow from it. To add a measure, add an entry, and a row to the
table of ``docs/compare.md``, which a test compares with the registry.
"""

from vicinal.study import evaluation, macro, robustness, scores, unknown
from vicinal.study.calibration import (
    adaptive_gaps,
    calibration_gaps,
    unbiased_adaptive_gaps,
    unbiased_gaps,
)
from vicinal.study.label_measures import LABEL_MEASURES
from vicinal.study.mask_measures import MASK_MEASURES
from vicinal.study.measure import Measure
from vicinal.study.selective import risk_coverage_area


def _by_name(*measures: Measure) -> dict[str, Measure]:
    return {measure.name: measure for measure in measures}


#: The first one that applies is the main measure.
MEASURES = _by_name(
    Measure(
        "accuracy",
        "accuracy",
        "predictions",
        "higher",
        "The share of correct predictions.",
        applies=evaluation.classes,
        compute=scores.accuracy,
        chance=scores.most_frequent,
        percent=True,
    ),
    Measure(
        "rmse",
        "root mean square error",
        "predictions",
        "lower",
        "How far predicted values are from the true ones, in the unit of the values.",
        applies=evaluation.values,
        compute=scores.rmse,
        chance=scores.deviation,
    ),
    Measure(
        "balanced_accuracy",
        "balanced accuracy",
        "predictions",
        "higher",
        "The mean over the classes of the share of their samples that is classified correctly, so "
        "that rare classes count as much as frequent ones.",
        applies=evaluation.unbalanced_classes,
        compute=lambda e: macro.balanced_accuracy(e.probabilities, e.targets),
        percent=True,
        in_answer=True,
    ),
    Measure(
        "macro_f1",
        "macro F1 score",
        "predictions",
        "higher",
        "The mean over the classes of the F1 score, which counts samples of a class that are "
        "missed, and others that are taken for it.",
        applies=evaluation.unbalanced_classes,
        compute=lambda e: macro.macro_f1(e.probabilities, e.targets),
        percent=True,
    ),
    Measure(
        "nll",
        "negative log-likelihood",
        "probabilities",
        "lower",
        "How little probability the network gives the true classes; confident errors cost most.",
        applies=evaluation.classes,
        compute=lambda e: scores.surprise(e.probabilities, e.targets),
        in_answer=True,
    ),
    Measure(
        "brier",
        "Brier score",
        "probabilities",
        "lower",
        "The squared error of the probabilities, from 0 to 2.",
        applies=evaluation.classes,
        compute=scores.brier,
        limits=(0.0, 2.0),
    ),
    Measure(
        "ece",
        "calibration error",
        "probabilities",
        "lower",
        "How far the network's confidence is from its accuracy, in 15 bins. Few samples make it "
        "larger by chance; differences are taken without that bias.",
        applies=evaluation.classes,
        compute=lambda e: calibration_gaps(e.outputs, e.targets),
        unbiased=lambda e: unbiased_gaps(e.outputs, e.targets),
        percent=True,
        in_answer=True,
    ),
    Measure(
        "ace",
        "adaptive calibration error",
        "probabilities",
        "lower",
        "The same for the probabilities of all classes, on average over the classes, in 15 bins of "
        "equal numbers of samples.",
        applies=evaluation.classes,
        compute=lambda e: adaptive_gaps(e.probabilities, e.targets),
        unbiased=lambda e: unbiased_adaptive_gaps(e.probabilities, e.targets),
        limits=(0.0, 1.0),
    ),
    Measure(
        "ece_scaled",
        "calibration error, scaled",
        "probabilities",
        "lower",
        "The same after temperature scaling, the usual remedy: one number divides all logits.",
        applies=evaluation.classes,
        compute=lambda e: calibration_gaps(e.scaled, e.targets),
        unbiased=lambda e: unbiased_gaps(e.scaled, e.targets),
        percent=True,
    ),
    Measure(
        "nll_scaled",
        "negative log-likelihood, scaled",
        "probabilities",
        "lower",
        "The negative log-likelihood after temperature scaling.",
        applies=evaluation.classes,
        compute=lambda e: scores.surprise(e.scaled, e.targets),
    ),
    Measure(
        "aurc",
        "area under the risk-coverage curve",
        "probabilities",
        "lower",
        "How often the network errs where it may leave out the samples it is least confident "
        "about: the error rate, on average over all shares that it keeps.",
        applies=evaluation.classes,
        compute=lambda e: risk_coverage_area(e.probabilities, e.targets),
        percent=True,
        in_answer=True,
    ),
    Measure(
        "noise",
        "accuracy, noisy images",
        "changed images",
        "higher",
        "With Gaussian noise of 0.1 of the range of pixels.",
        applies=evaluation.images_of_classes,
        on_batch=robustness.accuracy_under(robustness.noise),
        passes=1,
        percent=True,
        in_answer=True,
    ),
    Measure(
        "blur",
        "accuracy, blurred images",
        "changed images",
        "higher",
        "With a Gaussian blur of 1/32 of the side.",
        applies=evaluation.images_of_classes,
        on_batch=robustness.accuracy_under(robustness.blur),
        passes=1,
        percent=True,
        in_answer=True,
    ),
    Measure(
        "contrast",
        "accuracy, low-contrast images",
        "changed images",
        "higher",
        "With 0.3 of the contrast.",
        applies=evaluation.images_of_classes,
        on_batch=robustness.accuracy_under(robustness.contrast),
        passes=1,
        percent=True,
        in_answer=True,
    ),
    Measure(
        "fgsm",
        "accuracy, attacked images",
        "changed images",
        "higher",
        "Under the fast gradient sign method: each pixel changed by 2/255, in the direction that "
        "raises the loss.",
        applies=evaluation.images_of_classes,
        on_batch=robustness.accuracy_under_attack,
        passes=3,  # forward, backward, and forward again
        percent=True,
        in_answer=True,
    ),
    Measure(
        "auroc_noise",
        "AUROC, pure noise",
        "unknown samples",
        "higher",
        "How often the network is more confident about a validation image than about an image "
        "of pure noise.",
        applies=evaluation.images_of_classes,
        compute=lambda e: unknown.auroc(e.inside, e.on_noise),
        passes=1,
        percent=True,
        two_samples=True,
    ),
    Measure(
        "fpr_noise",
        "false positives at 95 %, pure noise",
        "unknown samples",
        "lower",
        "The share of images of pure noise that pass as known, where 95 % of the validation "
        "images do.",
        applies=evaluation.images_of_classes,
        compute=lambda e: unknown.false_positives(e.inside, e.on_noise),
        percent=True,
        two_samples=True,
    ),
    Measure(
        "auroc_ood",
        "AUROC, other data",
        "unknown samples",
        "higher",
        "How often the network is more confident about a validation sample than about one of "
        "the other data.",
        applies=evaluation.other_data,
        compute=lambda e: unknown.auroc(e.inside, e.outside),
        percent=True,
        in_answer=True,
        two_samples=True,
    ),
    Measure(
        "fpr_ood",
        "false positives at 95 %, other data",
        "unknown samples",
        "lower",
        "The share of the other data that passes as known, where 95 % of the validation "
        "samples do.",
        applies=evaluation.other_data,
        compute=lambda e: unknown.false_positives(e.inside, e.outside),
        percent=True,
        two_samples=True,
    ),
    Measure(
        "memorised",
        "noisy labels memorised",
        "noisy labels",
        "lower",
        "The share of the training samples with injected label noise for which the network "
        "predicts the injected label.",
        applies=evaluation.label_noise,
        compute=lambda e: scores.memorised(e.learn, e.noisy),  # type: ignore[arg-type]
        percent=True,
        in_answer=True,
        paired=False,  # other training samples are noisy for each seed
    ),
    *LABEL_MEASURES,
    *MASK_MEASURES,
)
