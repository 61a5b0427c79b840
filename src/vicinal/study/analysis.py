"""Analysis: the results of an experiment, and the differences between its arms."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vicinal.study.arms import Arm, Cell, comparisons
from vicinal.study.intervals import Interval, interval, seeds_needed
from vicinal.study.measure import Measure
from vicinal.study.measures import MEASURES
from vicinal.study.result import Result

if TYPE_CHECKING:
    import pandas as pd

CLEAR = 0.05  # clearly better than chance: by this share of what there is to gain
SHORT = 5.0  # seconds; shorter trainings are too short to time


def margin_at(measure: Measure, base: float) -> float:
    """The difference from the baseline's value that is no practical one.

    >>> margin_at(MEASURES["accuracy"], 0.921), margin_at(MEASURES["rmse"], 3.0)
    (0.005, 0.03)
    """
    return 0.005 if measure.percent else 0.01 * abs(base)


def margin_text(measure: Measure) -> str:
    """The same in words."""
    return "half a point" if measure.percent else "a hundredth of the error"


def allowed(measure: Measure, base: float) -> tuple[float, float]:
    """The least and the greatest difference that the baseline's value leaves possible.

    A value with a bias limits nothing: differences are taken of other values, without it.
    """
    low, high = measure.bounds
    return (low - base, high - base) if measure.unbiased is None else (low - high, high - low)


@dataclass(frozen=True)
class Comparison:
    """An arm compared with its baseline, by one measure.

    Args:
        arm, baseline: the two.
        measure: what is compared.
        interval: of the arm's mean minus the baseline's.
        value, base: the two means, over the same seeds.
        same: whether the two are the same on every sample.
        is_negligible: whether the whole interval, also what is cut off it as impossible, is within
            the margin (:func:`margin_at`): no practical difference.
        needed: how many seeds would narrow the interval to the margin either way; None where no
            number would, as the validation samples are too few, or where one seed gives no
            interval.
    """

    arm: Arm
    baseline: Arm
    measure: Measure
    interval: Interval
    value: float
    base: float
    same: bool
    is_negligible: bool
    needed: int | None

    @property
    def is_open(self) -> bool:
        """Whether the interval tells nothing: it has all that the baseline's value allows."""
        return (self.interval.low, self.interval.high) == allowed(self.measure, self.base)

    @property
    def gain(self) -> float:
        """The difference, above 0 where the arm is better."""
        return self.measure.gain(self.interval.mean)


@dataclass(frozen=True)
class Missing:
    """Runs without a measure that other runs have: an earlier version did not have it.

    Args:
        arm, measure: of which it is missing.
        runs: how many of the arm's runs lack it.
        of: how many runs of the arm have finished.
    """

    arm: Arm
    measure: Measure
    runs: int
    of: int


