"""The answer in words, which says no more than the numbers bear."""

from collections.abc import Sequence
from itertools import groupby

from vicinal.study.arms import Arm, comparisons
from vicinal.study.measures import Measure
from vicinal.study.study import Comparison, Study
from vicinal.study.words import counted, joined

FEW = 100  # validation samples
MOST_SEEDS = 100  # more are not worth a number
ALSO = ("ece", "nll", "noise", "blur", "contrast", "fgsm", "memorised")


def said(study: Study) -> list[str]:
    """All that is said of a study: the headline, and the answer."""
    return [headline(study), *answer(study)]


def headline(study: Study) -> str:
    """The one sentence above all: whether anything beats not mixing."""
    made = study.compare(study.measures[0]) if study.measures else []
    if not made:
        return "Nothing can be told: no two runs of one seed have ended."
    if not any(study.has_learnt(arm) for arm in study.arms):
        return (
            "Nothing has been learnt yet, so nothing can be compared: train longer, or with more "
            "samples."
        )
    lengths = [list(group) for _, group in groupby(made, key=lambda c: c.arm.epochs)]
    return " ".join(_best(study, group, named=len(lengths) > 1) for group in lengths)


def _best(study: Study, made: list[Comparison], *, named: bool) -> str:
    """What can be said of the arms of one length."""
    where = f"With {counted(made[0].arm.epochs, 'epoch')}, " if named else ""
    base = called_baseline(made[0].baseline)
    if not study.has_learnt(made[0].baseline):
        return _sentence(
            f"{where}{base} has learnt nothing yet, so nothing can be compared to it: train "
            "longer, or with more samples."
        )
    known = [comparison for comparison in made if comparison.interval.low is not None]
    if not known:
        return _sentence(f"{where}one seed tells no difference from chance: add seeds.")
    told = [comparison for comparison in known if comparison.interval.told]
    winners = [comparison for comparison in told if _gain(comparison) > 0]
    if winners:
        best = max(winners, key=_gain)
        return _sentence(f"{where}{best.arm.method} beats {base} by {_difference(best)}.")
    if len(told) == len(made):
        return _sentence(f"{where}nothing that was tried beats {base}: all of it is worse.")
    are = "are" if len(told) > 1 else "is"
    worse = "; " + joined([c.arm.method for c in told]) + f" {are} worse" if told else ""
    shown = f"{_seeds(known)} show no gain over {base}, but cannot rule one out{worse}."
    return _sentence(where + shown)


def answer(study: Study) -> list[str]:
    """A sentence or two for each arm, the winners first.

    None where no run has ended, and no arm is compared to one that has learnt nothing.
    """
    sentences = [_failures(study, arm) for arm in study.arms if study.failed(arm)]
    if not study.measures:
        return sentences
    sentences += _warnings(study)
    made = study.compare(study.measures[0])
    sentences += [
        " ".join([_told(study, comparison), *_also(study, comparison)])
        for comparison in sorted(made, key=_gain, reverse=True)
        if study.has_learnt(comparison.baseline)
    ]
    compared = {comparison.arm for comparison in made}
    if len(study.arms) > 2:
        sentences.append(_best_of_all(study))
    return sentences + [
        f"{called(study, arm)} and {called(study, baseline)} have no run of the same seed that has "
        "ended, so nothing can be said of them."
        for arm, baseline in comparisons(study.arms)
        if arm not in compared
    ]


def _best_of_all(study: Study) -> str:
    """Which arm has the best mean, whatever chance has to do with it."""
    main = study.measures[0]
    means = {arm: mean for arm in study.arms if (mean := study.mean(arm, main)) is not None}
    best = max(means, key=lambda arm: main.gain(means[arm]))
    return f"The best mean {main.title} is that of {called(study, best)}: {main.text(means[best])}."


def _warnings(study: Study) -> list[str]:
    """What makes any answer weak."""
    main, warnings = study.measures[0], []
    if study.samples < FEW:
        share = f"; one of them is {100 / study.samples:.1f} points" if main.percent else ""
        warnings.append(f"There are only {counted(study.samples, 'validation sample')}{share}.")
    made = study.compare(main)
    if made and min(comparison.interval.seeds for comparison in made) == 2:
        warnings.append(
            "Two seeds are the fewest that give an interval, and a wide one: five make it several "
            "times as narrow."
        )
    return warnings


