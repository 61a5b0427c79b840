"""The area under the risk-coverage curve, against its definition and by simulation."""

import pytest
import torch
from derivatives import check_derivatives
from hypothesis import given
from hypothesis import strategies as st

from vicinal.study.selective import risk_coverage_area


def predictions(seed, count, classes, levels):
    """Probabilities of few different values, so that some confidences are equal."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(count, classes, generator=generator).mul(levels).round().softmax(1)
    return probabilities.double(), torch.randint(classes, (count,), generator=generator)


cases = st.tuples(
    st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 5), st.sampled_from([1.0, 100.0])
)


@given(cases)
def test_it_is_the_mean_risk_over_all_thresholds(case):
    probabilities, targets = predictions(*case)
    confidence, predicted = probabilities.max(1)
    wrong = (predicted != targets).double()
    risks = torch.stack([wrong[confidence >= threshold].mean() for threshold in confidence])
    found = risk_coverage_area(probabilities, targets).mean()
    assert found.item() == pytest.approx(risks.mean().item())


@given(cases)
def test_the_order_of_the_samples_does_not_count(case):
    probabilities, targets = predictions(*case)
    found, reversed_ = (
        risk_coverage_area(*each)
        for each in ((probabilities, targets), (probabilities.flip(0), targets.flip(0)))
    )
    torch.testing.assert_close(found, reversed_.flip(0))


def test_without_ties_each_error_costs_at_every_coverage_that_includes_it():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    last, first = torch.tensor([0, 0, 0, 1]), torch.tensor([1, 0, 0, 0])
    assert risk_coverage_area(probabilities, last).mean() == pytest.approx(1 / 16)
    assert risk_coverage_area(probabilities, first).mean() == pytest.approx(
        (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4
    )


@pytest.mark.parametrize(("target", "area"), [(0, 0.0), (1, 1.0)])
def test_all_right_and_all_wrong(target, area):
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    found = risk_coverage_area(probabilities, torch.full((3,), target))
    torch.testing.assert_close(found, torch.full((3,), area, dtype=torch.float64))


def test_values_are_derivatives():
    check_derivatives(risk_coverage_area, *predictions(0, 40, 3, 1.0))
