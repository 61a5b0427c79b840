from functools import partial

import pytest
import torch
import torch.nn.functional as F

from vicinal import (
    MixedTarget,
    Perplexity,
    accuracy,
    accuracy_multi,
    error_rate,
    foreground_acc,
    mae,
    perplexity,
    rmse,
    top_k_accuracy,
)
from vicinal.metrics import mse, sum_and_count

SCORES = torch.tensor([[5.0, 1, 0], [0, 5, 1], [1, 0, 5], [5, 1, 0]])


def test_plain_accuracy():
    assert accuracy(SCORES, torch.tensor([0, 1, 2, 2])) == 0.75
    assert error_rate(SCORES, torch.tensor([0, 1, 2, 2])) == 0.25


def test_each_label_counts_by_its_weight():
    y = MixedTarget(
        torch.tensor([0, 1, 0, 1]), torch.tensor([1, 1, 2, 2]), torch.tensor([0.7, 0.6, 0.9, 0.5])
    )
    assert accuracy(SCORES, y) == pytest.approx((0.7 + 1 + 0.1 + 0) / 4)
    assert error_rate(SCORES, y) == pytest.approx(1 - (0.7 + 1 + 0.1 + 0) / 4)


def test_top_k():
    assert top_k_accuracy(SCORES, torch.tensor([1, 2, 0, 2]), k=2) == 0.75
    assert top_k_accuracy(SCORES, torch.tensor([1, 2, 0, 2]), k=3) == 1
    y = MixedTarget(torch.tensor([1] * 4), torch.tensor([2] * 4), torch.full((4,), 0.75))
    hits = [0.75, 1, 0.25, 0.75]
    assert top_k_accuracy(SCORES, y, k=2) == pytest.approx(sum(hits) / 4)


def test_masks_are_counted_by_pixel():
    output = torch.randn(2, 3, 4, 5)
    y = output.argmax(1)
    y[0] = (y[0] + 1) % 3
    assert accuracy(output, y) == 0.5
    assert accuracy(output, MixedTarget(y, output.argmax(1), torch.tensor([0.25, 0.25]))) == 0.875


def test_invalid_arguments_raise():
    with pytest.raises(ValueError, match=r"between 1 and the 3 classes, not 4"):
        top_k_accuracy(SCORES, torch.zeros(4, dtype=torch.long), k=4)
    with pytest.raises(ValueError, match=r"\(5,\).*\(4,\)"):
        accuracy(SCORES, torch.zeros(5, dtype=torch.long))


VALUES = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
OFF = VALUES + torch.tensor([[0.0, 1.0], [-2.0, 3.0]])


def test_regression_errors():
    assert mae(OFF, VALUES) == 1.5
    assert mse(OFF, VALUES) == 3.5
    assert rmse(OFF, VALUES) == pytest.approx(3.5**0.5)
    assert mae(torch.tensor([1, 4]), torch.tensor([1, 2])) == 1  # of classes in an order, too


def test_both_values_of_a_mixed_target_count():
    y = MixedTarget(VALUES, OFF, torch.tensor([0.75, 0.5]))
    assert mae(OFF, y) == pytest.approx((0.75 * 1 + 0.5 * 5) / 4)
    assert rmse(OFF, y) == pytest.approx(((0.75 * 1 + 0.5 * 13) / 4) ** 0.5)


def test_multi_label_accuracy():
    logits = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.5, 0.1]])
    target = torch.tensor([[1, 0, 0], [1, 1, 1]])
    assert accuracy_multi(logits, target) == pytest.approx(4 / 6)
    assert accuracy_multi(logits.sigmoid(), target.float(), sigmoid=False) == pytest.approx(4 / 6)
    y = MixedTarget(target, 1 - target, torch.tensor([1.0, 0.25]))
    assert accuracy_multi(logits, y) == pytest.approx((2 + 0.25 * 2 + 0.75 * 1) / 6)


@pytest.mark.parametrize("metric", [mae, mse, rmse, accuracy_multi])
def test_a_target_of_another_shape_does_not_broadcast(metric):
    output, y = torch.rand(4, 1), torch.rand(2, 4)
    for one, other in ((y[0], y[1]), (y[:, :, None][0], y[:, :, None][1])):
        mixed = MixedTarget(one, other, torch.rand(4))
        column = MixedTarget(one.reshape(4, 1), other.reshape(4, 1), mixed.weight)
        torch.testing.assert_close(metric(output, one), metric(output, one.reshape(4, 1)))
        torch.testing.assert_close(metric(output, mixed), metric(output, column))
    for target in (torch.rand(8), torch.rand(2, 2), torch.tensor(1.0)):
        with pytest.raises(ValueError, match=r"\(4, 1\), but the target \("):
            metric(output, target)