def _told(study: Study, comparison: Comparison) -> str:
    found, measure = comparison.interval, comparison.measure
    arm, baseline = called(study, comparison.arm), comparison.baseline.method
    if found.low is None or found.high is None:
        return (
            f"{arm} has {measure.text(comparison.value)}, {baseline} "
            f"{measure.text(comparison.base)} ({measure.title}): one seed tells no interval; 2 or "
            "more would."
        )
    if found.low == found.high == 0:
        return f"{arm} and {baseline} answered alike on every sample, with {_seeds([comparison])}."
    if found.told:
        verb = "beats" if _gain(comparison) > 0 else "loses to"
        return f"{arm} {verb} {baseline} by {_difference(comparison)}."
    return (
        f"{_seeds([comparison])} show no difference between {arm} and {baseline}: it may be "
        f"anything from {_signed(measure, found.low)} to {_signed(measure, found.high)}"
        f"{_unit(measure)}{_advice(study, comparison)}."
    )


def _advice(study: Study, comparison: Comparison) -> str:
    """What more seeds would tell."""
    measure, needed = comparison.measure, comparison.needed
    worth = "half a point" if measure.percent else "a hundredth of the error"
    if needed is None:
        return (
            f" (more seeds alone cannot narrow that to {worth} either way: {study.samples:,} "
            "validation samples are too few)"
        )
    if needed <= comparison.interval.seeds:
        return ""
    if needed > MOST_SEEDS:
        return (
            f" (more than {MOST_SEEDS} seeds would be needed to narrow that to {worth} either way)"
        )
    return f" ({needed} seeds would narrow that to about {worth} either way)"


def _also(study: Study, comparison: Comparison) -> list[str]:
    """What else can be told of an arm: calibration, robustness, time."""
    told: dict[bool, list[str]] = {True: [], False: []}
    for measure in study.measures[1:]:
        if measure.name not in ALSO:
            continue
        for other in study.compare(measure):
            own, base = measure.text(other.value), measure.text(other.base)
            if other.arm == comparison.arm and other.interval.told and own != base:
                values = f"{own} against {base}"
                told[_gain(other) > 0].append(f"{measure.title} ({values})")
    parts = []
    if told[True]:
        parts.append(f"It is better in {joined(told[True])}.")
    if told[False]:
        parts.append(f"It is worse in {joined(told[False])}.")
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
    if len(study.lengths) == 1:
        return arm.method
    return f"{arm.method} at {counted(arm.epochs, 'epoch')}"


def called_baseline(arm: Arm) -> str:
    """What the others are compared to."""
    return arm.method if arm.mixes else "training without mixing"


def _difference(comparison: Comparison) -> str:
    measure, found = comparison.measure, comparison.interval
    low, high = sorted((abs(found.low or 0.0), abs(found.high or 0.0)))
    if measure.percent:
        return f"{100 * abs(found.mean):.1f} points ({100 * low:.1f} to {100 * high:.1f})"
    return f"{abs(found.mean):.3g} ({low:.3g} to {high:.3g}; {measure.title})"


def _signed(measure: Measure, difference: float) -> str:
    return f"{100 * difference:+.1f}" if measure.percent else f"{difference:+.3g}"


def _unit(measure: Measure) -> str:
    if measure.percent:
        return " points"
    side = "above" if measure.better == "higher" else "below"
    return f" ({measure.title}, {side} 0 is better)"


def _seeds(made: Sequence[Comparison]) -> str:
    return counted(min(comparison.interval.seeds for comparison in made), "seed")


def _gain(comparison: Comparison) -> float:
    return comparison.measure.gain(comparison.interval.mean)


def _sentence(text: str) -> str:
    return (
        text[:1].upper() + text[1:]
        if text.startswith(("nothing", "one seed", "training"))
        else text
    )
