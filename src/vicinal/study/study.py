"""Study: the results of a comparison, and what can be said of them."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vicinal.study.arms import Arm, comparisons
from vicinal.study.intervals import Interval, interval, seeds_needed
from vicinal.study.measures import MEASURES, Measure
from vicinal.study.runner import Result

LEARNT = 0.05  # clearly better than chance: by a twentieth of what is to be gained
SHORT = 5.0  # seconds; in shorter trainings chance and beginnings make the time
NARROW = {True: 0.005, False: 0.01}  # worth telling: half a point, or a hundredth of the value


@dataclass(frozen=True)
class Comparison:
    """An arm beside the one that it is compared to, by one measure.

    Args:
        arm, baseline: the two.
        measure: what is compared.
        interval: of the arm's mean less the baseline's.
        value, base: the two means, over the same seeds.
        needed: how many seeds would tell a difference of half a point (of what is no share, of a
            hundredth of it), however many that is; None where no number would, as the validation
            samples are too few, or one seed tells nothing.
    """

    arm: Arm
    baseline: Arm
    measure: Measure
    interval: Interval
    value: float
    base: float
    needed: int | None


def _within(found: Interval, measure: Measure) -> Interval:
    """The interval within what can be: shares differ by 1 at most."""
    if not measure.percent or found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, -1.0), high=min(found.high, 1.0))


@dataclass(frozen=True)
class Study:
    """The results of a comparison.

    Args:
        arms: what was compared, in order.
        results: of the runs that have ended.
    """

    arms: list[Arm]
    results: list[Result]
    _compared: dict[str, list[Comparison]] = field(default_factory=dict, init=False, repr=False)

    def of(self, arm: Arm) -> list[Result]:
        """An arm's results, by their seeds, without those that diverged."""
        found = [result for result in self.results if result.arm == arm.name and not result.failed]
        return sorted(found, key=lambda result: result.seed)

    def failed(self, arm: Arm) -> list[Result]:
        """An arm's runs that diverged."""
        return [result for result in self.results if result.arm == arm.name and result.failed]

    def mean(self, arm: Arm, measure: Measure) -> float | None:
        """An arm's mean over its runs; None where none has ended."""
        values = [result.mean(measure.name) for result in self.of(arm)]
        return sum(values) / len(values) if values else None

    @property
    def lengths(self) -> list[int]:
        """The numbers of epochs that were tried, the least first."""
        return sorted({arm.epochs for arm in self.arms})

    @property
    def samples(self) -> int:
        """How many validation samples there are; 0 where no run has ended."""
        counts = [len(result.values[self.measures[0].name]) for result in self._ended()]
        return counts[0] if counts else 0

    def has_learnt(self, arm: Arm) -> bool:
        """Whether an arm is clearly better than an answer that never looks at the samples."""
        main = self.measures[0]
        gains = (
            main.gain(result.mean(main.name) - result.chance) - self._clear(result)
            for result in self.of(arm)
        )
        return sum(gains) > 0

    def _clear(self, result: Result) -> float:
        """By how much a run is to be better than chance, to be so clearly."""
        main = self.measures[0]
        if main.percent:
            return LEARNT * (1 - result.chance)
        # Of values little may be foretold, which is learnt where the samples are enough to tell.
        values = result.values[main.name]
        two_errors = 2 * values.std().item() / len(values) ** 0.5
        return min(LEARNT * result.chance, two_errors)

    def _ended(self) -> list[Result]:
        return [result for result in self.results if not result.failed]

    @property
    def measures(self) -> list[Measure]:
        """What was measured, the most important first."""
        found = {name for result in self.results for name in result.values}
        return [measure for name, measure in MEASURES.items() if name in found]

    def summary(self, result: Result) -> str:
        """The main measure of a run, and how long it took."""
        main = self.measures[0]
        return f"{main.title} {main.text(result.mean(main.name))} in {result.seconds:.0f} s"

    def frame(self) -> pd.DataFrame:
        """A row for each run: its arm, its seed, its measures, and how long it took."""
        arms = {arm.name: arm for arm in self.arms}
        rows = []
        for result in sorted(self.results, key=lambda r: ([*arms].index(r.arm), r.seed)):
            arm = arms[result.arm]
            row: dict[str, Any] = {"mix": arm.mix, "alpha": arm.alpha, "epochs": arm.epochs}
            means = {name: value for name, value in result.means().items() if name in MEASURES}
            row |= {"seed": result.seed, **means, "seconds": result.seconds}
            rows.append(
                row | {"samples_per_second": result.samples_per_second, "failed": result.failed}
            )
        return pd.DataFrame(rows)

    def compare(self, measure: Measure) -> list[Comparison]:
        """Every arm beside its baseline, by paired differences over the seeds that both have.

        The intervals of the main measure hold together, and so do those of all others.
        """
        if measure.name not in self._compared:
            pairs = comparisons(self.arms)
            others = 1 if measure == self.measures[0] else len(self.measures) - 1
            found = [(arm, baseline, self._pairs(arm, baseline)) for arm, baseline in pairs]
            self._compared[measure.name] = [
                self._comparison(arm, baseline, measure, both, len(pairs) * others)
                for arm, baseline, both in found
                if both
            ]
        return self._compared[measure.name]

    def differences(self) -> list[dict[str, Any]]:
        """A dict for every comparison by every measure: the difference and its interval."""
        return [
            {
                "mix": made.arm.method,
                "epochs": made.arm.epochs,
                "against": made.baseline.method,
                "measure": made.measure.name,
                "value": made.value,
                "against_value": made.base,
                "difference": made.interval.mean,
                "low": made.interval.low,
                "high": made.interval.high,
                "seeds": made.interval.seeds,
                "told": made.interval.told,
            }
            for measure in self.measures
            for made in self.compare(measure)
        ]

    def _comparison(
        self,
        arm: Arm,
        baseline: Arm,
        measure: Measure,
        both: list[tuple[Result, Result]],
        count: int,
    ) -> Comparison:
        compared = measure.compared_by or measure.name
        differences = np.stack([(a.values[compared] - b.values[compared]).numpy() for a, b in both])
        if not measure.shared:  # a row's numbers are its own, and only its mean can be compared
            differences = differences.mean(1, keepdims=True)
        own, base = (
            sum(each.mean(measure.name) for each in side) / len(both)
            for side in zip(*both, strict=True)
        )
        worth = NARROW[measure.percent] * (1.0 if measure.percent else abs(base))
        needed = seeds_needed(differences, worth, count) if len(both) > 1 else None
        return Comparison(
            arm,
            baseline,
            measure,
            _within(interval(differences, count), measure),
            own,
            base,
            needed,
        )

    def time_ratio(self, arm: Arm, baseline: Arm) -> Interval | None:
        """How many times as long an arm takes, less 1; None where it can hardly be timed."""
        both = self._pairs(arm, baseline)
        if not both:
            return None
        seconds: NDArray[np.floating] = np.array([[a.seconds, b.seconds] for a, b in both])
        if seconds.mean() < SHORT:
            return None
        return interval((seconds[:, :1] / seconds[:, 1:]) - 1, len(comparisons(self.arms)))

    def _pairs(self, arm: Arm, baseline: Arm) -> list[tuple[Result, Result]]:
        others = {result.seed: result for result in self.of(baseline)}
        return [(own, others[own.seed]) for own in self.of(arm) if own.seed in others]
