"""Cuts and labels: all of them tried, without numba, and as gco-wrapper 3.0.9 finds them."""

from itertools import product
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.mixing import compiled
from vicinal.mixing.graph_cut import cut, least_labels


def energy_of(costs, down, across, labels):
    """(B,) the energies, times (L - 1)²."""
    last = costs.shape[1] - 1
    own = costs.gather(1, labels[:, None]).flatten(1).sum(1) * last**2
    both = [(down, labels.diff(dim=1)), (across, labels.diff(dim=2))]
    return own + sum((weight * step.square()).flatten(1).sum(1) for weight, step in both)


def cost_of(field, down, across, inside):
    return energy_of(torch.stack((0 * field, field), 1), down, across, inside.long())


def least_of_all(costs, down, across):
    count, labels, height, width = costs.shape
    found = [
        energy_of(
            costs, down, across, torch.tensor(each).view(1, height, width).repeat(count, 1, 1)
        )
        for each in product(range(labels), repeat=height * width)
    ]
    return torch.stack(found).amin(0)


def random_grid(height, width, seed, count=8, scale=20):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, low=0):
        return torch.randint(low, scale + 1, (count, *shape), generator=generator)

    field = draw(height, width, low=-scale)
    return field, draw(height - 1, width), draw(height, width - 1)


def convex_costs(labels, height, width, seed, count=8):
    generator = torch.Generator().manual_seed(seed)
    bend = torch.randint(0, 20, (count, labels, height, width), generator=generator)
    slope = torch.randint(-40, 40, (count, 1, height, width), generator=generator)
    return (slope + bend.cumsum(1)).cumsum(1)


sides = st.sampled_from([(1, 1), (1, 4), (3, 1), (2, 3), (3, 3)])


@settings(max_examples=30, deadline=None)
@given(sides, st.integers(0, 10**6))
def test_a_cut_costs_least_of_all(side, seed):
    field, down, across = random_grid(*side, seed)
    found = cost_of(field, down, across, cut(field, down, across))
    assert torch.equal(found, least_of_all(torch.stack((0 * field, field), 1), down, across))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([(2, 3, 3), (3, 2, 3), (4, 2, 2), (5, 1, 4)]), st.integers(0, 10**6))
def test_labels_have_the_least_energy_of_all(case, seed):
    labels, *side = case
    _, down, across = random_grid(*side, seed)
    costs = convex_costs(labels, *side, seed)
    found = least_labels(costs, down, across)
    assert found.amin() >= 0
    assert found.amax() < labels
    expected = least_of_all(costs, down, across)
    assert torch.equal(energy_of(costs, down, across, found), expected)


def test_of_several_least_cuts_it_is_the_smallest():
    field, none = torch.tensor([[[-3, 3, 0, -2, 1]]]), torch.zeros(1, 0, 5).long()
    inside = cut(field, none, torch.tensor([[[3, 0, 0, 1]]]))
    assert inside.tolist() == [[[False, False, False, True, False]]]


@pytest.mark.parametrize("side", [(2, 2), (5, 3), (16, 16)])
def test_scipy_finds_the_same_cuts(side):
    pytest.importorskip("scipy")
    arguments = random_grid(*side, seed=3, count=20)
    found = cut(*arguments)
    with mock.patch.object(compiled, "cut", return_value=None):
        assert torch.equal(cut(*arguments), found)


def test_without_numba_and_scipy_there_is_one_sentence():
    missing = {"scipy.sparse": None, "scipy.sparse.csgraph": None}
    with (
        mock.patch.object(compiled, "cut", return_value=None),
        mock.patch.dict("sys.modules", missing),
        pytest.raises(ModuleNotFoundError, match=r"graph cuts need numba or scipy: pip install"),
    ):
        cut(*random_grid(2, 2, seed=0))


def test_negative_weights_are_refused():
    pytest.importorskip("numba")
    field, down, across = random_grid(2, 2, seed=0)
    with pytest.raises(ValueError, match="weights between the blocks of a grid must be 0 or more"):
        cut(field, down - 100, across)


def wave(*shape, step):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) * step).sin().view(shape)


def problem(number):
    side = (4, 8)[number % 2]
    own = (1000 * wave(side, side, step=1.1 + 0.37 * number).square()).long()
    other = (1000 * wave(side, side, step=0.6 + 0.29 * number).square()).long()
    costs = torch.stack((own + 300, (own + other) // 2 + 160, other + 300))
    down = (300 * (1 + wave(side - 1, side, step=2.9 + number))).long()
    across = (300 * (1 + wave(side, side - 1, step=0.7 + number))).long()
    return costs[None], down[None], across[None]


# The energies of the labels that its alpha-beta swaps end at.
SWAPPED = [
    39276, 164465, 40585, 165733, 41839, 165795, 41509, 161426, 37738, 158113, 41284, 162871,
]  # fmt: skip
LOWER = {2: 40526, 3: 165688, 7: 161400}


@pytest.mark.parametrize("number", range(len(SWAPPED)))
def test_energies_are_those_of_gco_or_lower(number):
    arguments = problem(number)
    found = int(energy_of(*arguments, least_labels(*arguments)))
    assert found == LOWER.get(number, SWAPPED[number])


def test_a_large_cost_does_not_overflow():
    """Of gco-wrapper, which multiplies it to 32 bits, the block gets label 2: its cost is 50000."""
    costs = torch.tensor([1000, 500, 0]).view(1, 3, 1, 1).repeat(1, 1, 8, 8)
    costs[0, :, 3, 3] = torch.tensor([0, 25000, 50000])
    weights = torch.full((1, 7, 8), 10), torch.full((1, 8, 7), 10)
    labels = least_labels(costs, *weights)
    assert labels[0, 3, 3] == 0
    assert int(energy_of(costs, *weights, labels)) == 160
