"""Calibration against another library and closed forms."""

import functools

import pytest
import torch
import torchmetrics
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from vicinal.study.calibration import (
    BINS,
    Reliability,
    adaptive_gaps,
    calibration_gaps,
    fit_temperature,
    temperature_scaled,
    unbiased_adaptive_gaps,
    unbiased_gaps,
)

BOTH = [(calibration_gaps, unbiased_gaps), (adaptive_gaps, unbiased_adaptive_gaps)]


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


def drawn(seed, count, temperature, classes=5):
    """Predictions of a network that is calibrated at temperature 1."""
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    targets = scores.softmax(1).multinomial(1, generator=generator).squeeze(1)
    return (temperature * scores).softmax(1), targets


@pytest.mark.parametrize(("plain", "fair"), BOTH)
class TestTheSpreadWithoutBias:
    """200 samples of 360 predictions: a standard deviation of them is known to 5 %."""

    @staticmethod
    @functools.cache
    def means_and_errors(measure, temperature):
        values = torch.stack([measure(*drawn(seed, 360, temperature)) for seed in range(200)])
        return values.mean(1), values.std(1) / 360**0.5

    @pytest.mark.parametrize("temperature", [1.0, 1.2, 2.0])
    def test_the_standard_error_is_never_too_small(self, plain, fair, temperature):
        """Below 0.8 by chance once in 16,000 times. The signs of fixed halves gave 0.65 to 0.8."""
        means, errors = self.means_and_errors(fair, temperature)
        ratio = errors.mean() / means.std()
        assert 0.8 < ratio < 1.75
        if temperature == 2.0:
            assert ratio < 1.3

    def test_two_calibrated_networks_seldom_differ(self, plain, fair):
        """Of 100 pairs 5 % are wanted; 13 % would come by chance once in 1,000 times."""
        means, errors = self.means_and_errors(fair, 1.0)
        difference = means[::2] - means[1::2]
        error = (errors[::2].square() + errors[1::2].square()).sqrt()
        assert (difference.abs() > 1.96 * error).double().mean() < 0.13

    def test_a_calibrated_network_has_no_error_and_another_one_has_its(self, plain, fair):
        means, _ = self.means_and_errors(fair, 1.0)
        biased, _ = self.means_and_errors(plain, 1.0)
        assert abs(means.mean()) < 0.05 * biased.mean()
        other = drawn(0, 20_000, 2.0)
        assert fair(*other).mean() == pytest.approx(plain(*other).mean().item(), rel=0.02)

    def test_a_network_that_is_too_modest_has_its_error(self, plain, fair):
        """It is always right, with less and less confidence; its error was told below 0."""
        generator = torch.Generator().manual_seed(0)
        targets = torch.randint(10, (360,), generator=generator)
        own = torch.nn.functional.one_hot(targets, 10)
        noise = torch.randn(360, 10, generator=generator)
        found = [
            [f((sharpness * own + noise).softmax(1), targets).mean().item() for f in (fair, plain)]
            for sharpness in (8, 6, 4)
        ]
        assert found == sorted(found)
        assert [error > 0.6 * whole for error, whole in found] == [True] * 3

    def test_the_order_of_the_samples_does_not_count(self, plain, fair):
        probabilities, targets = drawn(0, 90, 1.0)
        for measure in (plain, fair):
            found = measure(probabilities.flip(0), targets.flip(0)).flip(0)
            torch.testing.assert_close(found, measure(probabilities, targets))

    @pytest.mark.parametrize("count", [1, 2])
    def test_certain_probabilities_and_few_samples(self, plain, fair, count):
        targets = torch.arange(count)
        for outputs, error in ((torch.eye(2), 0.0), (1 - torch.eye(2), 1.0)):
            for measure in (plain, fair):
                found = measure(outputs[:count], targets)
                torch.testing.assert_close(
                    found, torch.full((count,), error, dtype=torch.float64), atol=1e-5, rtol=0
                )


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 6))
def test_the_adaptive_error_is_that_of_bins_of_equal_numbers(seed, size, classes):
    probabilities, targets = predictions(seed, size * BINS, classes)
    probabilities = probabilities.double()
    errors = []
    for k in range(classes):
        gaps = (targets == k).double() - probabilities[:, k]
        errors += [part.mean().abs() for part in gaps[probabilities[:, k].argsort()].split(size)]
    expected = torch.stack(errors).mean().item()
    assert adaptive_gaps(probabilities, targets).mean().item() == pytest.approx(expected)


def test_equal_probabilities_are_in_one_bin():
    """Else the order of the samples, by class say, would decide which are compared."""
    probabilities = torch.tensor([[0.5, 0.5]]).repeat(40, 1)
    assert adaptive_gaps(probabilities, torch.arange(40) // 20).mean() == 0


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
