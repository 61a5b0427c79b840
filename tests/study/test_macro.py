"""Measures in which each class counts the same, against scikit-learn, and by derivatives."""

import numpy as np
import pytest
import torch
from derivatives import check_derivatives
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from vicinal.study.evaluation import Evaluation
from vicinal.study.macro import balanced_accuracy, is_unbalanced, macro_f1
from vicinal.study.measuring import compute_measures


def predictions(seed, count, classes):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, classes, generator=generator)
    # The last classes are rare, and some have no sample.
    targets = (classes * torch.rand(count, generator=generator) ** 3).long()
    return scores.softmax(1).double(), targets


cases = st.tuples(st.integers(0, 10_000), st.integers(1, 80), st.integers(2, 9))


@given(cases)
def test_they_are_those_of_scikit_learn_over_the_classes_that_are_there(case):
    probabilities, targets = predictions(*case)
    true, predicted, present = (
        targets.numpy(),
        probabilities.argmax(1).numpy(),
        np.unique(targets),
    )
    how = {"labels": present, "average": "macro", "zero_division": 0}
    for measure, theirs in ((balanced_accuracy, recall_score), (macro_f1, f1_score)):
        values = measure(probabilities, targets)
        assert values.shape == targets.shape
        assert values.mean().item() == pytest.approx(theirs(true, predicted, **how))


@pytest.mark.parametrize("measure", [balanced_accuracy, macro_f1])
class TestEdges:
    def test_all_right(self, measure):
        targets = torch.tensor([0, 0, 0, 2])
        assert measure(torch.eye(3)[targets], targets).tolist() == pytest.approx([1.0] * 4)

    def test_all_wrong(self, measure):
        targets = torch.tensor([0, 0, 0, 2])
        found = measure(torch.eye(3)[(targets + 1) % 3], targets)
        assert found.tolist() == pytest.approx([0.0] * 4)

    def test_one_class_for_all(self, measure):
        targets = torch.tensor([0, 0, 0, 1])
        found = measure(torch.tensor([[0.9, 0.1]]).expand(4, 2), targets)
        expected = {balanced_accuracy: 1 / 2, macro_f1: (6 / 7) / 2}[measure]
        assert found.mean().item() == pytest.approx(expected)

    def test_two_samples(self, measure):
        found = measure(torch.tensor([[0.9, 0.1], [0.9, 0.1]]), torch.tensor([0, 1]))
        assert found.isfinite().all()


def test_the_spread_of_the_balanced_accuracy_is_that_of_the_classes_shares():
    """The variance of a mean of independent shares: of each, p (1 - p) / (n - 1)."""
    correct = torch.tensor([1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0] * 4)
    targets = torch.tensor([0] * 24 + [1] * 14 + [2] * 10)
    probabilities = torch.eye(3)[torch.where(correct == 1, targets, (targets + 1) % 3)]
    values = balanced_accuracy(probabilities, targets)
    shares = [correct[targets == k].double() for k in range(3)]
    expected = sum(each.var().item() / len(each) for each in shares) / 9
    assert (values - values.mean()).square().sum().item() / 48**2 == pytest.approx(expected)


def test_classes_of_few_samples_have_a_common_spread():
    """Of one sample there is none, and an interval would pretend to know its accuracy."""
    targets = torch.tensor([0] * 12 + [1, 2, 3, 4, 4])
    predicted = torch.tensor([0] * 12 + [1, 2, 0, 0, 0])
    values = balanced_accuracy(torch.eye(5)[predicted], targets)
    assert values.mean().item() == pytest.approx(3 / 5)
    assert values[:12].tolist() == pytest.approx([3 / 5] * 12)  # all of them are right
    # The rare classes' recalls are 1, 1, 0 and 0, and of five deviations four are free.
    away = 17 / 5 * 0.5 * (5 / 4) ** 0.5
    expected = [away, away, -away, -away / 2, -away / 2]
    assert (values[12:] - 3 / 5).tolist() == pytest.approx(expected)


def test_values_are_derivatives():
    probabilities, targets = predictions(1, 60, 4)
    check_derivatives(macro_f1, probabilities, targets)


def test_they_are_measured_where_classes_are_unbalanced():
    assert is_unbalanced(torch.tensor([3, 3, 1]))
    assert not is_unbalanced(torch.tensor([3, 3, 3, 1, 1]))
    assert not is_unbalanced(torch.tensor([2, 2]))
    for targets, measured in (([0, 0, 0, 1], True), ([0, 0, 1, 1], False)):
        found = compute_measures(Evaluation(torch.eye(2)[targets], torch.tensor(targets)))
        assert ("balanced_accuracy" in found) == ("macro_f1" in found) == measured
