"""Scores of several labels: average precision, F1 and the best threshold, beside scikit-learn's."""

import math

import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from vicinal.scores.label_ranking import (
    BestF1,
    MeanAveragePrecision,
    average_precisions,
    best_threshold,
    f1_scores,
    mean_average_precision,
)


def _sample(seed, rows=40, labels=5, ties=False):
    g = torch.Generator().manual_seed(seed)
    y = (torch.rand(rows, labels, generator=g) < 0.3).float()
    p = (torch.rand(rows, labels, generator=g) + 0.4 * y).clamp(max=1.4) / 1.4
    return ((10 * p).round() / 10 if ties else p), y


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_scikit_learns(seed, ties):
    p, y = _sample(seed, ties=ties)
    expected = average_precision_score(y.numpy(), p.numpy(), average=None)
    torch.testing.assert_close(average_precisions(p, y), torch.tensor(expected))


def test_labels_that_no_sample_has_are_left_out_of_the_mean():
    p, y = _sample(0)
    y[:, 2] = 0
    kept = [0, 1, 3, 4]
    expected = average_precision_score(y[:, kept].numpy(), p[:, kept].numpy(), average="macro")
    assert mean_average_precision(p, y) == pytest.approx(expected)
    assert average_precisions(p, y)[2].isnan()
    assert math.isnan(mean_average_precision(p, torch.zeros_like(y)))


@pytest.mark.parametrize("seed", range(3))
def test_f1_scores_are_scikit_learns(seed):
    p, y = _sample(seed)
    predicted = p > 0.5
    for found, average in zip(f1_scores(predicted, y), ("micro", "macro"), strict=True):
        assert found == pytest.approx(f1_score(y.numpy(), predicted.numpy(), average=average))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [False, True])
def test_no_threshold_is_better_than_the_best(seed, ties):
    p, y = _sample(seed, ties=ties)
    best = f1_scores(p > best_threshold(p, y), y)[0]
    others = [f1_scores(p > t, y)[0] for t in [-0.01, *p.flatten().tolist()]]
    assert best == pytest.approx(max(others))


def test_the_threshold_of_labels_that_no_sample_has_is_one_half():
    assert best_threshold(torch.rand(5, 2), torch.zeros(5, 2)) == 0.5


def test_a_threshold_lies_between_two_probabilities_however_near():
    p = torch.tensor([[0.5000001, 0.5]])
    threshold = best_threshold(p, torch.tensor([[1.0, 0.0]]))
    assert p[0, 1].item() <= threshold < p[0, 0].item()


def test_metrics_read_logits_of_all_batches_together():
    p, y = _sample(1)
    logits = p.logit(eps=1e-6)
    for metric in (MeanAveragePrecision(), BestF1()):
        for rows in (slice(0, 15), slice(15, 40)):
            metric.update(logits[rows], y[rows])
        assert metric.compute() == pytest.approx(metric(logits, y))
    assert MeanAveragePrecision()(logits, y) == pytest.approx(mean_average_precision(p, y))


def test_an_epoch_that_is_not_validated_has_no_score():
    assert math.isnan(MeanAveragePrecision().compute())


def test_no_threshold_takes_a_probability_of_zero_and_the_best_of_the_others_is_chosen():
    p = torch.tensor([[0.4, 0.2, 0.0, 0.0]])
    y = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    assert 0.2 <= best_threshold(p, y) < 0.4


def test_neighbouring_floats_are_told_apart_by_the_best_f1():
    low = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    p = torch.stack([torch.nextafter(low, torch.tensor(1.0)), low])[:, None]
    y = torch.tensor([[1.0], [0.0]])
    assert f1_scores(p.double() > best_threshold(p, y), y) == (1.0, 1.0)
