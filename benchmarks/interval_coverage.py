"""How often the intervals of a comparison miss the truth, and how wide they are, by simulation.

Differences of two arms are drawn whose mean is known to be 0: each is a part of its seed's, a part
of its sample's, and a rest, the interaction. The more of the mean's variance comes from the seeds,
the less do few of them tell about it. The earlier form of the intervals, one variance with the
degrees of freedom of Welch and Satterthwaite, is measured beside.

python benchmarks/interval_coverage.py           # a million comparisons of each kind, in 3 minutes
python benchmarks/interval_coverage.py 20000
"""

import itertools
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vicinal.study.intervals import Spread, corrected

SEEDS, COMPARISONS = (2, 3, 5, 8), (1, 2, 18)
SHARES = (0.0, 0.5, 0.75, 0.9, 0.99)  # of the seeds, of the variance of the mean without the rest
DRAWN = 20  # of so many comparisons one is drawn sample by sample, where effects are not normal
CHUNK = 2_000_000  # numbers
Array = NDArray[np.floating]


def earlier(spread: Spread, level: float) -> Array:
    """Half the width by Welch and Satterthwaite: of a sum of variances, as if it were one."""
    a, b, both = spread.by_seeds, spread.by_samples, spread.by_both
    variance = np.maximum(np.maximum(a + b - both, a), b)
    parts = a**2 / (spread.seeds - 1) + b**2 / (spread.samples - 1)
    with np.errstate(invalid="ignore"):  # 0 / 0, where all differences are the same
        inverse = np.where(parts > 0, parts / variance**2, 1.0)
    # Interpolated, as a million quantiles take longer than all else: exact to six digits.
    known = np.linspace(1e-6, 1, 4000)
    return np.interp(inverse, known, stats.t.ppf((1 + level) / 2, 1 / known)) * np.sqrt(variance)


def normal(*, seeds: int, samples: int, share: float, rest: float, times: int) -> Spread:
    """Of normal effects: the mean and the three mean squares are independent of each other.

    The variance of a sample's part is 1, ``rest`` that of the interaction.
    """
    generator = np.random.default_rng(0)
    by_sample, both = 1 / samples, rest / (seeds * samples)
    by_seed = by_sample * share / (1 - share)

    def drawn(variance: float, freedom: int) -> Array:
        return variance * generator.chisquare(freedom, times) / freedom

    return Spread(
        (by_seed + by_sample + both) ** 0.5 * generator.standard_normal(times),
        drawn(by_seed + both, seeds - 1),
        drawn(by_sample + both, samples - 1),
        drawn(both, (seeds - 1) * (samples - 1)),
        seeds,
        samples,
    )


