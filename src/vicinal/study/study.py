"""Study: the results of a comparison, and what can be said of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vicinal.study.arms import Arm, comparisons
from vicinal.study.intervals import Interval, interval, seeds_needed
from vicinal.study.measures import MEASURES, Measure
from vicinal.study.runner import Result

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
            hundredth of it); None where no number would, or one seed tells nothing.
    """

    arm: Arm
    baseline: Arm
    measure: Measure
    interval: Interval
    value: float
    base: float
    needed: int | None


@dataclass(frozen=True)
class Study:
    """The results of a comparison.

    Args:
        arms: what was compared, in order.
        results: of the runs that have ended.
    """

    arms: list[Arm]
    results: list[Result]

    def of(self, arm: Arm) -> list[Result]:
        """An arm's results, by their seeds, without those that diverged."""
        found = [result for result in self.results if result.arm == arm.name and not result.failed]
        return sorted(found, key=lambda result: result.seed)

    def failed(self, arm: Arm) -> list[Result]:
        """An arm's runs that diverged."""
        return [result for result in self.results if result.arm == arm.name and result.failed]

    @property
    def measures(self) -> list[Measure]:
        """What was measured, the most important first."""
        found = {name for result in self.results for name in result.values}
        return [measure for name, measure in MEASURES.items() if name in found]

    def summary(self, result: Result) -> str:
        """The main measure of a run, and how long it took."""
        main = self.measures[0]
        return f"{main.title} {main.text(result.means()[main.name])} in {result.seconds:.0f} s"

    def frame(self) -> pd.DataFrame:
        """A row for each run: its arm, its seed, its measures, and how long it took."""
        arms = {arm.name: arm for arm in self.arms}
        rows = []
        for result in sorted(self.results, key=lambda r: ([*arms].index(r.arm), r.seed)):
            arm = arms[result.arm]
            row: dict[str, Any] = {"mix": arm.mix, "alpha": arm.alpha, "epochs": arm.epochs}
            row |= {"seed": result.seed, **result.means(), "seconds": result.seconds}
            rows.append(
                row | {"samples_per_second": result.samples_per_second, "failed": result.failed}
            )
        return pd.DataFrame(rows)

    def compare(self, measure: Measure) -> list[Comparison]:
        """Every arm beside its baseline, by paired differences over the seeds that both have."""
        made = []
        pairs = comparisons(self.arms)
        for arm, baseline in pairs:
            both = self._pairs(arm, baseline)
            if both:
                made.append(self._comparison(arm, baseline, measure, both, len(pairs)))
        return made

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
        own, base = (
            np.stack([r.values[measure.name].numpy() for r in s]) for s in zip(*both, strict=True)
        )
        differences = own - base
        worth = NARROW[measure.percent] * (1.0 if measure.percent else abs(base.mean()))
        needed = seeds_needed(differences, worth, count) if len(both) > 1 else None
        return Comparison(
            arm,
            baseline,
            measure,
            interval(differences, count),
            float(own.mean()),
            float(base.mean()),
            needed,
        )

    def time_ratio(self, arm: Arm, baseline: Arm) -> Interval | None:
        """How many times as long an arm takes, less 1; None without two pairs of runs."""
        both = self._pairs(arm, baseline)
        if not both:
            return None
        seconds: NDArray[np.floating] = np.array([[a.seconds, b.seconds] for a, b in both])
        return interval((seconds[:, :1] / seconds[:, 1:]) - 1, len(comparisons(self.arms)))

    def _pairs(self, arm: Arm, baseline: Arm) -> list[tuple[Result, Result]]:
        others = {result.seed: result for result in self.of(baseline)}
        return [(own, others[own.seed]) for own in self.of(arm) if own.seed in others]
