"""Intervals cover the truth as often as they claim: their coverage is simulated."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal.study.intervals import Interval, Spread, corrected, interval, seeds_needed

TRUTH = 0.3
TIMES = 4000
# Of 95 % intervals, fewer than the one share cover it once in 10,000 of these tests, and more than
# the other, too.
LEAST, MOST = (stats.binom.ppf(p, TIMES, 0.95) / TIMES for p in (1e-4, 1 - 1e-4))


def drawn(generator, seeds, samples, by_seed, by_sample, rest, times=1):
    """Differences with a known mean, where seeds and samples are crossed."""
    return (
        TRUTH
        + by_seed * generator.standard_normal((times, seeds, 1))
        + by_sample * generator.standard_normal((times, 1, samples))
        + rest * generator.standard_normal((times, seeds, samples))
    )


def coverage(seeds, samples, *spreads):
    spread = Spread.of(drawn(np.random.default_rng(0), seeds, samples, *spreads, TIMES))
    return (abs(spread.mean - TRUTH) <= spread.half_width(0.95)).mean()


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize(
    "spreads",
    [(1.0, 0.0, 0.0), (0.02, 1.0, 0.0), (0.4, 1.0, 0.0), (0.0, 0.0, 1.0), (0.1, 0.5, 1.0)],
    ids=["seeds alone", "samples mostly", "more of the seeds", "of each pair", "all three"],
)
def test_intervals_cover_the_truth_as_often_as_they_claim(seeds, spreads):
    assert coverage(seeds, 40, *spreads) >= LEAST


def test_few_samples_and_many_seeds_with_strong_interaction_are_covered():
    """The samples' own variance, a difference of two estimates, is then known badly."""
    assert coverage(8, 5, 0.0, 0.3, 1.0) >= LEAST


