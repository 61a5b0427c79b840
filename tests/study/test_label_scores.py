"""Measures of several labels: values whose mean is the measure, and whose spread is its error."""

import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from vicinal.scores.label_ranking import best_threshold
from vicinal.study import label_scores
from vicinal.study.evaluation import Evaluation
from vicinal.study.measuring import compute_measures, main_measure


def _sample(seed, rows=60, labels=4):
    g = torch.Generator().manual_seed(seed)
    y = (torch.rand(rows, labels, generator=g) < 0.3).float()
    p = torch.sigmoid(2 * torch.randn(rows, labels, generator=g) + 2 * y - 1)
    return p, y


def _map(p, y, weight=None):
    return average_precision_score(y.numpy(), p.numpy(), sample_weight=weight)


def _f1(average):
    def score(p, y, weight=None):
        predicted = (p.double() > best_threshold(*_sample(0))).numpy()
        return f1_score(y.numpy(), predicted, average=average, sample_weight=weight)

    return score


MEASURES = [
    (label_scores.mean_average_precision, _map),
    (label_scores.micro_f1, _f1("micro")),
    (label_scores.macro_f1, _f1("macro")),
]


@pytest.mark.parametrize(("values", "score"), MEASURES)
def test_the_mean_of_the_values_is_the_measure(values, score):
    p, y = _sample(0)
    assert values(p, y).mean().item() == pytest.approx(score(p, y))


@pytest.mark.parametrize(("values", "score"), MEASURES)
def test_a_value_is_the_measure_and_its_derivative_by_the_weight_of_the_sample(values, score):
    p, y = _sample(0)
    found, base, step = values(p, y), score(p, y), 1e-5
    for row in (0, 7, 31, 59):
        weight = torch.ones(len(y), dtype=torch.float64)
        weight[row] += step * len(y)  # a share of `step` more of this sample
        slope = (score(p, y, weight.numpy()) - base) / step * (1 + step)
        assert found[row].item() - base == pytest.approx(slope, rel=1e-2, abs=2e-3)


def test_equal_probabilities_count_together():
    p, y = _sample(0)
    p = (5 * p).round() / 5
    assert label_scores.mean_average_precision(p, y).mean().item() == pytest.approx(_map(p, y))


def test_the_spread_of_the_values_is_that_of_resampled_measures():
    # Of 300 resamples, the deviation has a standard error of 4 %: three of them, and the
    # difference of the linearised from the resampled, which is of the order 1 / samples.
    p, y = _sample(3, rows=300)
    g = torch.Generator().manual_seed(0)
    rows = (torch.randint(300, (300,), generator=g) for _ in range(300))
    resampled = torch.tensor([label_scores.mean_average_precision(p[r], y[r]).mean() for r in rows])
    expected = label_scores.mean_average_precision(p, y).std() / 300**0.5
    assert resampled.std().item() == pytest.approx(expected.item(), rel=0.2)


def test_labels_that_no_sample_has_do_not_count():
    p, y = _sample(1)
    y[:, 0] = 0
    for values, _ in MEASURES[:1] + MEASURES[2:]:
        alone = values(p[:, 1:], y[:, 1:])
        if values is label_scores.macro_f1:  # at the threshold of all
            assert values(p, y).isfinite().all()
        else:
            torch.testing.assert_close(values(p, y), alone)


def test_a_certain_error_is_finite():
    assert (
        label_scores.surprise(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
        .isfinite()
        .all()
    )


def test_several_labels_are_measured_by_mean_average_precision_first():
    p, y = _sample(0)
    evaluation = Evaluation(p, y, is_classifier=False, has_labels=True)
    assert main_measure(evaluation).name == "map"
    assert [*compute_measures(evaluation)] == ["map", "micro_f1", "labels_f1", "label_nll"]
    assert label_scores.shares_of_labels(y) == pytest.approx(y.mean(0).mean().item())