@dataclass(frozen=True)
class Analysis:
    """The results of an experiment.

    Results are not added later: what is derived from them is computed once.

    Args:
        arms: what was compared, in order.
        results: of the runs that have ended, also those that diverged.
    """

    arms: list[Arm]
    results: list[Result]
    _compared: dict[str, list[Comparison]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def measures(self) -> list[Measure]:
        """What was measured in any run, the main measure first."""
        found = {name for result in self.results for name in result.values}
        return [measure for name, measure in MEASURES.items() if name in found]

    @property
    def main(self) -> Measure:
        """The measure that decides which arm is better."""
        return self.measures[0]

    @cached_property
    def _finished(self) -> dict[str, list[Result]]:
        """The results by arm and then by seed, without those that diverged."""
        found: dict[str, list[Result]] = {arm.name: [] for arm in self.arms}
        for result in sorted(self.results, key=lambda result: result.seed):
            if not result.failed and result.arm in found:
                found[result.arm].append(result)
        return found

    def of(self, arm: Arm, measure: Measure | None = None) -> list[Result]:
        """An arm's results by seed, without runs that diverged, or that lack the measure."""
        results = self._finished[arm.name]
        if measure is None:
            return results
        # An earlier version may have stored the one and not the other.
        needed = {measure.name, measure.compared}
        return [result for result in results if needed <= result.values.keys()]

    def failed(self, arm: Arm) -> list[Result]:
        """An arm's runs that diverged."""
        return [result for result in self.results if result.arm == arm.name and result.failed]

    @cached_property
    def missing(self) -> list[Missing]:
        """The measures that runs of an earlier version lack."""
        pairs = [(arm, measure) for arm in self.arms for measure in self.measures]
        counts = [
            Missing(arm, measure, len(self.of(arm)) - len(self.of(arm, measure)), len(self.of(arm)))
            for arm, measure in pairs
        ]
        return [each for each in counts if each.runs]

    def mean(self, arm: Arm, measure: Measure) -> float | None:
        """An arm's mean over its runs; None where no run has the measure."""
        values = [result.mean(measure.name) for result in self.of(arm, measure)]
        return sum(values) / len(values) if values else None

    @property
    def cells(self) -> list[Cell]:
        """The training sizes and lengths that were tried, the smallest first."""
        return sorted({arm.cell for arm in self.arms})

    @property
    def is_map(self) -> bool:
        """Whether several training sizes were tried: each cell is a question of its own."""
        return len({cell.train_size for cell in self.cells}) > 1

    @property
    def lengths(self) -> list[int]:
        """The numbers of epochs that were tried, the smallest first."""
        return sorted({arm.epochs for arm in self.arms})

    @property
    def samples(self) -> int:
        """How many validation samples there are; 0 where no run has finished."""
        if not self.measures:
            return 0
        found = (result for arm in self.arms for result in self.of(arm, self.main))
        return next((len(result.values[self.main.name]) for result in found), 0)

    def beats_chance(self, arm: Arm) -> bool:
        """Whether an arm is clearly better than a prediction that ignores the samples."""
        gains = (
            self.main.gain(result.mean(self.main.name) - result.chance) - self._margin(result)
            for result in self.of(arm, self.main)
        )
        return sum(gains) > 0

    def _margin(self, result: Result) -> float:
        """How much better than chance a run must be to be clearly so."""
        if self.main.percent:
            return CLEAR * (1 - result.chance)
        # Of noisy values only a little can be predicted. That counts where the samples are enough
        # to show it: two standard errors.
        values = result.values[self.main.name]
        two_errors = 2 * values.std().item() / len(values) ** 0.5
        return min(CLEAR * result.chance, two_errors)

    def summary(self, result: Result) -> str:
        """The main measure of a run, and how long it took."""
        value = self.main.text(result.mean(self.main.name))
        return f"{self.main.title} {value} in {result.seconds:.0f} s"

    def frame(self) -> "pd.DataFrame":
        """A row for each run: its arm, its seed, its measures, and how long it took."""
        import pandas as pd

        arms = {arm.name: arm for arm in self.arms}
        order = {name: place for place, name in enumerate(arms)}
        rows = []
        for result in sorted(self.results, key=lambda r: (order[r.arm], r.seed)):
            arm = arms[result.arm]
            rows.append(
                {
                    "mix": arm.mix,
                    "alpha": arm.alpha,
                    "epochs": arm.epochs,
                    **self._size(arm),
                    "seed": result.seed,
                    **{
                        measure.name: result.mean(measure.name)
                        if measure.name in result.values
                        else math.nan
                        for measure in self.measures
                    },
                    "seconds": result.seconds,
                    "samples_per_second": result.samples_per_second,
                    "failed": result.failed,
                }
            )
        return pd.DataFrame(rows)

    def compare(self, measure: Measure) -> list[Comparison]:
        """Every arm compared with its baseline, by paired differences over the seeds of both.

        The intervals of the main measure hold jointly, and so do those of all others; in a map,
        those of a cell.
        """
        if measure.name not in self._compared:
            pairs = comparisons(self.arms)
            count = len(pairs) // (len(self.cells) if self.is_map else 1)
            others = 1 if measure == self.main else len(self.measures) - 1
            paired = [(arm, base, self._pairs(arm, base, measure)) for arm, base in pairs]
            self._compared[measure.name] = [
                self._comparison(arm, baseline, measure, both, count * others)
                for arm, baseline, both in paired
                if both
            ]
        return self._compared[measure.name]

    @property
    def columns(self) -> list[str]:
        """The names in each dict of :meth:`differences`, also where there is none."""
        size = ["train_size"] if self.is_map else []
        found = ["value", "against_value", "difference", "low", "high", "seeds", "significant"]
        return ["mix", "epochs", *size, "against", "measure", *found, "learnt"]

    def learnt(self, measure: Measure) -> list[Comparison]:
        """The comparisons with a baseline that has learnt something."""
        return [made for made in self.compare(measure) if self.beats_chance(made.baseline)]

    def differences(self) -> list[dict[str, Any]]:
        """A dict for every comparison by every measure: the difference and its interval.

        ``learnt`` is whether the baseline is better than chance: else the answer claims nothing.
        """
        return [
            {
                "mix": made.arm.method,
                "epochs": made.arm.epochs,
                **self._size(made.arm),
                "against": made.baseline.method,
                "measure": made.measure.name,
                "value": made.value,
                "against_value": made.base,
                "difference": made.interval.mean,
                "low": made.interval.low,
                "high": made.interval.high,
                "seeds": made.interval.seeds,
                "significant": made.interval.significant,
                "learnt": self.beats_chance(made.baseline),
            }
            for made in self._all_comparisons()
        ]

    def _size(self, arm: Arm) -> dict[str, float]:
        """The column of a map that other comparisons lack."""
        return {"train_size": arm.cell.train_size} if self.is_map else {}

    def _all_comparisons(self) -> Iterator[Comparison]:
        for measure in self.measures:
            yield from self.compare(measure)

    def _comparison(
        self,
        arm: Arm,
        baseline: Arm,
        measure: Measure,
        both: list[tuple[Result, Result]],
        count: int,
    ) -> Comparison:
        name = measure.compared
        differences = np.stack([(a.values[name] - b.values[name]).numpy() for a, b in both])
        value, base = (
            sum(result.mean(measure.name) for result in side) / len(both)
            for side in zip(*both, strict=True)
        )
        margin = margin_at(measure, base)
        kind = {"paired": measure.paired, "rounded": measure.percent}
        found = interval(differences, count, **kind)
        negligible, needed = False, None
        if found.low is not None and found.high is not None:
            negligible = -margin <= found.low and found.high <= margin
            needed = seeds_needed(differences, margin, count, **kind)
        cut, same = found.within(*allowed(measure, base)), not differences.any()
        return Comparison(arm, baseline, measure, cut, value, base, same, negligible, needed)

    def time_ratio(self, arm: Arm, baseline: Arm) -> Interval | None:
        """How many times as long an arm takes, minus 1; None where it is too short to time."""
        # Earlier versions validated after every epoch, or on all samples, which takes longer.
        both = [(a, b) for a, b in self._pairs(arm, baseline) if a.validations == b.validations]
        if not both:
            return None
        seconds: NDArray[np.floating] = np.array([[a.seconds, b.seconds] for a, b in both])
        if seconds.mean() < SHORT:
            return None
        return interval((seconds[:, :1] / seconds[:, 1:]) - 1, len(comparisons(self.arms)))

    def _pairs(
        self, arm: Arm, baseline: Arm, measure: Measure | None = None
    ) -> list[tuple[Result, Result]]:
        """The results of both for each seed that both have finished, and measured."""
        others = {result.seed: result for result in self.of(baseline, measure)}
        both = [(own, others[own.seed]) for own in self.of(arm, measure) if own.seed in others]
        if measure is None:
            return both
        # Earlier versions measured changed images on more samples, and may have left other seeds.
        counts = [tuple(len(each.values[measure.compared]) for each in pair) for pair in both]
        like = [count for count in counts if len(set(count)) == 1]
        usual = max(dict.fromkeys(like), key=like.count, default=None)
        return [pair for pair, count in zip(both, counts, strict=True) if count == usual]
