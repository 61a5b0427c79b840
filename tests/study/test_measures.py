"""Measures against other libraries and closed forms."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, root_mean_squared_error
from torchmetrics.functional.classification import multiclass_calibration_error

from vicinal.study.measures import (
    MEASURES,
    Reliability,
    calibration_gaps,
    class_measures,
    scaled,
    temperature,
    unbiased_gaps,
    value_measures,
)


def predictions(seed, count, classes, sharpness=2.0):
    generator = torch.Generator().manual_seed(seed)
    scores = sharpness * torch.randn(count, classes, generator=generator)
    return scores.softmax(1), torch.randint(classes, (count,), generator=generator)


cases = st.tuples(
    st.integers(0, 10_000), st.integers(1, 200), st.integers(2, 12), st.floats(0.1, 8.0)
)


@given(cases)
def test_the_calibration_error_is_that_of_torchmetrics(case):
    probabilities, targets = predictions(*case)
    expected = multiclass_calibration_error(
        probabilities.double(), targets, probabilities.shape[1], n_bins=15, norm="l1"
    )
    assert calibration_gaps(probabilities, targets).mean().item() == pytest.approx(
        expected.item(), abs=1e-6
    )


@given(cases)
def test_the_likelihood_is_that_of_scikit_learn(case):
    probabilities, targets = predictions(*case)
    probabilities = probabilities.double().clamp(min=1e-12)  # of less, scikit-learn's log is none
    probabilities /= probabilities.sum(1, keepdim=True)
    labels = range(probabilities.shape[1])
    expected = log_loss(targets.numpy(), probabilities.numpy(), labels=labels)
    assert class_measures(probabilities, targets)["nll"].mean().item() == pytest.approx(expected)


@given(st.integers(0, 10_000), st.integers(2, 200))
def test_the_brier_score_of_two_classes_is_twice_that_of_scikit_learn(seed, count):
    probabilities, targets = predictions(seed, count, 2)
    targets[:2] = torch.tensor([0, 1])
    own = probabilities.double() / probabilities.double().sum(1, keepdim=True)
    expected = 2 * brier_score_loss(targets.numpy(), own[:, 1].numpy())
    assert class_measures(own, targets)["brier"].mean().item() == pytest.approx(expected)


@given(cases)
def test_the_brier_score_is_the_squared_distance_from_one_hot(case):
    probabilities, targets = predictions(*case)
    one_hot = torch.nn.functional.one_hot(targets, probabilities.shape[1])
    expected = (probabilities.double() - one_hot).square().sum(1)
    torch.testing.assert_close(class_measures(probabilities, targets)["brier"], expected)


@given(cases)
def test_every_measure_has_a_value_for_every_sample(case):
    probabilities, targets = predictions(*case)
    compared = {measure.compared_by or name for name, measure in MEASURES.items()}
    for name, values in class_measures(probabilities, targets).items():
        assert values.shape == targets.shape
        assert values.dtype == torch.float64
        assert name in MEASURES or name in compared


def test_a_network_that_is_right_and_sure_errs_in_nothing():
    targets = torch.arange(10) % 3
    found = class_measures(torch.eye(3)[targets], targets)
    assert {name: values.mean().item() for name, values in found.items()} == pytest.approx(
        {"accuracy": 1.0, "nll": 0.0, "brier": 0.0, "ece": 0.0, "ece_unbiased": 0.0}
    )


def test_one_that_is_sure_and_wrong_has_a_finite_likelihood():
    values = class_measures(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))["nll"]
    assert 80 < values.item() < 90


class TestWithoutBias:
    def calibrated(self, low, high, seed, count=359):
        """Answers that are right as often as the network says."""
        generator = torch.Generator().manual_seed(seed)
        confidence = low + (high - low) * torch.rand(count, generator=generator)
        right = torch.rand(count, generator=generator) < confidence
        probabilities = torch.stack([confidence, 1 - confidence], 1)
        return probabilities, (~right).long()

    @pytest.mark.parametrize("limits", [(0.8, 1.0), (0.5, 0.95)])
    def test_a_network_that_is_calibrated_has_no_error_on_average(self, limits):
        found = [self.calibrated(*limits, seed) for seed in range(400)]
        plain, fair = (
            torch.stack([measure(*each).mean() for each in found])
            for measure in (calibration_gaps, unbiased_gaps)
        )
        assert plain.mean() > 0.02  # what chance makes of it
        # 4 deviations of the mean are passed once in 16,000 times.
        assert abs(fair.mean()) < 4 * fair.std() / 20

    def test_of_many_samples_both_are_the_error(self):
        probabilities, targets = self.calibrated(0.5, 1.0, seed=0, count=200_000)
        sure = probabilities.clone()
        sure[:, 0] = 0.5 + probabilities[:, 0] / 2
        sure[:, 1] = 1 - sure[:, 0]
        plain, fair = (f(sure, targets).mean().item() for f in (calibration_gaps, unbiased_gaps))
        assert plain == pytest.approx(fair, abs=0.003)
        assert plain == pytest.approx(0.125, abs=0.005)


class TestTemperature:
    @pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
    def test_it_is_found_where_it_is_known(self, truth):
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(20_000, 5, generator=generator, dtype=torch.float64)
        targets = scores.softmax(1).multinomial(1, generator=generator).squeeze(1)
        assert temperature(truth * scores, targets) == pytest.approx(truth, rel=0.05)

    def test_scaling_calibrates_what_is_too_sure(self):
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(4000, 5, generator=generator, dtype=torch.float64)
        targets = scores.softmax(1).multinomial(1, generator=generator).squeeze(1)
        sure = (4 * scores).softmax(1)
        before, after = (calibration_gaps(p, targets).mean() for p in (sure, scaled(sure, targets)))
        assert before > 0.2
        assert after < 0.05

    @given(cases)
    def test_scaling_keeps_answers_and_sums(self, case):
        probabilities, targets = predictions(*case)
        found = scaled(probabilities, targets)
        torch.testing.assert_close(found.sum(1), torch.ones(len(found), dtype=torch.float64))
        assert found.argmax(1).equal(probabilities.argmax(1))

    def test_no_sample_helps_to_find_its_own_temperature(self):
        probabilities, targets = predictions(0, 200, 4)
        other = targets.clone()
        other[0] = (targets[0] + 1) % 4
        one, two = scaled(probabilities, targets), scaled(probabilities, other)
        assert one[0].equal(two[0])
        assert not one[1].equal(two[1])


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_the_error_of_values_is_that_of_scikit_learn(seed, count):
    generator = torch.Generator().manual_seed(seed)
    values, targets = torch.randn(2, count, 1, generator=generator, dtype=torch.float64)
    found = value_measures(values, targets)["rmse"]
    assert found.shape == (count,)
    assert found.mean().item() == pytest.approx(
        root_mean_squared_error(targets.numpy(), values.numpy())
    )


def test_values_that_are_right_have_no_error():
    values = torch.ones(3, 1)
    assert value_measures(values, values)["rmse"].tolist() == [0, 0, 0]


@given(cases)
def test_a_reliability_diagram_adds_up_to_the_calibration_error(case):
    probabilities, targets = predictions(*case)
    found = Reliability.of(probabilities, targets)
    counts, confidence, accuracy = map(torch.tensor, vars(found).values())
    assert counts.sum() == len(targets)
    error = (counts * (confidence - accuracy).abs()).sum() / len(targets)
    assert error.item() == pytest.approx(
        calibration_gaps(probabilities, targets).mean().item(), abs=1e-6
    )
