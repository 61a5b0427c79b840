"""Metrics of all samples together, against scikit-learn, and what they refuse."""

import math
from functools import partial

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
import torch

import vicinal
from vicinal import (
    AccumMetric,
    APScoreBinary,
    BrierScore,
    CohenKappa,
    Dice,
    DiceMulti,
    F1Score,
    F1ScoreMulti,
    FBeta,
    HammingLossMulti,
    JaccardCoeff,
    RocAuc,
    RocAucBinary,
    RocAucMulti,
    VicinalError,
    foreground_acc,
)
from vicinal.metrics import sum_and_count

g = torch.Generator().manual_seed(0)
SCORES, LABELS = torch.randn(60, 3, generator=g), torch.randint(3, (60,), generator=g)
PAIR, TWO = torch.randn(60, 2, generator=g), torch.randint(2, (60,), generator=g)
MANY, SEVERAL = torch.randn(60, 4, generator=g), torch.randint(2, (60, 4), generator=g)
GUESS, TRUTH = torch.randn(60, 1, generator=g), torch.randn(60, 1, generator=g)

chosen, chosen_of_two = SCORES.argmax(1), PAIR.argmax(1)
likely = MANY.sigmoid() >= 0.5
MACRO = {"average": "macro"}
CASES = [
    ("F1Score", MACRO, SCORES, LABELS, sk.f1_score(LABELS, chosen, average="macro")),
    ("F1Score", {"average": "weighted"}, SCORES, LABELS,
     sk.f1_score(LABELS, chosen, average="weighted")),
    ("F1Score", {**MACRO, "labels": [0, 2]}, SCORES, LABELS,
     sk.f1_score(LABELS, chosen, average="macro", labels=[0, 2])),
    ("F1Score", {}, PAIR, TWO, sk.f1_score(TWO, chosen_of_two)),
    ("F1Score", {"pos_label": 0}, PAIR, TWO, sk.f1_score(TWO, chosen_of_two, pos_label=0)),
    ("Precision", {}, PAIR, TWO, sk.precision_score(TWO, chosen_of_two)),
    ("Recall", {}, PAIR, TWO, sk.recall_score(TWO, chosen_of_two)),
    ("Recall", MACRO, SCORES, LABELS, sk.recall_score(LABELS, chosen, average="macro")),
    ("Jaccard", MACRO, SCORES, LABELS, sk.jaccard_score(LABELS, chosen, average="macro")),
    ("FBeta", {"beta": 2, **MACRO}, SCORES, LABELS,
     sk.fbeta_score(LABELS, chosen, beta=2, average="macro")),
    ("BalancedAccuracy", {}, SCORES, LABELS, sk.balanced_accuracy_score(LABELS, chosen)),
    ("CohenKappa", {"weights": "quadratic"}, SCORES, LABELS,
     sk.cohen_kappa_score(LABELS, chosen, weights="quadratic")),
    ("HammingLoss", {}, SCORES, LABELS, sk.hamming_loss(LABELS, chosen)),
    ("MatthewsCorrCoef", {}, SCORES, LABELS, sk.matthews_corrcoef(LABELS, chosen)),
    ("RocAuc", {}, SCORES, LABELS, sk.roc_auc_score(LABELS, SCORES.softmax(1), multi_class="ovr")),
    ("RocAuc", {"multi_class": "ovo"}, SCORES, LABELS,
     sk.roc_auc_score(LABELS, SCORES.softmax(1), multi_class="ovo")),
    ("RocAuc", {}, PAIR, TWO, sk.roc_auc_score(TWO, PAIR.softmax(1)[:, 1])),
    ("RocAucBinary", {}, PAIR, TWO, sk.roc_auc_score(TWO, PAIR.softmax(1)[:, 1])),
    ("RocAucBinary", {"max_fpr": 0.5}, PAIR, TWO,
     sk.roc_auc_score(TWO, PAIR.softmax(1)[:, 1], max_fpr=0.5)),
    ("APScoreBinary", {}, PAIR, TWO, sk.average_precision_score(TWO, PAIR.softmax(1)[:, 1])),
    ("BrierScore", {}, PAIR, TWO, sk.brier_score_loss(TWO, PAIR.softmax(1)[:, 1])),
    ("F1ScoreMulti", {}, MANY, SEVERAL, sk.f1_score(SEVERAL, likely, average="macro")),
    ("F1ScoreMulti", {"thresh": 0.2, "sigmoid": False}, MANY.sigmoid(), SEVERAL.float(),
     sk.f1_score(SEVERAL, MANY.sigmoid() >= 0.2, average="macro")),
    ("PrecisionMulti", {"average": "samples"}, MANY, SEVERAL,
     sk.precision_score(SEVERAL, likely, average="samples", zero_division=0)),
    ("RecallMulti", {"thresh": 0.3}, MANY, SEVERAL,
     sk.recall_score(SEVERAL, MANY.sigmoid() >= 0.3, average="macro")),
    ("JaccardMulti", {}, MANY, SEVERAL, sk.jaccard_score(SEVERAL, likely, average="macro")),
    ("FBetaMulti", {"beta": 0.5}, MANY, SEVERAL,
     sk.fbeta_score(SEVERAL, likely, beta=0.5, average="macro")),
    ("HammingLossMulti", {}, MANY, SEVERAL, sk.hamming_loss(SEVERAL, likely)),
    ("RocAucMulti", {}, MANY, SEVERAL, sk.roc_auc_score(SEVERAL, MANY.sigmoid())),
    ("APScoreMulti", {}, MANY, SEVERAL, sk.average_precision_score(SEVERAL, MANY.sigmoid())),
    ("R2Score", {}, GUESS, TRUTH, sk.r2_score(TRUTH, GUESS)),
    ("ExplainedVariance", {}, GUESS, TRUTH[:, 0], sk.explained_variance_score(TRUTH, GUESS)),
    ("PearsonCorrCoef", {}, GUESS, TRUTH, np.corrcoef(GUESS[:, 0], TRUTH[:, 0])[0, 1]),
    ("SpearmanCorrCoef", {}, GUESS, TRUTH,
     scipy.stats.spearmanr(GUESS[:, 0], TRUTH[:, 0]).statistic),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Precision is ill-defined")
@pytest.mark.parametrize(("name", "kwargs", "output", "target", "expected"), CASES)
def test_batches_give_what_all_samples_give(name, kwargs, output, target, expected):
    metric = getattr(vicinal, name)(**kwargs)
    for _ in range(2):
        metric.reset()
        for part in zip(output.split(7), target.split(7), strict=True):
            metric.update(*part)
        assert metric.compute() == pytest.approx(expected, rel=1e-5)
    assert metric(output, target) == pytest.approx(expected, rel=1e-5)
    assert metric.compute() == pytest.approx(expected, rel=1e-5)  # those added before remain


def test_no_batch_is_held_on_to():
    metric, output = RocAuc(), torch.randn(4, 3, requires_grad=True)
    metric.update(output, torch.tensor([0, 1, 2, 0]))
    assert not metric.parts[0][0].requires_grad
    assert F1Score()._read(output).dtype == torch.int64


def test_classes_along_another_axis():
    output, target = torch.randn(5, 3, 4, 4), torch.randint(3, (5, 4, 4))
    expected = sk.f1_score(target.flatten(), output.argmax(1).flatten(), average="macro")
    assert F1Score(axis=1, average="macro")(output, target) == pytest.approx(expected)
    with pytest.raises(VicinalError, match="its class axis"):
        F1Score(average="macro")(output, target)


@pytest.mark.parametrize(("metric", "output", "target", "why"), [
    (RocAuc(), torch.randn(4, 3), torch.tensor([0, 1, 1, 0]), "a class has no sample"),
    (RocAucBinary(), torch.randn(3, 2), torch.ones(3, dtype=torch.long), "a class has no sample"),
    (RocAucMulti(), torch.randn(3, 2), torch.tensor([[1, 0], [1, 1], [1, 0]]), "a label is in all"),
])  # fmt: skip
def test_an_undefined_area_is_nan_and_says_why(metric, output, target, why):
    with pytest.warns(UserWarning, match=f"roc_auc_score is undefined, as {why}"):
        assert math.isnan(metric(output, target))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: F1Score(average=None), r'give average="macro"'),
    (lambda: F1ScoreMulti(average=None), r'give average="macro"'),
    (lambda: FBeta(1, average=None), r'fbeta_score with average=None'),
    (lambda: RocAuc(multi_class="ovx"), "multi_class must be 'ovr' or 'ovo', not 'ovx'"),
    (lambda: AccumMetric(max, activation="tanh"), "activation must be one of no, sigmoid"),
    (lambda: F1Score().check_classes(3), "F1Score"),
    (lambda: HammingLossMulti(labels=[0]), "counts all labels"),
    (lambda: Dice().check_classes(3), r"use DiceMulti\(\)"),
    (lambda: JaccardCoeff().check_classes(3), r"use JaccardCoeffMulti\(\)"),
    (lambda: APScoreBinary().check_classes(3), "is for two classes"),
    (lambda: F1Score()(SCORES, LABELS), "f1_score cannot be computed: Target is multiclass"),
])  # fmt: skip
def test_what_is_refused(make, message):
    with pytest.raises(VicinalError, match=message):
        make()


