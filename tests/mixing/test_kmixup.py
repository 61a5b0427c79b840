"""KMixUp: partners by optimal transport between groups of k samples.

The authors' values are those of mixup_data in their train.py (github.com/AnmingGu/kmixup-cifar10),
with a network that returns its input, after torch.manual_seed(1).
"""

from itertools import permutations
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Choice, CutMix, KMixUp, ManifoldMixUp, check_mixer
from vicinal.mixing.methods.kmixup import matched


def squares(x):
    flat = x.double().flatten(1)
    return ((flat[:, None] - flat) ** 2).sum(2)


def assign(cost):
    return torch.ops.vicinal.assign(cost)


@given(count=st.integers(1, 40), k=st.integers(1, 50), seed=st.integers(0, 2**31))
def test_partners_are_a_permutation_without_fixed_points(count, k, seed):
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=g)
    partner = matched(squares(torch.rand(count, 2, generator=g)), order, k)
    assert sorted(partner.tolist()) == list(range(count))
    assert count < 2 or not (partner == torch.arange(count)).any()


@given(seed=st.integers(0, 2**31))
def test_each_group_has_the_cheapest_assignment(seed):
    g = torch.Generator().manual_seed(seed)
    x, order = torch.rand(11, 3, generator=g), torch.randperm(11, generator=g)
    cost = squares(x)
    partner = matched(cost, order, 4)
    for first, second in (
        (order[:4], order[4:8]),
        (order[4:8], torch.cat((order[8:], order[:1]))),
        (order[8:], order[1:4]),  # the rest
    ):
        best = min(cost[first, list(one)].sum() for one in permutations(second.tolist()))
        assert set(partner[first].tolist()) == set(second.tolist())
        torch.testing.assert_close(cost[first, partner[first]].sum(), best)


def test_the_authors_matching_is_that_of_the_distances_themselves():
    x = [[5, 9], [4, 8], [3, 3], [1, 1], [9, 2], [8, 9], [6, 3], [3, 0], [2, 1], [2, 6], [0, 3]]
    x = torch.tensor([*x, [6, 4]], dtype=torch.float64)
    index = torch.tensor([1, 4, 6, 8, 11, 0, 5, 3, 2, 9, 10, 7])
    theirs = torch.tensor([4, 1, 6, 8, 0, 5, 11, 3, 7, 9, 10, 2])
    groups, others = torch.arange(12).view(3, 4), index.view(3, 4)
    cost = squares(x)[groups.unsqueeze(2), others.unsqueeze(1)]
    same = others.gather(1, assign(cost.sqrt())).flatten()
    assert torch.equal(same, theirs)
    assert torch.equal(x[5], x[theirs[5]])  # some are their own partners, as ours never are
    ours = others.gather(1, assign(cost)).flatten()
    rows = torch.arange(12)
    assert squares(x)[rows, ours].sum() == 136 < squares(x)[rows, theirs].sum() == 158


def test_k_of_one_is_a_random_cycle():
    order = torch.randperm(9)
    partner = matched(torch.rand(9, 9), order, 1)
    assert torch.equal(partner[order], order.roll(-1))


def test_the_larger_the_groups_the_nearer_are_partners():
    x = torch.rand(64, 2, generator=torch.Generator().manual_seed(0))
    cost, rows = squares(x), torch.arange(64)
    mean = [cost[rows, KMixUp(k, seed=0).draw(x).partner].mean() for k in (1, 4, 16, 32)]
    assert mean == sorted(mean, reverse=True)


def test_one_missing_value_leaves_the_others_matched_as_well_as_can_be():
    cost = squares(torch.rand(8, 2))
    cost[3], cost[:, 3] = torch.inf, torch.inf
    order = torch.arange(8)
    partner = matched(cost, order, 4)
    finite = min(
        sum(cost[i, j] for i, j in zip(range(4), one, strict=True) if i != 3)
        for one in permutations(range(4, 8))
    )
    torch.testing.assert_close(cost[order[:3], partner[:3]].sum(), finite)
    x = torch.rand(8, 2)
    x[2] = torch.nan
    assert sorted(KMixUp(4, seed=0).draw(x).partner.tolist()) == list(range(8))


def test_the_distance_may_be_that_of_features():
    x = torch.rand(12, 5)
    by_features = KMixUp(6, distance=lambda x: x[:, :1], seed=0).draw(x).partner
    assert torch.equal(by_features, KMixUp(6, seed=0).draw(x[:, :1]).partner)


def test_weights_are_not_folded_and_one_for_a_batch_if_wanted():
    x = torch.rand(200, 2)
    weight = KMixUp(seed=0).draw(x).weight
    assert 0.3 < (weight < 0.5).float().mean() < 0.7
    assert len(KMixUp(per="batch", seed=0).draw(x).weight.unique()) == 1


def test_it_takes_turns_and_mixes_layers():
    x, y = torch.rand(12, 3, 8, 8), torch.arange(12) % 3
    mix = Choice([KMixUp(6), CutMix()], seed=0).draw(x, y)
    assert len(mix.patterns) == 2
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    with ManifoldMixUp(model, "0", mixer=KMixUp(6), seed=0) as mixup:
        target = mixup(x, y)[1]
        assert model(x).shape == (12, 2)
    assert len(target.weight) == 12


def test_it_passes_the_checks():
    check_mixer(KMixUp(3), skip=["compiled", "wrapped"])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: KMixUp(0), ValueError, "k must be 1 or more, not 0"),
        (lambda: KMixUp(2.5), TypeError, "k must be a whole number, not 2.5"),
        (lambda: KMixUp(distance="targets"), TypeError, "must be a function of the samples, not"),
        (lambda: KMixUp(partners="cycle"), TypeError, "KMixUp has no option 'partners'"),
        (
            lambda: KMixUp()(torch.rand(4, 2), torch.arange(4), other=(torch.rand(4, 2), None)),
            ValueError,
            "of one batch: give it no second batch",
        ),
        (
            lambda: Choice([KMixUp()], half=True)(torch.rand(4, 2), torch.arange(4)),
            ValueError,
            "give it no second batch and no half",
        ),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_scipy_is_asked_for_when_it_is_made():
    missing = mock.patch("vicinal.mixing.methods.kmixup.find_spec", return_value=None)
    with missing, pytest.raises(ModuleNotFoundError, match=r"needs scipy: pip install 'vicinal"):
        KMixUp()