@pytest.mark.parametrize("spreads", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
def test_intervals_are_not_wider_than_they_need_to_be(spreads):
    # Where seeds alone make the difference, or samples, it is Student's interval: exact.
    assert LEAST <= coverage(3, 40, *spreads) <= MOST


def test_two_seeds_that_agree_by_chance_are_no_proof():
    """Where samples are right or wrong, the means of two seeds are often equal to the digit."""
    generator = np.random.default_rng(0)
    by_seed = 0.02 * generator.standard_normal((TIMES, 2, 1))
    right = generator.random((TIMES, 2, 50)) < 0.9 + by_seed
    base = generator.random((TIMES, 2, 50)) < 0.9
    spread = Spread.of(right.astype(float) - base)
    assert (np.ptp((right.astype(float) - base).mean(2), axis=1) == 0).mean() > 0.05
    covered = (abs(spread.mean) <= spread.half_width(corrected(18))).mean()
    assert covered >= stats.binom.ppf(1e-4, TIMES, corrected(18)) / TIMES


def test_samples_of_their_own_for_each_seed_are_a_part_of_its_variance():
    values = np.random.default_rng(8).standard_normal((3, 30))
    spread = Spread.of(values, paired=False)
    # Student's, of the seeds' means, where that is wider.
    students = Spread.of(values.mean(1, keepdims=True)).half_width(0.95)
    least = stats.t.ppf(0.975, 3 * 29) * (values.var(1, ddof=1).mean() / 90) ** 0.5
    assert spread.half_width(0.95) == pytest.approx(max(students, least))
    alike = np.stack([values[0], values[0][::-1]])
    assert Spread.of(alike.mean(1, keepdims=True)).half_width(0.95) == pytest.approx(0)
    assert interval(alike, paired=False).high - alike.mean() > 0.1


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
    together = True
    for seed in range(5):
        spread = Spread.of(drawn(np.random.default_rng(seed), 4, 30, 1.0, 0.5, 1.0, TIMES))
        together &= abs(spread.mean - TRUTH) <= spread.half_width(corrected(5))
    assert together.mean() >= LEAST


def test_one_seed_gives_no_interval():
    found = interval(np.ones((1, 10)))
    assert (found.mean, found.low, found.high, found.significant) == (1.0, None, None, False)


def test_differences_without_variance_are_known_exactly():
    found = interval(np.full((3, 4), 0.5))
    assert (found.low, found.high, found.significant) == (0.5, 0.5, True)


def test_no_difference_on_a_few_right_or_wrong_samples_is_not_known_exactly():
    few, many = (interval(np.zeros((3, samples))) for samples in (40, 4000))
    assert 0 < many.high < 0.001 < 0.01 < few.high < 0.05


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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_never_significant(value):
    differences = np.full((3, 4), 0.5)
    differences[1, 2] = value
    with np.errstate(invalid="ignore"):
        assert not interval(differences).significant
        assert seeds_needed(differences, 0.1) is None
    for low, high in ((value, value), (1.0, value), (-value, -1.0)):
        assert not Interval(0.5, low, high, 3).significant


@pytest.mark.parametrize("unit", [1e-300, 1e-12, 1e12, 1e300])
def test_an_interval_is_in_the_unit_of_the_differences_however_small_or_large(unit):
    values = 0.3 + np.random.default_rng(9).standard_normal((3, 20)) / 7
    one, other = interval(values), interval(values * unit)
    assert (other.low / unit, other.high / unit) == pytest.approx((one.low, one.high))
    assert seeds_needed(values * unit, 0.1 * unit) == seeds_needed(values, 0.1)


def test_it_is_cut_where_nothing_is_possible():
    found = Interval(0.05, -0.5, 0.6, seeds=3).within(-0.3, 0.08)
    assert (found.low, found.mean, found.high, found.seeds) == (-0.3, 0.05, 0.08, 3)
    assert Interval(0.05, 0.02, 0.07, 3).within(-0.3, 0.08) == Interval(0.05, 0.02, 0.07, 3)
    assert Interval(0.05, None, None, 1).within(-0.3, 0.08).low is None
    rounded = Interval(1.0 + 1e-16, 0.2, 1.8, 3).within(-0.0, 1.0)
    assert rounded.low <= rounded.mean <= rounded.high


class TestComponents:
    """The half width from its three variances: seeds 4, samples 3, interaction 1 (of 5 seeds)."""

    SPREAD = Spread(0.0, by_seeds=4.0, by_samples=3.0, by_both=1.0, seeds=5, samples=50)

    def half_width(self, by_seeds, own, seeds):
        t_seeds, t_samples = stats.t.ppf(0.975, seeds - 1), stats.t.ppf(0.975, 49)
        return math.sqrt(t_seeds**2 * by_seeds + t_samples**2 * own)

    def test_the_interaction_counts_once_with_the_seeds(self):
        assert self.SPREAD.half_width(0.95) == pytest.approx(self.half_width(4, 2, 5))

    def test_more_seeds_shrink_only_their_own_share_and_the_interaction(self):
        # Of the samples' 3, the interaction is 1; their own 2 stay.
        expected = self.half_width(4 / 4, 2, 20)
        assert self.SPREAD.half_width(0.95, 20) == pytest.approx(expected)

    def test_it_is_never_less_than_that_of_the_samples_alone(self):
        spread = replace(self.SPREAD, by_seeds=0.0)
        assert spread.half_width(0.95) == pytest.approx(stats.t.ppf(0.975, 49) * 3**0.5)


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
        for values in drawn(generator, 12, 40, 1.0, 0.5, 1.0, times=300):
            predicted.append(Spread.of(values[:6]).half_width(0.95, 12))
            found.append(Spread.of(values).half_width(0.95))
        assert np.mean(predicted) == pytest.approx(np.mean(found), rel=0.15)


def test_the_level_is_shared_among_comparisons():
    assert corrected(1) == pytest.approx(0.95)
    assert math.isclose(corrected(10), 0.995)
