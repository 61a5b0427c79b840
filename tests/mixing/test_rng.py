"""Weights and partners: their distributions, seeds and states.

Each statistical test raises a false alarm with probability 1e-6; seeds are fixed, so it has been
passed once and for all.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal import MixUp, rng
from vicinal.mixing.beta import symmetric_beta
from vicinal.mixing.partners import PARTNERS, cycle, reverse

FALSE_ALARM = 1e-6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def assert_distributed(drawn, cdf, low, high):
    """The empirical distribution is nowhere further from ``cdf`` than chance allows.

    By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart. The ends are left out, because
    for small alpha much of the mass lies nearer to them than floats can tell apart.
    """
    thresholds = np.linspace(low, high, 1001)
    empirical = np.searchsorted(np.sort(drawn), thresholds, side="right") / len(drawn)
    bound = math.sqrt(math.log(2 / FALSE_ALARM) / (2 * len(drawn)))
    assert np.abs(empirical - cdf(thresholds)).max() < bound


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.4, 0.5, 1.0, 2.0, 8.0, 300.0])
def test_weights_follow_the_beta_distribution(alpha):
    drawn = symmetric_beta(alpha, 20_000, generator()).numpy()
    assert_distributed(drawn, stats.beta(alpha, alpha).cdf, 0.001, 0.999)


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 4.0])
def test_folded_weights_follow_the_folded_beta_distribution(alpha):
    weight = MixUp(alpha, seed=1).draw(torch.empty(20_000, 1)).weight.double().numpy()
    beta = stats.beta(alpha, alpha)
    assert_distributed(weight, lambda w: beta.cdf(w) - beta.cdf(1 - w), 0.501, 0.999)


@given(alpha=st.floats(1e-4, 1e12), seed=st.integers(0, 2**31))
def test_weights_stay_in_range_for_every_alpha(alpha, seed):
    drawn = symmetric_beta(alpha, 64, generator(seed))
    assert bool(((drawn >= 0) & (drawn <= 1)).all())


def test_an_infinite_alpha_gives_halves():
    assert symmetric_beta(float("inf"), 5, generator()).tolist() == [0.5] * 5


@given(count=st.integers(0, 40), seed=st.integers(0, 2**31))
def test_the_cycle_is_one_cycle_through_everybody(count, seed):
    (partner,) = cycle(1, count, generator(seed)).tolist()
    visited, row = [], 0
    for _ in range(count):
        visited.append(row)
        row = partner[row]
    assert sorted(visited) == list(range(count))
    assert row == 0


@given(count=st.integers(3, 40), seed=st.integers(0, 2**31))
def test_the_cycle_repeats_no_pair_and_pairs_nobody_with_himself(count, seed):
    (partner,) = cycle(1, count, generator(seed)).tolist()
    pairs = {frozenset(pair) for pair in enumerate(partner)}
    assert len(pairs) == count
    assert all(len(pair) == 2 for pair in pairs)


def test_partners_are_uniform_over_the_others():
    g, count = generator(), 6
    seen = np.zeros((count, count))
    for _ in range(6000):
        seen[np.arange(count), cycle(1, count, g)[0].numpy()] += 1
    for row in range(count):
        others = np.delete(seen[row], row)
        assert seen[row, row] == 0
        assert stats.chisquare(others).pvalue > FALSE_ALARM / count


@given(batches=st.integers(1, 4), count=st.integers(0, 20), seed=st.integers(0, 2**31))
def test_partners_are_permutations_of_each_batch(batches, count, seed):
    for draw in PARTNERS.values():
        partner = draw(batches, count, generator(seed)).tolist()
        assert [sorted(batch) for batch in partner] == [list(range(count))] * batches
    assert reverse(1, count, generator()).tolist() == [list(range(count))[::-1]]


def drawn(mixer, batches=3):
    mixes = [mixer.draw(torch.empty(9, 2)) for _ in range(batches)]
    return torch.stack([torch.cat([m.partner.double(), m.weight.double()]) for m in mixes])


@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("p", [1.0, 0.5])
def test_one_seed_one_result(per, p):
    first, second = (MixUp(per=per, p=p, seed=7) for _ in range(2))
    assert torch.equal(drawn(first), drawn(second))
    assert not torch.equal(drawn(first), drawn(MixUp(per=per, p=p, seed=8)))


def test_a_mixer_without_seed_says_which_it_took():
    mixer = MixUp()
    again = MixUp(seed=mixer.random.seed)
    assert torch.equal(drawn(mixer), drawn(again))
    assert mixer.random.seed != MixUp().random.seed


def test_a_restored_state_goes_on_where_it_was():
    mixer = MixUp(seed=3)
    drawn(mixer)
    state = mixer.state_dict()
    expected = drawn(mixer)
    other = MixUp(seed=99)
    other.load_state_dict(state)
    assert torch.equal(drawn(other), expected)
    assert other.random.seed == 3
    assert state == {"seed": 3, "draws": 3}


def test_ranks_draw_from_streams_of_their_own(monkeypatch):
    results = []
    for rank in range(3):
        monkeypatch.setattr(rng, "rank_and_world_size", lambda rank=rank: (rank, 8))
        results.append(drawn(MixUp(seed=0)))
    monkeypatch.setattr(rng, "rank_and_world_size", lambda: (0, 1))
    results.append(drawn(MixUp(seed=1)))  # the next seed is not the next rank
    for i, one in enumerate(results):
        assert not any(torch.equal(one, other) for other in results[i + 1 :])


def test_no_global_generator_is_read_or_moved():
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = drawn(MixUp(p=0.5, seed=0))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    torch.manual_seed(6)
    assert torch.equal(drawn(MixUp(p=0.5, seed=0)), first)


@pytest.mark.parametrize("seed", [1.5, "1", True])
def test_a_seed_that_is_no_integer_is_refused(seed):
    with pytest.raises(TypeError, match="seed must be an integer"):
        MixUp(seed=seed)
