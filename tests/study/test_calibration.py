"""Calibration against another library and closed forms."""

import pytest
import torch
import torchmetrics
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from vicinal.study.calibration import (
    Reliability,
    calibration_gaps,
    fit_temperature,
    temperature_scaled,
    unbiased_gaps,
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


class TestWithoutBias:
    def calibrated(self, low, high, seed, count=359):
        """Predictions whose accuracy equals their confidence."""
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
        assert plain.mean() > 0.02  # the bias of few samples
        # 4 standard errors are exceeded once in 16,000 times.
        assert abs(fair.mean()) < 4 * fair.std() / 20

    def test_with_many_samples_both_are_the_error(self):
        probabilities, targets = self.calibrated(0.5, 1.0, seed=0, count=200_000)
        confident = probabilities.clone()
        confident[:, 0] = 0.5 + probabilities[:, 0] / 2
        confident[:, 1] = 1 - confident[:, 0]
        plain, fair = (
            f(confident, targets).mean().item() for f in (calibration_gaps, unbiased_gaps)
        )
        assert plain == pytest.approx(fair, abs=0.003)
        assert plain == pytest.approx(0.125, abs=0.005)


class TestTemperature:
    @pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
    def test_a_known_temperature_is_recovered(self, truth):
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(20_000, 5, generator=generator, dtype=torch.float64)
        targets = scores.softmax(1).multinomial(1, generator=generator).squeeze(1)
        assert fit_temperature(truth * scores, targets) == pytest.approx(truth, rel=0.05)

    def test_scaling_calibrates_an_overconfident_network(self):
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(4000, 5, generator=generator, dtype=torch.float64)
        targets = scores.softmax(1).multinomial(1, generator=generator).squeeze(1)
        confident = (4 * scores).softmax(1)
        before, after = (
            calibration_gaps(p, targets).mean()
            for p in (confident, temperature_scaled(confident, targets))
        )
        assert before > 0.2
        assert after < 0.05

    @given(cases)
    def test_scaling_changes_no_prediction_and_no_sum(self, case):
        probabilities, targets = predictions(*case)
        found = temperature_scaled(probabilities, targets)
        torch.testing.assert_close(found.sum(1), torch.ones(len(found), dtype=torch.float64))
        assert found.argmax(1).equal(probabilities.argmax(1))

    def test_no_temperature_is_fitted_on_the_samples_it_scales(self):
        probabilities, targets = predictions(0, 200, 4)
        other = targets.clone()
        other[0] = (targets[0] + 1) % 4
        one, two = (
            temperature_scaled(probabilities, targets),
            temperature_scaled(probabilities, other),
        )
        assert one[0].equal(two[0])
        assert not one[1].equal(two[1])


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


def test_a_confidence_of_exactly_one_is_in_the_last_bin():
    """torchmetrics 1.9 gives it a bin of its own."""
    probabilities = torch.tensor([[0.95, 0.05], [1.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([0, 1])  # the first is right, the second wrong
    assert calibration_gaps(probabilities, targets).mean() == pytest.approx((1 - 0.05) / 2)
    expected = multiclass_calibration_error(probabilities, targets, 2, n_bins=15, norm="l1")
    if torchmetrics.__version__.startswith("1.9"):
        assert expected == pytest.approx((1 + 0.05) / 2)
    probabilities[1] = torch.tensor([0.999, 0.001])
    expected = multiclass_calibration_error(probabilities, targets, 2, n_bins=15, norm="l1")
    found = calibration_gaps(probabilities, targets).mean()
    assert found == pytest.approx(expected.item(), abs=1e-6)
