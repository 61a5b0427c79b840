"""Intervals cover the truth as often as they claim: their coverage is simulated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal.study.intervals import Spread, corrected, interval, seeds_needed

TRUTH = 0.3


def drawn(generator, seeds, samples, by_seed, by_sample, rest):
    """Differences with a known mean, where seeds and samples are crossed."""
    return (
        TRUTH
        + by_seed * generator.standard_normal((seeds, 1))
        + by_sample * generator.standard_normal((1, samples))
        + rest * generator.standard_normal((seeds, samples))
    )


def coverage(times, seeds, samples, *spreads):
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(times):
        found = interval(drawn(generator, seeds, samples, *spreads))
        covered += found.low <= TRUTH <= found.high
    return covered / times


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize(
    "spreads",
    [(1.0, 0.0, 0.0), (0.02, 1.0, 0.0), (0.1, 1.0, 0.0), (0.0, 0.0, 1.0), (0.1, 0.5, 1.0)],
    ids=["seeds alone", "samples mostly", "as much of both", "of each pair", "all three"],
)
def test_intervals_cover_the_truth_as_often_as_they_claim(seeds, spreads):
    times = 1500
    # 95 % intervals cover it less often than this once in 10,000 of these tests.
    least = stats.binom.ppf(1e-4, times, 0.94) / times
    assert coverage(times, seeds, 100, *spreads) >= least


def test_intervals_are_not_wider_than_they_need_to_be():
    # Where seeds alone make the difference, it is Student's interval: exact.
    times = 3000
    most = stats.binom.ppf(1 - 1e-4, times, 0.95) / times
    assert coverage(times, 3, 200, 1.0, 0.0, 0.0) <= most


def test_with_one_number_a_run_it_is_students_paired_interval():
    generator = np.random.default_rng(1)
    own, base = generator.standard_normal((2, 6))
    found = interval((own - base)[:, None])
    expected = stats.ttest_rel(own, base).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_with_identical_seeds_it_is_students_interval_of_the_samples():
    values = np.random.default_rng(2).standard_normal(50)
    found = interval(np.stack([values, values, values]))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_several_intervals_hold_jointly():
    generator = np.random.default_rng(3)
    times, together = 800, 0
    for _ in range(times):
        made = [interval(drawn(generator, 4, 50, 1.0, 0.5, 1.0), comparisons=5) for _ in range(5)]
        together += all(found.low <= TRUTH <= found.high for found in made)
    assert together / times >= stats.binom.ppf(1e-4, times, 0.94) / times


def test_one_seed_gives_no_interval():
    found = interval(np.ones((1, 10)))
    assert (found.mean, found.low, found.high, found.significant) == (1.0, None, None, False)


def test_differences_without_variance_are_known_exactly():
    found = interval(np.full((3, 4), 0.5))
    assert (found.low, found.high, found.significant) == (0.5, 0.5, True)


@given(st.integers(2, 6), st.integers(2, 30), st.integers(0, 1000), st.integers(1, 20))
def test_an_interval_lies_around_its_mean_and_grows_with_the_comparisons(s, n, seed, count):
    values = np.random.default_rng(seed).standard_normal((s, n))
    one, several = interval(values), interval(values, count)
    assert several.low <= one.low <= one.mean <= one.high <= several.high
    assert one.mean == pytest.approx(values.mean())
    assert (one.low + one.high) / 2 == pytest.approx(one.mean)


@given(st.integers(2, 6), st.integers(2, 30), st.integers(0, 1000))
def test_signs_and_units_do_not_matter(s, n, seed):
    values = np.random.default_rng(seed).standard_normal((s, n))
    one, other = interval(values), interval(-100 * values)
    assert other.low == pytest.approx(-100 * one.high)
    assert other.high == pytest.approx(-100 * one.low)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(seeds, samples\)"):
        interval(np.empty(shape))


class TestComponents:
    """The half width from its three variances: seeds 4, samples 3, interaction 1 (of 5 seeds)."""

    SPREAD = Spread(0.0, by_seeds=4.0, by_samples=3.0, by_both=1.0, seeds=5, samples=50)

    def half_width(self, by_seeds, by_samples, by_both, seeds):
        variance = by_seeds + by_samples - by_both
        freedom = variance**2 / (by_seeds**2 / (seeds - 1) + by_samples**2 / 49)
        return stats.t.ppf(0.975, freedom) * math.sqrt(variance)

    def test_the_interaction_counts_once(self):
        assert self.SPREAD.half_width(0.95) == pytest.approx(self.half_width(4, 3, 1, 5))

    def test_more_seeds_shrink_only_their_own_share_and_the_interaction(self):
        # Of the samples' 3, the interaction is 1, which becomes 1/4; their own 2 stay.
        expected = self.half_width(4 / 4, 2 + 1 / 4, 1 / 4, 20)
        assert self.SPREAD.half_width(0.95, 20) == pytest.approx(expected)


class TestSeedsNeeded:
    def test_this_number_and_no_smaller_one_is_narrow_enough(self):
        values = np.random.default_rng(4).standard_normal((4, 1))
        asked = 0.5
        needed = seeds_needed(values, asked)
        spread = Spread.of(values)
        assert spread.half_width(0.95, needed) <= asked < spread.half_width(0.95, needed - 1)

    def test_for_the_seeds_there_are_it_is_the_interval(self):
        values = np.random.default_rng(5).standard_normal((4, 30))
        found = interval(values)
        half = Spread.of(values).half_width(0.95, 4)
        assert half == pytest.approx((found.high - found.low) / 2)

    def test_no_number_of_seeds_makes_up_for_too_few_samples(self):
        values = np.random.default_rng(6).standard_normal((1, 20)) + np.zeros((3, 1))
        assert seeds_needed(values, 0.01) is None

    def test_a_difference_of_seeds_alone_needs_some_number_of_them(self):
        """However far apart they are, and where the samples' share is estimated below zero."""
        for seed in range(20):
            generator = np.random.default_rng(seed)
            values = 3 * generator.standard_normal((3, 1)) + generator.standard_normal((3, 50))
            values -= values.mean(0) - values.mean()  # every sample has the same mean
            spread = Spread.of(values)
            assert spread.by_samples < spread.by_both
            needed = seeds_needed(values, 0.01)
            assert spread.half_width(0.95, needed) <= 0.01 < spread.half_width(0.95, needed - 1)

    def test_it_is_unbiased(self):
        """Spread from one run, the half width for 12 seeds is near that of 12 seeds."""
        generator = np.random.default_rng(7)
        predicted, found = [], []
        for _ in range(300):
            values = drawn(generator, 12, 40, 1.0, 0.5, 1.0)
            predicted.append(Spread.of(values[:6]).half_width(0.95, 12))
            found.append(Spread.of(values).half_width(0.95))
        assert np.mean(predicted) == pytest.approx(np.mean(found), rel=0.15)


def test_the_level_is_shared_among_comparisons():
    assert corrected(1) == pytest.approx(0.95)
    assert math.isclose(corrected(10), 0.995)