def sampled(draw: Callable[..., Array], *, seeds: int, samples: int, times: int) -> Spread:
    """Of differences that ``draw(generator, times, seeds, samples)`` gives."""
    generator = np.random.default_rng(0)
    size = max(1, CHUNK // (seeds * samples))
    counts = [min(size, times - begin) for begin in range(0, times, size)]
    spreads = [Spread.of(draw(generator, count, seeds, samples)) for count in counts]
    fields = ("mean", "by_seeds", "by_samples", "by_both")
    merged = (np.concatenate([getattr(spread, name) for spread in spreads]) for name in fields)
    return Spread(*merged, seeds, samples)


def heavy_tailed(share: float) -> Callable[..., Array]:
    """Effects of Student's t distribution with three degrees of freedom."""

    def draw(generator: np.random.Generator, times: int, seeds: int, samples: int) -> Array:
        by_seed = (seeds / samples * share / (1 - share)) ** 0.5
        shapes = ((times, seeds, 1), (times, 1, samples), (times, seeds, samples))
        parts = [generator.standard_t(3, shape) for shape in shapes]
        return by_seed * parts[0] + parts[1] + parts[2]

    return draw


def right_or_wrong(accuracy: float, by_seed: float) -> Callable[..., Array]:
    """The differences of two arms that are equally good, where a sample is right or wrong.

    A sample is right where the sum of its ease, what the arm makes of it, the arm's luck with the
    seed (``by_seed``) and chance is high enough.
    """

    def draw(generator: np.random.Generator, times: int, seeds: int, samples: int) -> Array:
        deviations = (2.0, 0.5, by_seed, 1.0)
        total = sum(each**2 for each in deviations) ** 0.5
        ease = deviations[0] * generator.standard_normal((times, 1, samples))

        def right() -> Array:
            found = (
                ease
                + deviations[1] * generator.standard_normal((times, 1, samples))
                + deviations[2] * generator.standard_normal((times, seeds, 1))
                + deviations[3] * generator.standard_normal((times, seeds, samples))
            )
            return (found < total * stats.norm.ppf(accuracy)).astype(float)

        return right() - right()

    return draw


def missed(spread: Spread, comparisons: int) -> tuple[float, float, float]:
    """The shares of intervals without the truth, now and earlier, and the ratio of their widths."""
    level = corrected(comparisons)
    now, before = spread.half_width(level), earlier(spread, level)
    shares = ((np.abs(spread.mean) > half).mean() for half in (now, before))
    return *(float(share) for share in shares), float(np.median(now) / np.median(before))


def print_table(name: str, columns: dict[str, Callable[..., Spread]]) -> list[str]:
    """A row for each number of seeds and of comparisons; the cells that miss too often."""
    head = "missed, now (earlier, width)"
    print(f"\n{name}\n{head:30}" + "".join(f"{column:>22}" for column in columns))
    worse = []
    for seeds in SEEDS:
        spreads = {column: make(seeds=seeds) for column, make in columns.items()}
        for comparisons in COMPARISONS:
            wanted = 0.05 / comparisons
            row = f"{seeds} seeds, {100 * wanted:.2f} % wanted"
            cells = ""
            for column, spread in spreads.items():
                now, before, width = missed(spread, comparisons)
                cells += f"{100 * now:9.2f} ({100 * before:5.2f},{width:5.2f})"
                error = (wanted * (1 - wanted) / len(spread.mean)) ** 0.5
                if now > wanted + 3 * error:
                    worse.append(f"{name}, {column}, {row}: {100 * now:.2f} %")
            print(f"{row:30}{cells}", flush=True)
    return worse


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    few, worse = max(1, times // DRAWN), []
    shares = {f"{share:.0%} of the seeds": share for share in SHARES}
    for samples, rest in itertools.product((100, 10), (0.0, 1.0, 10.0)):
        fixed = partial(normal, samples=samples, rest=rest, times=times)
        columns = {name: partial(fixed, share=share) for name, share in shares.items()}
        worse += print_table(f"normal, {samples} samples, interaction {rest:g}", columns)
    columns = {
        name: partial(sampled, heavy_tailed(share), samples=100, times=few)
        for name, share in shares.items()
    }
    worse += print_table("heavy tails, 100 samples", columns)
    for samples in (40, 360):
        columns = {
            f"{accuracy:.0%}, {luck:g} of luck": partial(
                sampled, right_or_wrong(accuracy, luck), samples=samples, times=few
            )
            for accuracy, luck in ((0.7, 0.1), (0.7, 0.5), (0.92, 0.1), (0.92, 0.5), (0.99, 0.1))
        }
        worse += print_table(f"right or wrong, {samples} samples", columns)
    for name, count in (("normal", times), ("others", few)):
        errors = [100 * (p * (1 - p) / count) ** 0.5 for p in (0.05, 0.05 / 18)]
        print(f"\nsimulation error, {name}: {errors[0]:.3f} of 5 %, {errors[1]:.3f} of 0.28 %")
    print("\ntoo often, by more than three of them: " + ("; ".join(worse) or "none"))


if __name__ == "__main__":
    main()
