"""Confidence intervals of the difference between two arms, over seeds and validation samples."""

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
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
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Spread:
    """The variance of the mean of (S, N) paired differences, by its components.

    Args:
        mean: of the differences.
        by_seeds: of the seeds' means, over S.
        by_samples: of the samples' means, over N.
        by_both: of the interaction of both, over S N; each of the other two includes it.
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
        """Of paired differences (S, N), for S seeds and N samples; S must be 2 or more."""
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
        """Half the width of the interval, for these seeds or for another number of them."""
        more = (seeds or self.seeds) / self.seeds
        by_seeds, by_both = self.by_seeds / more, self.by_both / more
        # More seeds shrink the interaction, but not the samples' own share of the variance.
        by_samples = max(self.by_samples - self.by_both + by_both, 0.0)
        # The interaction is in both parts and counts once. An estimate of it can exceed either.
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

    The interval is that of a t distribution. It covers other seeds and other validation samples of
    the same kind: both are taken as random effects, which are crossed, as every seed is validated
    on the same samples. Of several comparisons, Bonferroni's correction makes all intervals hold
    jointly with 95 %. With two or three seeds, whose variance is estimated badly, intervals are
    somewhat too narrow; ``benchmarks/coverage.py`` measures by how much.

    Args:
        differences: (S, N) floats, for S seeds the differences of both arms on each of N samples;
            (S, 1) where a run gives one number.
        comparisons: how many intervals are to hold jointly; 1 or more.

    Raises:
        ValueError: the differences are empty, or not of shape (S, N).

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
    """The level of each of several intervals, so that all hold jointly with 95 %."""
    return 1 - (1 - LEVEL) / comparisons


def seeds_needed(
    differences: NDArray[np.floating], half_width: float, comparisons: int = 1
) -> int | None:
    """How many seeds would narrow the interval to ``half_width`` either way.

    Args:
        differences, comparisons: as for :func:`interval`, of 2 seeds or more.

    Returns:
        2 or more; None where no number suffices, as the samples are too few.

    >>> seeds_needed(np.array([[0.01], [0.02], [0.03]]), half_width=0.0125)
    5
    """
    spread = Spread.of(differences.astype(float))
    level = corrected(comparisons)
    seeds = range(2, UNLIMITED)
    first = bisect_left(seeds, True, key=lambda n: spread.half_width(level, n) <= half_width)
    return seeds[first] if first < len(seeds) else None