@pytest.mark.parametrize("metric", [accuracy, error_rate, partial(top_k_accuracy, k=2)])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_batches_with_different_numbers_of_valid_labels(metric, is_mixed):
    g = torch.Generator().manual_seed(0)
    output, own = torch.randn(6, 3, 4, 4, generator=g), torch.randint(3, (6, 4, 4), generator=g)
    own[torch.rand(own.shape, generator=g) < torch.arange(6).view(-1, 1, 1) / 5] = 255
    assert (own[5] == 255).all()
    target = MixedTarget(own, own.flip(1), torch.rand(6, generator=g)) if is_mixed else own
    metric = partial(metric, ignore_index=255)
    each = [sum_and_count(metric, output[rows], target[rows]) for rows in torch.arange(6).split(1)]
    sums, counts = (torch.stack(values).sum() for values in zip(*each, strict=True))
    torch.testing.assert_close(sums / counts, metric(output, target))


@pytest.mark.parametrize("metric", [mae, rmse])
def test_means_over_samples_of_batches_of_different_sizes(metric):
    output, target = torch.rand(5, 2), torch.rand(5, 2)
    each = [sum_and_count(metric, output[rows], target[rows]) for rows in torch.arange(5).split(2)]
    mean = sum(total for total, _ in each) / sum(count for _, count in each)
    found = metric.finish(mean) if metric is rmse else mean
    assert found == pytest.approx(metric(output, target).item())


def test_ignore_index():
    output = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    labels = torch.tensor([0, 1, 1, 255])
    assert accuracy(output, labels) == 0.5
    assert accuracy(output, labels, ignore_index=255) == pytest.approx(2 / 3)
    assert error_rate(output, labels, ignore_index=255) == pytest.approx(1 / 3)
    target = MixedTarget(labels, torch.tensor([0, 0, 255, 1]), torch.tensor([0.5, 0.75, 0.5, 0.25]))
    # Correct: 0.5 + 0.5, 0.25, 0.5, 0.75; valid: 1, 1, 0.5 and 0.75.
    assert accuracy(output, target, ignore_index=255) == pytest.approx(2.5 / 3.25)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_errors_whose_squares_are_beyond_float32_are_computed_in_float64(unit):
    output, target = torch.tensor([[1.0, 2.0], [1.0, 5.0]], dtype=torch.float64) * unit
    assert mse(output, target).item() == pytest.approx(4.5 * unit**2)
    assert rmse(output, target).item() == pytest.approx(4.5**0.5 * unit)
    assert mae(output, target).item() == pytest.approx(1.5 * unit)
    y = MixedTarget(target, target.flip(0), torch.tensor([0.75, 0.5]))
    # The first: 0.75 of 0 and 0.25 of 16; the second: half of 9 and half of 1.
    assert rmse(output, y).item() == pytest.approx(((4 + 5) / 2) ** 0.5 * unit)


def test_several_labels_for_each_sample_are_sent_to_the_score_of_them():
    with pytest.raises(ValueError, match=r"needs \(2,\): several labels .* for accuracy_multi$"):
        accuracy(torch.zeros(2, 3), torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"needs \(2,\)$"):
        accuracy(torch.zeros(2, 3), torch.tensor([0, 1, 2]))


def test_a_perplexity_counts_its_tokens_and_not_its_batches():
    g = torch.Generator().manual_seed(0)
    output, target = torch.randn(8, 5, 7, generator=g), torch.randint(7, (8, 5), generator=g)
    target[torch.arange(5) >= torch.arange(8).view(-1, 1) % 5 + 1] = 3
    metric = Perplexity(ignore_index=3)
    valid = target != 3
    expected = F.cross_entropy(output[valid], target[valid]).exp()
    torch.testing.assert_close(metric(output, target), expected)
    each = [sum_and_count(metric, output[r], target[r]) for r in torch.arange(8).split(3)]
    sums, counts = (torch.stack(values).sum() for values in zip(*each, strict=True))
    assert metric.finish((sums / counts).item()) == pytest.approx(expected.item(), rel=1e-5)


def test_the_perplexity_of_mixed_targets():
    output, own, partner = torch.randn(4, 3, 5), torch.randint(5, (4, 3)), torch.randint(5, (4, 3))
    weight = torch.tensor([1.0, 0.75, 0.5, 0.25])
    losses = [F.cross_entropy(output.mT, y, reduction="none").mean(1) for y in (own, partner)]
    expected = (weight * losses[0] + (1 - weight) * losses[1]).mean().exp()
    torch.testing.assert_close(perplexity(output, MixedTarget(own, partner, weight)), expected)


def test_a_perplexity_beyond_all_numbers_is_infinite():
    assert perplexity.finish(2000.0) == float("inf")
    assert perplexity(torch.tensor([[0.0, 3000.0]]), torch.tensor([0])) == float("inf")


@pytest.mark.parametrize("metric", [accuracy, error_rate, top_k_accuracy, foreground_acc])
def test_one_score_for_two_classes_is_refused(metric):
    with pytest.raises(ValueError, match="take accuracy_multi for one logit of two classes"):
        metric(torch.randn(4, 1), torch.tensor([0, 1, 1, 0]))
    logits, labels = torch.tensor([[-2.0], [3.0], [-1.0]]), torch.tensor([0, 1, 1])
    assert accuracy_multi(logits, labels).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", [mae, mse])
def test_a_target_whose_axes_are_turned_is_refused(metric):
    values = torch.rand(1, 2, 3)
    with pytest.raises(ValueError, match="in the same order"):
        metric(values, values.mT)
    assert metric(values, values.flatten(1)) == 0
