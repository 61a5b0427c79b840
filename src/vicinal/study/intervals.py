"""Confidence intervals of the difference between two arms, over seeds and validation samples."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
ROUNDING = 1 / 12  # the variance of rounding to whole numbers
TINY = 1e-100  # its square is a float, and so is that of its inverse
UNLIMITED = 10**9  # seeds; where so many are too few, no number suffices


@dataclass(frozen=True)
class Interval:
    """A mean difference and its confidence interval.

    Args:
        mean: the difference of the means.
        low, high: of the interval; None where one seed gives none.
        seeds: how many pairs of runs it is the mean of.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero; never where it is not finite."""
        if self.low is None or self.high is None:
            return False
        return math.isfinite(self.high - self.low) and not self.low <= 0 <= self.high

    def within(self, low: float, high: float) -> "Interval":
        """The interval without what lies beyond the possible differences, of which 0 is one.

        >>> Interval(0.05, -0.1, 0.2, seeds=3).within(-0.921, 0.079).high
        0.079
        """
        if self.low is None or self.high is None:
            return self
        # Rounding may put the mean itself a little outside.
        low, high = min(low, self.mean, 0.0), max(high, self.mean, 0.0)
        return replace(self, low=max(self.low, low), high=min(self.high, high))


@dataclass(frozen=True)
class Spread:
    """The variance of the mean of (S, N) paired differences, by its components.

    All are floats, or arrays for many sets of differences at once.

    Args:
        mean: of the differences.
        by_seeds: of the seeds' means, over S.
        by_samples: of the samples' means, over N.
        by_both: of the interaction of both, over S N; each of the other two includes it.
        seeds, samples: S and N; N is 1 where a run gives one number, such as its seconds.
    """

    mean: NDArray[np.floating]
    by_seeds: NDArray[np.floating]
    by_samples: NDArray[np.floating]
    by_both: NDArray[np.floating]
    seeds: int
    samples: int

    @classmethod
    def of(
        cls, differences: NDArray[np.floating], *, paired: bool = True, rounded: bool = True
    ) -> "Spread":
        """Of differences (..., S, N), for S seeds and N samples; S must be 2 or more.

        Args:
            differences: of both arms.
            paired: whether the samples are the same for all seeds. If not, they are a part of the
                seeds' variance, and tell only the least that it can be.
            rounded: whether whole numbers are samples that are right or wrong.
        """
        seeds, samples = differences.shape[-2:]
        rows, columns = differences.mean(-1), differences.mean(-2)
        mean = rows.mean(-1)
        by_seeds = rows.var(-1, ddof=1) / seeds
        if samples == 1:
            return cls(mean, by_seeds, 0 * by_seeds, 0 * by_seeds, seeds, samples)
        # Of samples that are right or wrong, means are multiples of 1 / N: seeds may agree by
        # chance, which does not mean that they have no variance.
        whole = rounded & (differences == np.rint(differences)).all((-2, -1))
        by_seeds = by_seeds + whole * ROUNDING / samples**2 / seeds
        if not paired:
            within = differences.var(-1, ddof=1).mean(-1) / (seeds * samples)
            return cls(mean, by_seeds, within, within, seeds, seeds * (samples - 1) + 1)
        rest = differences - rows[..., None] - columns[..., None, :] + mean[..., None, None]
        freedom = (seeds - 1) * (samples - 1)
        by_both = (rest**2).sum((-2, -1)) / freedom / (seeds * samples)
        by_samples = columns.var(-1, ddof=1) / samples
        return cls(mean, by_seeds, by_samples, by_both, seeds, samples)

    def half_width(self, level: float, seeds: int | None = None) -> NDArray[np.floating]:
        """Half the width of the interval, for these seeds or for another number of them."""
        seeds = seeds or self.seeds
        more = seeds / self.seeds
        by_seeds, by_both = self.by_seeds / more, self.by_both / more
        # The interaction is a part of both, and is counted with the seeds, of which there are few.
        # More seeds shrink it, but not the samples' own share of the variance.
        own = np.maximum(self.by_samples - self.by_both, 0.0)
        by_samples = np.maximum(self.by_samples - self.by_both + by_both, 0.0)
        both = _t(level, seeds) ** 2 * by_seeds
        if self.samples > 1:
            t = _t(level, self.samples) ** 2
            both = np.maximum(both + t * own, t * by_samples)
        return np.sqrt(both)


def _t(level: float, count: int) -> float:
    # As scipy.stats.t.ppf does; to import all of scipy.stats takes as long as torch.
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + level) / 2))


def interval(
    differences: NDArray[np.floating],
    comparisons: int = 1,
    *,
    paired: bool = True,
    rounded: bool = True,
) -> Interval:
    """The mean of paired differences, and its interval.

    It covers other seeds and other validation samples of the same kind: both are taken as random
    effects, which are crossed, as every seed is validated on the same samples. Each variance is
    multiplied by the square of its own quantile of Student's t distribution, and half the width is
    the root of their sum:

        half² = t(S - 1)² seeds' variance + t(N - 1)² samples' own variance

    The seeds' variance includes the interaction of seeds and samples. Of normal effects without
    interaction, such an interval misses the truth at most as often as promised, whatever the shares
    of the two variances: the probability is concave in them. ``benchmarks/interval_coverage.py``
    measures it with interaction, and for other distributions. Of several comparisons, Bonferroni's
    correction makes all intervals hold jointly with 95 %, however they depend on each other.

    Args:
        differences: (S, N) floats, for S seeds the differences of both arms on each of N samples;
            (S, 1) where a run gives one number.
        comparisons: how many intervals are to hold jointly; 1 or more.
        paired: whether the samples are the same for all seeds.
        rounded: whether whole numbers are samples that are right or wrong.

    Raises:
        ValueError: the differences are empty, or not of shape (S, N).

    >>> found = interval(np.array([[0.01], [0.02], [0.03]]))
    >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
    '0.020 (-0.005 to 0.045)'

    Source: S. Banerjee, On confidence interval for two-means problem based on separate estimates of
    variances and tabulated values of t-table (1961).
    """
    if differences.ndim != 2 or not differences.size:
        raise ValueError(f"differences have shape (seeds, samples), not {differences.shape}")
    differences, unit = _in_units(differences)
    if len(differences) < 2:
        return Interval(float(differences.mean()) * unit, None, None, 1)
    spread = Spread.of(differences, paired=paired, rounded=rounded)
    mean, half = float(spread.mean), float(spread.half_width(corrected(comparisons)))
    return Interval(mean * unit, (mean - half) * unit, (mean + half) * unit, spread.seeds)


def _in_units(differences: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
    """Differences whose squares are floats, and their unit: 1 unless they are huge or tiny."""
    largest = float(np.abs(differences).max())
    if not 0 < largest < math.inf or TINY < largest < 1 / TINY:
        return differences.astype(float), 1.0
    unit = math.ldexp(1.0, math.frexp(largest)[1] - 1)  # a power of 2, by which division is exact
    return differences.astype(float) / unit, unit


def corrected(comparisons: int) -> float:
    """The level of each of several intervals, so that all hold jointly with 95 %."""
    return 1 - (1 - LEVEL) / comparisons


def seeds_needed(
    differences: NDArray[np.floating],
    half_width: float,
    comparisons: int = 1,
    *,
    paired: bool = True,
    rounded: bool = True,
) -> int | None:
    """How many seeds would narrow the interval to ``half_width`` either way.

    Args:
        differences, comparisons, paired, rounded: as for :func:`interval`, of 2 seeds or more.

    Returns:
        2 or more; None where no number suffices, as the samples are too few.

    >>> seeds_needed(np.array([[0.01], [0.02], [0.03]]), half_width=0.0125)
    5
    """
    differences, unit = _in_units(differences)
    spread, level = Spread.of(differences, paired=paired, rounded=rounded), corrected(comparisons)
    seeds = range(2, UNLIMITED)
    first = bisect_left(
        seeds, True, key=lambda n: bool(spread.half_width(level, n) * unit <= half_width)
    )
    return seeds[first] if first < len(seeds) else None
