"""The answer in words, which says no more than the numbers bear."""

from collections.abc import Sequence

from vicinal.study.arms import NONE, Arm, comparisons
from vicinal.study.measures import Measure
from vicinal.study.study import Comparison, Study

ALSO = ("ece", "nll", "noise", "blur", "contrast", "fgsm", "memorised")


def answer(study: Study) -> list[str]:
    """A sentence or two for each arm, the winners first.

    Raises:
        ValueError: no run has ended.
    """
    if not study.results:
        raise ValueError("no run has ended: there is nothing to be said")
    sentences = [_failures(study, arm) for arm in study.arms if study.failed(arm)]
    if not study.measures:
        return sentences
    main = study.measures[0]
    made = study.compare(main)
    sentences += [
        " ".join([_told(study, comparison), *_also(study, comparison)])
        for comparison in sorted(made, key=_gain, reverse=True)
    ]
    compared = {comparison.arm for comparison in made}
    return sentences + [
        f"{called(study, arm)} and {called(study, baseline)} have no run of the same seed that has "
        "ended, so nothing can be said of them."
        for arm, baseline in comparisons(study.arms)
        if arm not in compared
    ]


def headline(study: Study) -> str:
    """The one sentence above all: whether anything beats not mixing."""
    main = study.measures[0] if study.measures else None
    made = study.compare(main) if main else []
    better = [c for c in made if c.interval.told and _gain(c) > 0]
    worse = [c for c in made if c.interval.told and _gain(c) < 0]
    if not made:
        return "Nothing can be told: no two runs of one seed have ended."
    if any(c.interval.low is None for c in made):
        return "One seed tells no difference from chance: add seeds."
    if better:
        best = max(better, key=_gain)
        return f"{called(study, best.arm)} helps here: {_difference(best)}."
    base = made[0].baseline.mix
    nothing = "Nothing here beats " + ("training without mixing" if base == NONE else base)
    if len(worse) == len(made):
        return f"{nothing}; everything else is worse."
    return f"{nothing}, as far as {_seeds(made)} can tell."


def _told(study: Study, comparison: Comparison) -> str:
    found, measure = comparison.interval, comparison.measure
    arm, baseline = called(study, comparison.arm), comparison.baseline.method
    if found.low is None:
        return (
            f"{arm} has {measure.text(comparison.value)}, {baseline} "
            f"{measure.text(comparison.base)} ({measure.title}): one seed tells no interval; 2 or "
            "more would."
        )
    if found.told:
        verb = "beats" if _gain(comparison) > 0 else "loses to"
        return f"{arm} {verb} {baseline} by {_difference(comparison)}."
    return (
        f"No difference between {arm} and {baseline} can be told from {_seeds([comparison])}: it "
        f"lies between {_number(measure, measure.gain(found.low), measure.gain(found.high or 0))}"
        f"{_advice(comparison)}"
    )


def _advice(comparison: Comparison) -> str:
    measure, needed = comparison.measure, comparison.needed
    worth = "half a point" if measure.percent else "a hundredth of it"
    if needed is None:
        return f"; more seeds alone would not tell one of {worth}, as there are too few samples."
    if needed <= comparison.interval.seeds:
        return f", so that one of {worth} would have been told."
    return f"; {needed} seeds would tell one of {worth}."


def _also(study: Study, comparison: Comparison) -> list[str]:
    """What else can be told of an arm: calibration, robustness, time."""
    told: dict[bool, list[str]] = {True: [], False: []}
    for measure in study.measures:
        if measure.name not in ALSO:
            continue
        for other in study.compare(measure):
            if other.arm == comparison.arm and other.interval.told:
                values = f"{measure.text(other.value)} against {measure.text(other.base)}"
                told[_gain(other) > 0].append(f"{measure.title} ({values})")
    parts = []
    if told[True]:
        parts.append(f"It is better in {_and(told[True])}.")
    if told[False]:
        parts.append(f"It is worse in {_and(told[False])}.")
    time = study.time_ratio(comparison.arm, comparison.baseline)
    if time is not None and time.told:
        more = "more" if time.mean > 0 else "less"
        parts.append(f"It takes {abs(100 * time.mean):.0f} % {more} time.")
    return parts


def _failures(study: Study, arm: Arm) -> str:
    failed, ended = study.failed(arm), study.of(arm)
    count = len(failed) + len(ended)
    runs = "its run" if count == 1 else f"{len(failed)} of its {count} runs"
    return f"{called(study, arm)}: {runs} diverged ({failed[0].failed})."


def called(study: Study, arm: Arm) -> str:
    """An arm's name, with its epochs where others train for more or less."""
    if len({each.epochs for each in study.arms}) == 1:
        return arm.method
    return f"{arm.method} at {arm.epochs} epoch{'s' if arm.epochs != 1 else ''}"


def _difference(comparison: Comparison) -> str:
    measure, found = comparison.measure, comparison.interval
    low, high = found.low or 0.0, found.high or 0.0
    if found.mean < 0:
        low, high = -high, -low
    size = abs(found.mean)
    if measure.percent:
        return f"{100 * size:.1f} points ({100 * low:.1f} to {100 * high:.1f})"
    return f"{size:.3g} ({low:.3g} to {high:.3g}; {measure.title})"


def _number(measure: Measure, first: float, second: float) -> str:
    low, high = sorted((first, second))
    if measure.percent:
        return f"{100 * low:+.1f} and {100 * high:+.1f} points"
    return f"{low:+.3g} and {high:+.3g} ({measure.title}, above 0 is better)"


def _seeds(made: Sequence[Comparison]) -> str:
    fewest = min(comparison.interval.seeds for comparison in made)
    return f"{fewest} seed{'s' if fewest != 1 else ''}"


def _gain(comparison: Comparison) -> float:
    return comparison.measure.gain(comparison.interval.mean)


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
