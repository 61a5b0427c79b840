"""Weights from the beta distribution.

Each statistical test raises a false alarm with probability 1e-6; seeds are fixed, so that once a
test has passed, it always does.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal import MixUp
from vicinal.mixing.beta import sample_lam, symmetric_beta

FALSE_ALARM = 1e-6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def assert_distributed(drawn, cdf, low, high):
    """The empirical distribution is nowhere further from ``cdf`` than chance allows.

    By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart. The ends are left out, because
    for small alpha much of the mass is nearer to them than the spacing of floats.
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


def test_an_infinite_alpha_returns_halves():
    assert symmetric_beta(float("inf"), 5, generator()).tolist() == [0.5] * 5


@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_lam_is_beta_and_one_without_alpha(alpha):
    assert sample_lam(0.0, 5, generator()).tolist() == [1.0] * 5
    expected = symmetric_beta(alpha, 5, generator())
    assert torch.equal(sample_lam(alpha, 5, generator()), expected)
