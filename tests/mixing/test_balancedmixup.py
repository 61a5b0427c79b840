"""BalancedMixUp: partners of all classes alike, with a share that is mostly small.

Each statistical test raises a false alarm with a probability of 1e-6 at most; seeds are fixed, so
it has been passed once and for all.
"""

import numpy as np
import pytest
import torch
from scipy import stats

from vicinal import BalancedMixUp, Choice, MixUp, Schedule

FALSE_ALARM = 1e-6
LABELS = torch.tensor([7] * 12 + [0] * 5 + [-3] * 2 + [1])  # any integers


def met(draw, times=2500):
    return np.stack([draw().partner.numpy() for _ in range(times)])


def assert_balanced(rows, labels):
    classes, sizes = labels.unique(return_inverse=True, return_counts=True)[1:]
    expected = 1 / sizes[classes].double() / len(sizes)
    counts = np.bincount(rows.ravel(), minlength=len(labels))
    assert stats.chisquare(counts, rows.size * expected.numpy()).pvalue > FALSE_ALARM


@pytest.mark.parametrize("per", ["sample", "batch"])
def test_partners_of_the_batch_are_of_all_classes_alike(per):
    mixer, x = BalancedMixUp(per=per, seed=0), torch.empty(len(LABELS), 1)
    assert_balanced(met(lambda: mixer.draw(x, LABELS)), LABELS)


def test_partners_of_the_pool_are_of_all_classes_alike():
    mixer = BalancedMixUp(pool=(torch.rand(len(LABELS), 1), LABELS), seed=1)
    x, y = torch.rand(4, 1), torch.tensor([7, 7, 7, 5])
    assert_balanced(met(lambda: mixer.draw(x, y)), LABELS)


def test_neighbours_in_a_batch_choose_for_themselves():
    y = torch.tensor([0, 1])
    mixer = BalancedMixUp(seed=2)
    rows = met(lambda: mixer.draw(y, y))
    counts = np.bincount(rows @ [1, 2], minlength=4)
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 3.0])
def test_the_partners_share_is_beta_of_alpha_and_1(alpha):
    y = torch.zeros(20_000, dtype=torch.long)
    weight = BalancedMixUp(alpha, seed=3).draw(y, y).weight.double().numpy()
    law = stats.beta(1, alpha)
    inner = weight[(weight > 0.001) & (weight < 0.999)]  # near 1, float32 is too coarse
    low, high = law.cdf([0.001, 0.999])
    count = stats.binomtest(len(inner), len(weight), high - low)
    shape = stats.kstest(inner, lambda w: (law.cdf(w) - low) / (high - low))
    assert min(count.pvalue, shape.pvalue) > FALSE_ALARM / 2
    assert weight.mean() == pytest.approx(1 / (alpha + 1), abs=0.02)


def test_alpha_0_mixes_nothing():
    x, y = torch.rand(4, 2), torch.arange(4)
    mixed, target = BalancedMixUp(0)(x, y)
    assert torch.equal(mixed, x)
    assert target.weight.tolist() == [1.0] * 4


@pytest.mark.parametrize("inplace", [False, True])
def test_samples_and_labels_are_mixed_by_one_weight(inplace):
    y = torch.tensor([0, 0, 0, 0, 1])
    x = y.float()
    mixed, target = BalancedMixUp(1.0, seed=0)(x.clone(), y, inplace=inplace)
    assert torch.allclose(mixed, target.dense(2)[:, 1], atol=1e-6)


def test_a_second_batch_by_a_balanced_loader_is_mixed_row_with_row():
    x, y, other = torch.zeros(3), torch.zeros(3).long(), (torch.ones(3), torch.ones(3).long())
    mixed, target = BalancedMixUp(1.0, seed=0)(x, y, other=other)
    assert torch.allclose(mixed, 1 - target.weight)
    assert target.partner.tolist() == [1, 1, 1]


def test_a_pool_adds_classes_that_the_batch_lacks():
    pool = torch.arange(6.0), torch.tensor([0, 0, 0, 0, 1, 2])
    mixed, target = BalancedMixUp(1.0, pool=pool, seed=0)(torch.zeros(300), torch.zeros(300).long())
    assert target.partner.bincount().min() > 50
    shown = mixed / (1 - target.weight)
    assert torch.allclose(shown[target.partner == 2], torch.tensor(5.0), atol=1e-3)


def test_it_goes_into_a_schedule_and_a_choice():
    y = torch.tensor([0, 0, 1])
    mixed, target = Schedule(BalancedMixUp(1.0), steps=1, seed=0)(y.float(), y, inplace=True)
    assert torch.allclose(mixed, target.dense(2)[:, 1], atol=1e-6)
    mixed, target = Choice([MixUp(), BalancedMixUp(1.0)], seed=0)(y.float(), y)
    assert torch.allclose(mixed, target.dense(2)[:, 1], atol=1e-6)


def test_it_compiles_to_the_same_numbers():
    compiled, eager = BalancedMixUp(seed=0), BalancedMixUp(seed=0)
    call = torch.compile(lambda x, y: compiled(x, y), fullgraph=True, backend="aot_eager")
    x, y = torch.rand(6, 2), torch.tensor([0, 0, 0, 0, 1, 2])
    (mixed, target), (expected, other) = call(x, y), eager(x, y)
    assert torch.allclose(mixed, expected)
    assert torch.equal(target.partner, other.partner)


@pytest.mark.parametrize("y", [None, torch.rand(2), torch.zeros(2, 3, dtype=torch.long)])
def test_targets_that_are_no_classes_are_rejected(y):
    with pytest.raises(TypeError, match="class indices of shape"):
        BalancedMixUp().draw(torch.rand(2, 2), y)


def test_labels_of_every_integer_dtype():
    expected = BalancedMixUp(seed=0).draw(LABELS, LABELS).partner
    for dtype in (torch.int8, torch.int16, torch.int32):
        assert torch.equal(BalancedMixUp(seed=0).draw(LABELS, LABELS.to(dtype)).partner, expected)
