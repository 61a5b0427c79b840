"""How far a difference between two arms can be trusted: an interval from its seeds and samples."""

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
UNLIMITED = 10**9  # seeds; what so many do not tell, no number does


@dataclass(frozen=True)
class Interval:
    """A mean difference, and the interval that it is known to.

    Args:
        mean: the difference of the means.
        low, high: of the interval; None where one seed tells none.
        seeds: how many pairs of runs it is the mean of.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def told(self) -> bool:
        """Whether zero lies outside."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Spread:
    """What makes a mean of (S, N) paired differences uncertain, as variances of that mean.

    Args:
        mean: of the differences.
        by_seeds: from one seed to another, of S seeds.
        by_samples: from one validation sample to another, of N samples.
        by_both: the part of either that is neither's own, and is counted in both.
        seeds, samples: S and N; N is 1 where a run gives one number, such as its seconds.
    """

    mean: float
    by_seeds: float
    by_samples: float
    by_both: float
    seeds: int
    samples: int

    @classmethod
    def of(cls, differences: NDArray[np.floating]) -> "Spread":
        """Of paired differences (S, N), S seeds of N samples each; S must be 2 or more."""
        seeds, samples = differences.shape
        rows, columns = differences.mean(1), differences.mean(0)
        by_seeds = rows.var(ddof=1) / seeds
        if samples == 1:
            return cls(float(rows.mean()), float(by_seeds), 0.0, 0.0, seeds, samples)
        rest = differences - rows[:, None] - columns + differences.mean()
        freedom = (seeds - 1) * (samples - 1)
        by_both = (rest**2).sum() / freedom / (seeds * samples)
        by_samples = columns.var(ddof=1) / samples
        parts = (float(by_seeds), float(by_samples), float(by_both))
        return cls(float(rows.mean()), *parts, seeds, samples)

    def half_width(self, level: float, seeds: int | None = None) -> float:
        """Half of the interval's width; ``seeds`` asks for that of another number of seeds."""
        more = (seeds or self.seeds) / self.seeds
        by_seeds, by_both = self.by_seeds / more, self.by_both / more
        # Of the samples' part, what is theirs alone stays, however many seeds there are.
        by_samples = max(self.by_samples - self.by_both + by_both, 0.0)
        variance = max(by_seeds + by_samples - by_both, by_seeds, by_samples)
        if variance <= 0:
            return 0.0
        # Welch and Satterthwaite: the degrees of freedom of a sum of variances.
        parts = by_seeds**2 / ((seeds or self.seeds) - 1)
        if self.samples > 1:
            parts += by_samples**2 / (self.samples - 1)
        freedom = variance**2 / parts
        return float(stats.t.ppf((1 + level) / 2, freedom)) * math.sqrt(variance)


def interval(differences: NDArray[np.floating], comparisons: int = 1) -> Interval:
    """The mean of paired differences, and its interval.

    The interval is that of a t distribution. It tells of other seeds and of other validation
    samples of the same kind: both are taken as drawn at random, and crossed, for every seed is
    validated on the same samples. Where several comparisons are made, Bonferroni's correction
    makes 95 % the probability that all their intervals hold together. Of two or three seeds, whose
    variance is known badly, they are somewhat too narrow; ``benchmarks/coverage.py`` says by how
    much.

    Args:
        differences: (S, N) floats, for S seeds the differences of both arms on each of N samples;
            (S, 1) where a run gives one number.
        comparisons: how many are made at once; 1 or more.

    Raises:
        ValueError: there is no difference, or they are not (S, N).

    >>> found = interval(np.array([[0.01], [0.02], [0.03]]))
    >>> f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
    '0.020 (-0.005 to 0.045)'

    Source: F. Satterthwaite, An approximate distribution of estimates of variance components
    (1946).
    """
    if differences.ndim != 2 or not differences.size:
        raise ValueError(f"differences have shape (seeds, samples), not {differences.shape}")
    if len(differences) < 2:
        return Interval(float(differences.mean()), None, None, 1)
    spread = Spread.of(differences.astype(float))
    half = spread.half_width(corrected(comparisons))
    return Interval(spread.mean, spread.mean - half, spread.mean + half, spread.seeds)


def corrected(comparisons: int) -> float:
    """The level of each of several intervals, so that all hold together with 95 %."""
    return 1 - (1 - LEVEL) / comparisons


def seeds_needed(
    differences: NDArray[np.floating], half_width: float, comparisons: int = 1
) -> int | None:
    """How many seeds would narrow the interval to ``half_width`` either way.

    Args:
        differences, comparisons: as for :func:`interval`, of 2 seeds or more.

    Returns:
        2 or more; None where no number would do, as the samples are too few.

    >>> seeds_needed(np.array([[0.01], [0.02], [0.03]]), half_width=0.0125)
    5
    """
    spread = Spread.of(differences.astype(float))
    level = corrected(comparisons)
    seeds = range(2, UNLIMITED)
    first = bisect_left(seeds, True, key=lambda n: spread.half_width(level, n) <= half_width)
    return seeds[first] if first < len(seeds) else None