def masks(classes):
    return torch.randn(6, classes, 5, 5, generator=g), torch.randint(
        classes, (6, 5, 5), generator=g
    )


def dice(output, target, index):
    p, t = output.argmax(1) == index, target == index
    return (2 * (p & t).sum() / (p.sum() + t.sum())).item()


def jaccard(output, target, index):
    p, t = output.argmax(1) == index, target == index
    return ((p & t).sum() / (p | t).sum()).item()


@pytest.mark.parametrize(("name", "of_one"), [("Dice", dice), ("JaccardCoeff", jaccard)])
def test_overlaps_of_masks(name, of_one):
    metric, of_several = getattr(vicinal, name)(), getattr(vicinal, f"{name}Multi")()
    output, target = masks(2)
    assert metric(output, target) == pytest.approx(of_one(output, target, 1))
    output, target = masks(3)
    each = [of_one(output, target, index) for index in range(3)]
    for part in zip(output.split(4), target.split(4), strict=True):
        of_several.update(*part)
    assert of_several.compute() == pytest.approx(sum(each) / 3)


def test_pixels_without_a_label_are_skipped():
    output, target = masks(3)
    ignored = target.clone()
    ignored[0] = 255
    assert DiceMulti()(output, ignored) == pytest.approx(DiceMulti()(output[1:], target[1:]))
    with pytest.raises(VicinalError, match="the masks have shape"):
        DiceMulti()(output, target[:, :4])


