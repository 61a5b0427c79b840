"""The registry of measures: against other libraries and closed forms, and the docs."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, root_mean_squared_error

from vicinal.study.evaluation import Evaluation
from vicinal.study.measures import MEASURES
from vicinal.study.measuring import compute_measures, main_measure

DOCS = Path(__file__).parents[2] / "docs" / "compare.md"


def predictions(seed, count, classes, sharpness=2.0):
    generator = torch.Generator().manual_seed(seed)
    scores = sharpness * torch.randn(count, classes, generator=generator)
    return scores.softmax(1), torch.randint(classes, (count,), generator=generator)


def measured(outputs, targets, **options):
    return compute_measures(Evaluation(outputs, targets, **options))


cases = st.tuples(
    st.integers(0, 10_000), st.integers(1, 200), st.integers(2, 12), st.floats(0.1, 8.0)
)


@given(cases)
def test_the_likelihood_is_that_of_scikit_learn(case):
    probabilities, targets = predictions(*case)
    probabilities = probabilities.double().clamp(min=1e-12)  # of less, scikit-learn's log is none
    probabilities /= probabilities.sum(1, keepdim=True)
    labels = range(probabilities.shape[1])
    expected = log_loss(targets.numpy(), probabilities.numpy(), labels=labels)
    assert measured(probabilities, targets)["nll"].mean().item() == pytest.approx(expected)


@given(st.integers(0, 10_000), st.integers(2, 200))
def test_the_brier_score_of_two_classes_is_twice_that_of_scikit_learn(seed, count):
    probabilities, targets = predictions(seed, count, 2)
    targets[:2] = torch.tensor([0, 1])
    own = probabilities.double() / probabilities.double().sum(1, keepdim=True)
    expected = 2 * brier_score_loss(targets.numpy(), own[:, 1].numpy())
    assert measured(own, targets)["brier"].mean().item() == pytest.approx(expected)


@given(cases)
def test_the_brier_score_is_the_squared_distance_from_one_hot(case):
    probabilities, targets = predictions(*case)
    one_hot = torch.nn.functional.one_hot(targets, probabilities.shape[1])
    expected = (probabilities.double() - one_hot).square().sum(1)
    torch.testing.assert_close(measured(probabilities, targets)["brier"], expected)


@given(cases)
def test_every_measure_has_a_value_for_every_sample(case):
    probabilities, targets = predictions(*case)
    names = {name for each in MEASURES.values() for name in (each.name, each.compared)}
    for name, values in measured(probabilities, targets).items():
        assert values.shape == targets.shape
        assert values.dtype == torch.float64
        assert name in names


EDGES = {
    "one class is predicted for all": ([[0.9, 0.1, 0.0]] * 4, [0, 0, 0, 1]),
    "all confidences are equal": ([[1 / 3] * 3] * 4, [0, 1, 2, 2]),
    "all are right": ([[1.0, 0.0, 0.0]] * 3 + [[0.0, 1.0, 0.0]], [0, 0, 0, 1]),
    "all are wrong": ([[0.0, 0.0, 1.0]] * 4, [0, 0, 0, 1]),
    "all are of one class": ([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], [1, 1]),
    "two samples": ([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]], [1, 0]),
}


@pytest.mark.parametrize(("outputs", "targets"), EDGES.values(), ids=EDGES)
def test_every_measure_is_a_finite_number(outputs, targets):
    outputs, targets = torch.tensor(outputs), torch.tensor(targets)
    for others in (outputs[:2], torch.eye(3)):
        for name, values in measured(outputs, targets, ood=others).items():
            assert values.isfinite().all(), name
            if name in MEASURES and MEASURES[name].percent:
                assert -1e-9 <= values.mean() <= 1 + 1e-9, name


def test_a_network_that_is_right_and_confident_has_no_error():
    targets = torch.arange(10) % 3
    found = measured(torch.eye(3)[targets], targets)
    for measure in MEASURES.values():
        if measure.name in found:
            best = 1.0 if measure.better == "higher" else 0.0
            assert found[measure.name].mean().item() == pytest.approx(best)
            assert found[measure.compared].mean().item() == pytest.approx(best)


def test_one_that_is_wrong_and_confident_has_a_finite_likelihood():
    values = measured(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))["nll"]
    assert 80 < values.item() < 90


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_the_error_of_values_is_that_of_scikit_learn(seed, count):
    generator = torch.Generator().manual_seed(seed)
    values, targets = torch.randn(2, count, 1, generator=generator, dtype=torch.float64)
    found = measured(values, targets, is_classifier=False)["rmse"]
    assert found.shape == (count,)
    assert found.mean().item() == pytest.approx(
        root_mean_squared_error(targets.numpy(), values.numpy())
    )


def test_values_that_are_right_have_no_error():
    values = torch.ones(3, 1)
    assert measured(values, values, is_classifier=False)["rmse"].tolist() == [0, 0, 0]


class TestRegistry:
    def test_a_classifier_without_a_learner_has_the_measures_of_its_outputs(self):
        found = measured(*predictions(0, 50, 3))
        assert {"accuracy", "nll", "brier", "ece", "ece_scaled", "nll_scaled"} <= found.keys()
        assert not {"rmse", "noise", "blur", "contrast", "fgsm", "memorised"} & found.keys()

    def test_values_have_their_error(self):
        values, targets = torch.randn(2, 9, 1)
        found = measured(values, targets, is_classifier=False)
        assert "rmse" in found
        assert not {"accuracy", "nll", "noise"} & found.keys()

    def test_the_main_measure_knows_what_chance_gives(self):
        targets = torch.tensor([0, 0, 0, 1])
        main = main_measure(Evaluation(torch.eye(2)[targets], targets))
        assert (main.name, main.chance(targets)) == ("accuracy", 0.75)
        values = torch.tensor([[1.0], [3.0]])
        main = main_measure(Evaluation(values, values, is_classifier=False))
        assert (main.name, main.chance(values)) == ("rmse", 1.0)

    def test_every_entry_is_computed_in_one_way(self):
        for measure in MEASURES.values():
            assert (measure.compute is None) != (measure.on_batch is None)
            assert measure.on_batch is None or measure.passes > 0

    def test_the_docs_list_every_measure_and_its_direction(self):
        section = DOCS.read_text().partition("## What is measured")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| ([^|]+) \| (higher|lower) \| [^|]+ \|$", section, re.MULTILINE)
        assert rows == [(measure.title, measure.better) for measure in MEASURES.values()]


@pytest.mark.parametrize("compute", [lambda e: torch.ones(1), lambda e: torch.tensor(0.5)])
def test_a_measure_without_a_number_for_each_sample_is_refused(monkeypatch, compute):
    """Its interval would be computed as if there were one sample."""
    broken = replace(MEASURES["accuracy"], compute=compute)
    monkeypatch.setitem(MEASURES, "accuracy", broken)
    with pytest.raises(ValueError, match=r"'accuracy' has the shape .* but there are 3 validation"):
        compute_measures(Evaluation(torch.eye(3), torch.arange(3)))


@pytest.mark.parametrize(
    ("name", "value", "text", "signed"),
    [
        ("accuracy", 0.9123, "91.2 %", "+91.2"),
        ("accuracy", 0.99987, "99.99 %", "+100.0"),
        ("accuracy", 1.0, "100.0 %", "+100.0"),
        ("ece", -0.00023, "0.02 %", "-0.02"),
        ("nll", 0.4567, "0.457", "+0.457"),
        ("nll", -1e-12, "-1e-12", "-1e-12"),
        ("rmse", 12345.6, "12346", "+12346"),
        ("rmse", 1.234e30, "1.23e+30", "+1.23e+30"),
        ("rmse", 1.234e-12, "1.23e-12", "+1.23e-12"),
        ("rmse", 0.0, "0", "+0"),
    ],
)
def test_numbers_are_told_with_digits_in_any_unit(name, value, text, signed):
    assert MEASURES[name].text(value) == text
    assert MEASURES[name].signed(value) == signed


@pytest.mark.parametrize("unit", [1e-12, 1e30])
def test_the_error_of_values_is_in_their_unit(unit):
    generator = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(2, 50, 1, generator=generator, dtype=torch.float64)

    def error(unit):
        evaluation = Evaluation(outputs * unit, targets * unit, is_classifier=False)
        return compute_measures(evaluation)["rmse"]

    torch.testing.assert_close(error(unit) / unit, error(1.0))


def test_every_measure_has_bounds():
    assert MEASURES["accuracy"].bounds == (0.0, 1.0)
    assert MEASURES["nll"].bounds == MEASURES["rmse"].bounds == (0.0, math.inf)
    assert MEASURES["brier"].bounds == (0.0, 2.0)
    assert MEASURES["ace"].bounds == (0.0, 1.0)  # a mean of shares, though told as a number
    for measure in MEASURES.values():
        low, high = measure.bounds
        assert low < high
        assert not measure.percent or (low, high) == (0.0, 1.0)
