"""What is drawn has the promised distributions.

Each test raises a false alarm with a probability of 1e-6 at most: where it looks at several things,
each of them has its share. Seeds are fixed, so it has been passed once and for all.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from vicinal import Choice, CutMix, MixUp, rng

FALSE_ALARM = 1e-6
HUGE = 10**6  # pixels a side: boxes on such an image are shares of it, to six digits
EVENLY = (np.arange(50_000) + 0.5) / 50_000

alphas = pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 8.0])


def batch(count, height=1, width=1):
    """Images of any number and size, all one expanded number, as drawing reads no data."""
    return torch.empty(1).expand(count, 1, height, width)


def assert_follows(values, cdf, low=-math.inf, high=math.inf, parts=1):
    """Values are distributed so, by Kolmogorov and Smirnov; it is one of so many parts of a test.

    Those beyond ``low`` and ``high`` are only counted: where a distribution has much of its mass
    nearer to its ends than floats or pixels can tell apart, its shape cannot be tested there.
    """
    below, above = (cdf(end) if math.isfinite(end) else float(end > 0) for end in (low, high))
    inner = values[(values > low) & (values < high)]
    count = stats.binomtest(len(inner), len(values), above - below)
    shape = stats.kstest(inner, lambda value: (cdf(value) - below) / (above - below))
    assert min(count.pvalue, shape.pvalue) > FALSE_ALARM / parts / 2


def assert_frequencies(counts, shares=None, parts=1):
    """Counts are as expected, by chi²; without shares, all are equally likely."""
    counts = np.asarray(counts, dtype=float).ravel()
    shares = np.full(len(counts), 1 / len(counts)) if shares is None else np.asarray(shares)
    expected = counts.sum() * shares
    assert expected.min() > 20  # else chi² is no good approximation
    assert stats.chisquare(counts, expected).pvalue > FALSE_ALARM / parts


def assert_mean(values, expected):
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - expected) < stats.norm.isf(FALSE_ALARM / 2) * error


def assert_independent_and_uniform(*values, bins=8, parts=1):
    """In [0, 1]: all cells of a grid are met equally often."""
    counts, _ = np.histogramdd(np.stack(values, 1), bins=bins, range=[(0, 1)] * len(values))
    assert counts.sum() == len(values[0])
    assert_frequencies(counts, parts=parts)


class TestWeights:
    @alphas
    def test_those_of_samples_are_beta(self, alpha):
        weight = MixUp(alpha, folded=False, seed=1).draw(batch(50_000)).weight.double().numpy()
        assert_follows(weight, stats.beta(alpha, alpha).cdf, low=0.001, high=0.999)

    @alphas
    def test_folded_ones_are_the_larger_of_both_shares(self, alpha):
        weight = MixUp(alpha, seed=2).draw(batch(50_000)).weight.double().numpy()
        beta = stats.beta(alpha, alpha)
        assert_follows(weight, lambda w: beta.cdf(w) - beta.cdf(1 - w), low=0.5, high=0.999)

    @alphas
    def test_those_of_batches_are_beta(self, alpha):
        mixer, x = MixUp(alpha, folded=False, per="batch", seed=3), batch(3)
        weights = torch.stack([mixer.draw(x).weight for _ in range(2000)]).double().numpy()
        assert (weights == weights[:, :1]).all()
        assert_follows(weights[:, 0], stats.beta(alpha, alpha).cdf, low=0.001, high=0.999)

    def test_those_of_neighbours_in_a_batch_are_independent(self):
        weight = MixUp(1.0, folded=False, seed=4).draw(batch(100_000)).weight.numpy()
        assert_independent_and_uniform(weight[::2], weight[1::2])

    def test_they_do_not_depend_on_the_partners(self):
        mixer, x = MixUp(1.0, folded=False, seed=5), batch(5)
        mixes = [mixer.draw(x) for _ in range(3000)]
        weight = torch.stack([mix.weight for mix in mixes]).flatten().numpy()
        steps = torch.stack([(mix.partner - torch.arange(5)) % 5 for mix in mixes])
        assert_independent_and_uniform(weight, (steps.flatten().numpy() - 0.5) / 4, bins=4)


def partners(kind, count, batches=2500):
    mixer, x = MixUp(partners=kind, seed=0), batch(count)
    return np.stack([mixer.draw(x).partner.numpy() for _ in range(batches)])


class TestPartners:
    @pytest.mark.parametrize(
        ("kind", "count", "possible"),
        [
            ("cycle", 5, math.factorial(4)),
            ("shuffle", 4, math.factorial(4)),
            ("pairs", 6, 5 * 3),
            ("pairs", 5, 5 * 3),
        ],
    )
    def test_all_permutations_are_equally_frequent(self, kind, count, possible):
        _, counts = np.unique(partners(kind, count), axis=0, return_counts=True)
        assert len(counts) == possible
        assert_frequencies(counts)

    @pytest.mark.parametrize("kind", ["cycle", "pairs"])
    def test_all_other_rows_are_equally_frequent_partners(self, kind):
        for row, met in enumerate(partners(kind, 8).T):
            counts = np.bincount(met, minlength=8)
            assert counts[row] == 0
            assert_frequencies(np.delete(counts, row), parts=8)

    def test_all_rows_are_equally_frequent_partners_after_a_shuffle(self):
        for met in partners("shuffle", 8).T:
            assert_frequencies(np.bincount(met, minlength=8), parts=8)


def boxes(mixer, count, height, width):
    """Top, bottom, left and right of so many boxes."""
    (pattern,) = mixer.draw(batch(count, height, width)).patterns
    return pattern.corners.numpy().T


def whole_across(top, bottom, left, right, side):
    """On square images, where boxes are square, too: of those boxes of which nothing is cut off
    across, the sides, and how far down their centres are."""
    whole = (left > 0) & (right < side)
    cut = right - left
    # Downwards, one of the two edges at most is cut off.
    centre = np.where(top > 0, top, bottom - cut) + cut // 2
    return cut[whole], centre[whole]


def kept_on_average(alpha, height, width):
    """The mean weight of CutMix: over shares in equal steps of probability, and all centres."""
    cut = np.sqrt(1 - stats.beta(alpha, alpha).ppf(EVENLY))
    pasted = 1.0
    for length in (height, width):
        centre, side = np.arange(length), np.arange(length + 1)[:, None]
        start = centre - side // 2
        seen = (start + side).clip(max=length) - start.clip(min=0)
        pasted = pasted * seen.mean(1)[(length * cut).astype(int)] / length
    return 1 - pasted.mean()


class TestCutMix:
    def test_centres_are_uniform_over_the_rows_and_columns(self):
        top, bottom, left, right = boxes(CutMix(seed=0), 100_000, 32, 32)
        _, down = whole_across(top, bottom, left, right, 32)
        _, across = whole_across(left, right, top, bottom, 32)
        for centre in (down, across):
            assert_frequencies(np.bincount(centre, minlength=32), parts=2)

    @pytest.mark.slow
    def test_rows_and_columns_of_a_centre_are_independent(self):
        top, bottom, left, right = boxes(CutMix(8.0, seed=1), 400_000, HUGE, HUGE)
        cut, down = whole_across(top, bottom, left, right, HUGE)
        across = left[(left > 0) & (right < HUGE)] + cut // 2
        # Nothing is cut off across, so a centre there has the room that its box leaves it.
        across = (across - cut / 2) / (HUGE - cut)
        assert_independent_and_uniform(down / HUGE, across.clip(0, 1))

    @alphas
    def test_the_share_before_clipping_is_beta(self, alpha):
        cut, _ = whole_across(*boxes(CutMix(alpha, seed=2), 50_000, HUGE, HUGE), HUGE)
        # A side of c, as a share of the image's, is seen whole with probability 1 - c.
        side = np.sort(np.sqrt(1 - stats.beta(alpha, alpha).ppf(EVENLY)))
        seen = np.cumsum(1 - side) / np.sum(1 - side)
        assert_follows(cut / HUGE, lambda c: np.interp(c, side, seen), low=0.01, high=0.99)

    @alphas
    @pytest.mark.parametrize("size", [(8, 8), (7, 12), (32, 48)])
    def test_the_share_after_clipping(self, alpha, size):
        weight = CutMix(alpha, seed=3).draw(batch(100_000, *size)).weight.double().numpy()
        assert_mean(weight, kept_on_average(alpha, *size))

    def test_the_share_after_clipping_in_closed_form(self):
        # A side c has the density 2c, and after clipping c - c²/4 of it is seen on average. So
        # the box covers the integral of 2c (c - c²/4)² from 0 to 1.
        weight = CutMix(1.0, seed=4).draw(batch(200_000, HUGE, HUGE)).weight.double().numpy()
        assert_mean(weight, 1 - (1 / 2 - 1 / 5 + 1 / 48))

    def test_sides_and_positions_between_limits_are_uniform_and_independent(self):
        top, bottom, left, right = boxes(
            CutMix(minmax=(0.25, 0.75), seed=5), 100_000, HUGE, 2 * HUGE
        )
        drawn = []
        for start, stop, length in ((top, bottom, HUGE), (left, right, 2 * HUGE)):
            side = stop - start
            drawn += [(side / length - 0.25) / 0.5, start / (length - side)]
        for values in drawn:
            assert_follows(values, stats.uniform.cdf, parts=8)
        assert_independent_and_uniform(*drawn, bins=4, parts=2)

    def test_all_sides_and_positions_are_equally_frequent(self):
        top, bottom, _, _ = boxes(CutMix(minmax=(0.25, 0.75), seed=6), 100_000, 32, 48)
        side = bottom - top
        assert (side.min(), side.max()) == (8, 23)
        assert_frequencies(np.bincount(side)[8:], parts=2)
        assert_frequencies(np.bincount(top[side == 8], minlength=25), parts=2)


HALF = MixUp(math.inf)  # always changes its samples, as this does:
QUARTER = CutMix(minmax=(0.5, 0.5))


def chosen(choice, count):
    """For each sample, the number of the mixer that mixes it, from 1 on; 0 for none."""
    mixes = torch.stack([p.weight < 1 for p in choice.draw(batch(count, 32, 32)).patterns])
    assert mixes.sum(0).max() <= 1
    return (mixes * torch.arange(1, len(mixes) + 1)[:, None]).sum(0).numpy()


class TestChoice:
    shares = pytest.mark.parametrize(
        ("p", "expected"),
        [
            ([0.2, 0.5], [0.3, 0.2, 0.5]),
            ([0.6, 0.4], [0.6, 0.4]),
            (None, [0.5, 0.5]),
        ],
    )

    @staticmethod
    def assert_chosen(numbers, expected):
        first = 3 - len(expected)  # if one is always chosen, there is no 0
        counts = np.bincount(numbers, minlength=3)
        assert counts[:first].sum() == 0
        assert_frequencies(counts[first:], expected)

    @shares
    def test_of_each_sample(self, p, expected):
        self.assert_chosen(chosen(Choice([HALF, QUARTER], p, seed=0), 50_000), expected)

    @shares
    def test_of_each_batch(self, p, expected):
        choice = Choice([HALF, QUARTER], p, per="batch", seed=1)
        numbers = np.stack([chosen(choice, 3) for _ in range(1200)])
        assert (numbers == numbers[:, :1]).all()
        self.assert_chosen(numbers[:, 0], expected)

    def test_it_does_not_depend_on_what_is_drawn(self):
        uniform = MixUp(1.0, folded=False)
        mix = Choice([uniform, QUARTER], seed=2).draw(batch(50_000, 32, 32))
        blend, _ = mix.patterns
        weight = blend.weight[blend.weight < 1].double().numpy()
        assert_follows(weight, stats.uniform.cdf)


class TestShareOfTheMixed:
    @pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
    @pytest.mark.parametrize("kind", ["MixUp", "CutMix"])
    @pytest.mark.parametrize("per", ["sample", "batch"])
    def test_p(self, per, kind, p):
        options = {"per": per, "p": p, "seed": 0}
        if kind == "MixUp":
            mixer = MixUp(math.inf, **options)
        else:
            mixer = CutMix(minmax=(0.5, 0.5), **options)
        batches, count = (1, 50_000) if per == "sample" else (1500, 1)
        x = batch(count, 32, 32)
        mixed = sum(int((mixer.draw(x).weight < 1).sum()) for _ in range(batches))
        assert stats.binomtest(mixed, batches * count, p).pvalue > FALSE_ALARM

    def test_it_does_not_depend_on_the_weights(self):
        weight = MixUp(1.0, folded=False, p=0.3, seed=1).draw(batch(50_000)).weight
        assert_follows(weight[weight < 1].double().numpy(), stats.uniform.cdf)


class TestStreams:
    """Weights at the same index of two streams are independent; alpha 1 makes them uniform."""

    @staticmethod
    def weights(monkeypatch, seed=0, rank=0, worker=0):
        monkeypatch.setattr(rng, "rank_and_world_size", lambda: (rank, 8))
        monkeypatch.setattr(rng, "_worker_seed", lambda: worker)
        mixer, x = MixUp(1.0, folded=False, seed=seed), batch(8)
        return np.stack([mixer.draw(x).weight.numpy() for _ in range(800)])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"seed": 0}, {"seed": 1}),
            ({"seed": 0}, {"seed": 2**32}),
            ({"rank": 0}, {"rank": 1}),
            ({"rank": 6}, {"rank": 7}),
            ({"worker": 0}, {"worker": 1}),
            ({"worker": 123456789}, {"worker": 123456790}),
            ({"seed": 1, "rank": 0}, {"seed": 0, "rank": 1}),
            ({"rank": 1, "worker": 0}, {"rank": 0, "worker": 1}),
        ],
        ids=lambda which: " ".join(f"{name} {number}" for name, number in which.items()),
    )
    def test_of_two_seeds_ranks_or_workers(self, monkeypatch, one, other):
        first, second = (self.weights(monkeypatch, **which) for which in (one, other))
        assert_independent_and_uniform(first.ravel(), second.ravel())

    @pytest.mark.parametrize("distance", [1, 2])
    def test_of_batches_that_follow_each_other(self, monkeypatch, distance):
        weights = self.weights(monkeypatch)
        earlier, later = weights[:-distance], weights[distance:]
        assert_independent_and_uniform(earlier.ravel(), later.ravel())