def test_classes_that_are_nowhere_are_skipped():
    output = torch.tensor([[[3.0]], [[2.0]], [[1.0]]]).movedim(0, 1)
    assert DiceMulti()(output, torch.zeros(1, 1, dtype=torch.long)) == 1
    with_two = output[:, :2]
    assert math.isnan(Dice()(with_two, torch.zeros(1, 1, dtype=torch.long)))


@pytest.mark.parametrize(("metric", "background"), [
    (foreground_acc, 0), (partial(foreground_acc, bkg_idx=2), 2)
])  # fmt: skip
def test_the_foreground_is_weighted_by_its_pixels(metric, background):
    output, target = masks(3)
    target[0] = background  # a batch of background alone is no nan in the mean
    front = target != background
    expected = (output.argmax(1) == target)[front].float().mean()
    assert metric(output, target) == pytest.approx(expected.item())
    parts = [
        sum_and_count(metric, *part) for part in zip(output.split(1), target.split(1), strict=True)
    ]
    assert sum(s for s, _ in parts) / sum(n for _, n in parts) == pytest.approx(expected.item())


@pytest.mark.parametrize("metric", [F1Score, RocAuc, BrierScore, APScoreBinary, CohenKappa])
def test_one_output_for_two_classes_is_refused(metric):
    with pytest.raises(VicinalError, match="needs a score for each class"):
        metric()(torch.randn(4, 1), torch.tensor([0, 1, 1, 0]))


@pytest.mark.parametrize("metric", [Dice, JaccardCoeff, DiceMulti, foreground_acc])
def test_one_channel_for_two_classes_is_refused(metric):
    with pytest.raises(ValueError, match=r"a score for each class"):
        (metric if metric is foreground_acc else metric())(
            torch.randn(2, 1, 4, 4), torch.ones(2, 4, 4, dtype=torch.long)
        )


@pytest.mark.parametrize("name", ["BrierScore", "APScoreBinary"])
def test_the_probability_is_that_of_the_positive_class(name):
    scores, labels = torch.randn(30, 2, generator=g), torch.randint(2, (30,), generator=g)
    kind = getattr(vicinal, name)
    function = sk.brier_score_loss if name == "BrierScore" else sk.average_precision_score
    for positive in (0, 1):
        p = scores.softmax(1)[:, positive].numpy()
        expected = function(labels.numpy() == positive, p)
        assert kind(pos_label=positive)(scores, labels) == pytest.approx(expected)
    certain = torch.tensor([[0.0, 18.0], [0.0, 25.0], [0.0, 20.0]])  # 1 - p would be 0 for all
    sure = kind(pos_label=0)(certain, torch.tensor([0, 1, 1]))
    p = certain.softmax(1)[:, 0].numpy()
    assert sure == pytest.approx(function(np.array([True, False, False]), p))
    with pytest.raises(VicinalError, match="pos_label is 0 or 1, the index of a class, not 2"):
        kind(pos_label=2)


@pytest.mark.parametrize(
    "name", ["RocAuc", "APScoreBinary", "BrierScore", "F1Score", "RocAucMulti"]
)
def test_outputs_in_bfloat16(name):
    scores, labels = torch.randn(30, 2, generator=g), torch.randint(2, (30,), generator=g)
    labels = torch.stack([labels, 1 - labels], 1) if name.endswith("Multi") else labels
    half = scores.bfloat16()
    metric = getattr(vicinal, name)()
    assert metric(half, labels) == pytest.approx(metric(half.float(), labels))


@pytest.mark.parametrize("metric", [Dice, DiceMulti, JaccardCoeff])
def test_masks_in_inference_mode(metric):
    output, target = masks(2)
    with torch.inference_mode():
        assert metric()(output * 1, target) == metric()(output, target)
