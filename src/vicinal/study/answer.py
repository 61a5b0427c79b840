"""The answer in sentences, which claim no more than the numbers support."""

from itertools import groupby
from statistics import fmean

from vicinal.formatting import join_and, pluralize
from vicinal.study.analysis import Analysis, Comparison, Missing, margin_text
from vicinal.study.arms import Arm, baseline_name, comparisons
from vicinal.study.cells import map_answer
from vicinal.study.formatting import capitalized
from vicinal.study.measure import Measure

FEW = 100  # validation samples
MOST_SEEDS = 100  # more are not worth a number
ENOUGH = 5  # seeds, for a start: with fewer, intervals are much wider


def answer(analysis: Analysis) -> list[str]:
    """All sentences: the headline, and the details."""
    if analysis.is_map:
        failures = [_failures(analysis, arm) for arm in analysis.arms if analysis.failed(arm)]
        first, *more = map_answer(analysis)
        return [first, *failures, *more]
    return [headline(analysis), *details(analysis)]


def headline(analysis: Analysis) -> str:
    """One sentence: whether anything beats training without mixing."""
    made = analysis.compare(analysis.main) if analysis.measures else []
    if not made:
        return "There is nothing to compare: no arm has finished a seed that its baseline has, too."
    if not any(analysis.beats_chance(arm) for arm in analysis.arms):
        return (
            "No arm is better than chance yet, so there is nothing to compare: train longer, or "
            "with more samples."
        )
    lengths = {epochs: [*group] for epochs, group in groupby(made, key=lambda c: c.arm.epochs)}
    named = len(analysis.lengths) > 1
    sentences = [_best(analysis, group, named=named) for group in lengths.values()]
    left = [pluralize(epochs, "epoch") for epochs in analysis.lengths if epochs not in lengths]
    if left:
        sentences.append(f"With {join_and(left)}, there is nothing to compare.")
    return " ".join(sentences)


def _best(analysis: Analysis, made: list[Comparison], *, named: bool) -> str:
    """The headline for the arms of one length; ``named`` where there are others."""
    where = f"With {pluralize(made[0].arm.epochs, 'epoch')}, " if named else ""
    base = baseline_name(made[0].baseline)
    if not analysis.beats_chance(made[0].baseline):
        return capitalized(
            f"{where}{base} is no better than chance yet, so nothing can be compared with it: "
            "train longer, or with more samples."
        )
    known = [comparison for comparison in made if comparison.interval.low is not None]
    if not known:
        return capitalized(f"{where}one seed cannot tell a difference from chance: add seeds.")
    significant = [comparison for comparison in known if comparison.interval.significant]
    winners = [comparison for comparison in significant if comparison.gain > 0]
    if winners:
        best = max(winners, key=lambda comparison: comparison.gain)
        return capitalized(f"{where}{best.arm.method} beats {base} by {_difference(best)}.")
    if len(significant) == len(made):
        return capitalized(f"{where}nothing that was tried beats {base}: all of it is worse.")
    return capitalized(f"{where}{_no_winner(analysis, made, known)}.")


def _no_winner(analysis: Analysis, made: list[Comparison], known: list[Comparison]) -> str:
    """What is not known, what makes no practical difference, and what is worse."""
    base = baseline_name(made[0].baseline)
    worse = [c for c in known if c.interval.significant]
    same = [c for c in known if c.same]
    settled = [c for c in known if c.is_negligible and c not in worse and c not in same]
    undecided = [c for c in known if c not in worse and c not in settled and c not in same]
    parts = []
    if undecided:
        what = _methods(undecided)
        if len(undecided) > 1:
            all_of_it = len(undecided) == len(made)
            what = "anything that was tried" if all_of_it else f"any of {what}"
        parts.append(_undecided(analysis, undecided, what, base))
    if settled:
        verb = "make" if len(settled) > 1 else "makes"
        to = "" if undecided else f" to {base}"
        size = f"less than {margin_text(settled[0].measure)}"
        parts.append(f"{_methods(settled)} {verb} no practical difference{to} ({size})")
    if same:
        verb = "have" if len(same) > 1 else "has"
        title = same[0].measure.title
        parts.append(f"{_methods(same)} {verb} the same {title} as {base} on every sample")
    if worse:
        than = "" if undecided or settled or same else f" than {base}"
        parts.append(f"{_methods(worse)} {'are' if len(worse) > 1 else 'is'} worse{than}")
    if len(known) < len(made):
        parts.append(f"one seed of {_methods([c for c in made if c not in known])} tells nothing")
    return "; ".join(parts)


def _undecided(analysis: Analysis, undecided: list[Comparison], what: str, base: str) -> str:
    """That a gain is possible, with the best mean of those where it is."""
    best = max(undecided, key=lambda comparison: comparison.gain)
    seeds = pluralize(best.interval.seeds, "seed")
    if all(comparison.is_open for comparison in undecided):
        if any(_lacks_samples(comparison) for comparison in undecided):
            few = f"{pluralize(analysis.samples, 'validation sample')} and {seeds}"
            return f"{few} cannot tell whether {what} beats {base}: hold out more samples"
        return f"{seeds} are too few to tell whether {what} beats {base}: take {ENOUGH} or more"
    mean = f"the mean difference is {_signed(best)}"
    if len(undecided) > 1:
        mean = f"the best mean difference is that of {best.arm.method}, {_signed(best)}"
    return f"{seeds} cannot tell whether {what} beats {base}: {mean}"


def _methods(made: list[Comparison]) -> str:
    return join_and([comparison.arm.method for comparison in made])


def details(analysis: Analysis) -> list[str]:
    """A sentence or two for each arm, the winners first, and what weakens the answer.

    No arm is compared with a baseline that is no better than chance.
    """
    sentences = [_failures(analysis, arm) for arm in analysis.arms if analysis.failed(arm)]
    if not analysis.measures:
        return sentences
    sentences += _warnings(analysis) + _missing(analysis)
    made = analysis.compare(analysis.main)
    sentences += [
        " ".join([_main_difference(analysis, comparison), *_others(analysis, comparison)])
        for comparison in sorted(analysis.learnt(analysis.main), key=lambda c: c.gain, reverse=True)
    ]
    if made and len(analysis.arms) > 2 and any(analysis.beats_chance(arm) for arm in analysis.arms):
        sentences += _best_mean(analysis)
    return sentences + _unpaired(analysis, {comparison.arm for comparison in made})


def _unpaired(analysis: Analysis, compared: set[Arm]) -> list[str]:
    """Which arms cannot be compared yet, a sentence for each baseline."""
    left: dict[Arm, list[str]] = {}
    for arm, baseline in comparisons(analysis.arms):
        if arm not in compared:
            left.setdefault(baseline, []).append(full_name(analysis, arm))
    sentences = []
    for baseline, names in left.items():
        base = full_name(analysis, baseline)
        sentences.append(
            f"{names[0]} and {base} have not finished a run of the same seed, so they cannot be "
            "compared."
            if len(names) == 1
            else f"{join_and(names)} have not finished a run of a seed that {base} has, too, so "
            "they cannot be compared with it."
        )
    return sentences


def _best_mean(analysis: Analysis) -> list[str]:
    """The arm with the best mean, whether or not by chance, over the seeds that all have."""
    main = analysis.main
    values = {
        arm: {r.seed: r.mean(main.name) for r in analysis.of(arm, main)} for arm in analysis.arms
    }
    values = {arm: of_seeds for arm, of_seeds in values.items() if of_seeds}
    seeds = set.intersection(*map(set, values.values()))
    if not seeds:
        return []
    means = {arm: fmean(of_seeds[seed] for seed in seeds) for arm, of_seeds in values.items()}
    best = max(means.values(), key=main.gain)
    names = [full_name(analysis, arm) for arm, mean in means.items() if mean == best]
    title = main.title.removeprefix("mean ")  # of average precision, or of IoU
    is_even = all(len(of_seeds) == len(seeds) for of_seeds in values.values())
    over = "" if is_even else f" over {pluralize(len(seeds), 'seed')}, which all have finished,"
    return [f"The best mean {title}{over} is that of {join_and(names)}: {main.text(best)}."]


def _warnings(analysis: Analysis) -> list[str]:
    """What weakens any answer."""
    main, warnings = analysis.main, []
    if analysis.samples < FEW:
        counts_samples = main.name == "accuracy"  # others are no shares of them
        share = f"; one of them is {100 / analysis.samples:.1f} points" if counts_samples else ""
        warnings.append(
            f"There are only {pluralize(analysis.samples, 'validation sample')}{share}."
        )
    made = analysis.compare(main)
    if made and min(comparison.interval.seeds for comparison in made) == 2:
        warnings.append(
            "Two seeds are the fewest that give an interval, and a very wide one: five make it "
            "several times as narrow."
        )
    return warnings


def _missing(analysis: Analysis) -> list[str]:
    """Which arms lack a measure, as their runs were measured by an earlier version.

    Measures that the same runs lack share a sentence.
    """
    lacking: dict[str, list[Measure]] = {}
    for measure in analysis.measures:
        if found := [missing for missing in analysis.missing if missing.measure == measure]:
            lacking.setdefault(_runs_lacking(analysis, found), []).append(measure)
    return [
        f"An earlier version did not have these measures, which are missing in {runs}: "
        f"{'; '.join(measure.title for measure in measures)}."
        if len(measures) > 1
        else f"{measures[0].title[:1].upper()}{measures[0].title[1:]} was not measured in {runs}: "
        "an earlier version did not have it."
        for runs, measures in lacking.items()
    ]


def _runs_lacking(analysis: Analysis, found: list[Missing]) -> str:
    """The runs without a measure in words; arms of which as many lack it are named together."""
    names: dict[tuple[int, int], list[str]] = {}
    for missing in found:
        names.setdefault((missing.runs, missing.of), []).append(full_name(analysis, missing.arm))
    parts = []
    for (runs, of), arms in names.items():
        each = "each of " if len(arms) > 1 else ""
        parts.append(
            join_and(arms) if runs == of else f"{runs} of the {of} runs of {each}{join_and(arms)}"
        )
    return join_and(parts)


def _main_difference(analysis: Analysis, comparison: Comparison) -> str:
    found, measure = comparison.interval, comparison.measure
    arm, baseline = full_name(analysis, comparison.arm), comparison.baseline.method
    seeds = pluralize(found.seeds, "seed")
    if found.low is None or found.high is None:
        return (
            f"{arm} has {measure.text(comparison.value)}, {baseline} "
            f"{measure.text(comparison.base)} ({measure.title}): one seed gives no interval; take "
            f"{ENOUGH} or more."
        )
    if comparison.same:
        return f"{arm} and {baseline} have the same {measure.title} on every sample, with {seeds}."
    if found.significant:
        verb = "beats" if comparison.gain > 0 else "loses to"
        return f"{arm} {verb} {baseline} by {_difference(comparison)}."
    if comparison.is_negligible:
        return (
            f"{arm} makes no practical difference to {baseline}, less than {margin_text(measure)}: "
            f"{_signed(comparison)}, with {seeds}."
        )
    mean = f"{arm} {_mean_difference(comparison)} {baseline}, in the mean of {seeds}"
    if comparison.is_open:
        few = "validation samples" if _lacks_samples(comparison) else "seeds"
        return f"{mean}: so few {few} leave open what the true difference is."
    notes = "; ".join(filter(None, [_side(measure), _seeds_needed(analysis, comparison)]))
    points = " points" if measure.percent else ""
    return (
        f"{mean}, but the true difference may be anything from {measure.signed(found.low)} to "
        f"{measure.signed(found.high)}{points}{f' ({notes})' if notes else ''}."
    )


def _lacks_samples(comparison: Comparison) -> bool:
    """Whether more seeds would not help an interval that tells nothing."""
    return comparison.needed is None or comparison.interval.seeds >= ENOUGH


def _mean_difference(comparison: Comparison) -> str:
    """How two arms differ in their means, which proves nothing about the arms."""
    measure, difference = comparison.measure, comparison.interval.mean
    size = _size(measure, difference)
    if difference == 0 or size == _size(measure, 0.0):
        return f"has the same {measure.title} as"
    points = " points" if measure.percent else ""
    return f"is {size}{points} {'better' if comparison.gain > 0 else 'worse'} than"


def _seeds_needed(analysis: Analysis, comparison: Comparison) -> str:
    """How far more seeds would narrow the interval; empty where they need not."""
    needed, width = comparison.needed, margin_text(comparison.measure)
    if needed is None:
        return (
            f"more seeds alone cannot narrow that to {width} either way: {analysis.samples:,} "
            "validation samples are too few"
        )
    if needed <= comparison.interval.seeds:
        return ""
    if needed > MOST_SEEDS:
        return f"more than {MOST_SEEDS} seeds would be needed to narrow that to {width} either way"
    return f"{needed} seeds would narrow that to about {width} either way"


def _others(analysis: Analysis, comparison: Comparison) -> list[str]:
    """Significant differences in other measures, and in time."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for measure in analysis.measures[1:]:
        if not measure.in_answer:
            continue
        for other in analysis.compare(measure):
            own, base = measure.text(other.value), measure.text(other.base)
            # What is shown as the same number is not worth a sentence.
            if other.arm == comparison.arm and other.interval.significant and own != base:
                found[other.gain > 0].append(f"{measure.title} ({own} against {base})")
    parts = []
    if found[True]:
        parts.append(f"It is better in {join_and(found[True])}.")
    if found[False]:
        parts.append(f"It is worse in {join_and(found[False])}.")
    time = analysis.time_ratio(comparison.arm, comparison.baseline)
    if time is not None and time.significant:
        more = "more" if time.mean > 0 else "less"
        parts.append(f"It takes {abs(100 * time.mean):.0f} % {more} time.")
    return parts


def _failures(analysis: Analysis, arm: Arm) -> str:
    failed, finished = analysis.failed(arm), analysis.of(arm)
    count = len(failed) + len(finished)
    runs = "its run" if count == 1 else f"{len(failed)} of its {count} runs"
    return f"{full_name(analysis, arm)}: {runs} diverged ({failed[0].failed})."


def full_name(analysis: Analysis, arm: Arm) -> str:
    """An arm's name, with its epochs and its training size where other arms have others."""
    if analysis.is_map:
        return f"{arm.method}, {arm.cell.text}"
    if len(analysis.lengths) == 1:
        return arm.method
    return f"{arm.method} at {pluralize(arm.epochs, 'epoch')}"


def _difference(comparison: Comparison) -> str:
    """A significant difference with its interval, as text."""
    measure, found = comparison.measure, comparison.interval
    low, high = sorted((abs(found.low or 0.0), abs(found.high or 0.0)))
    mean, least, most = (_size(measure, each) for each in (found.mean, low, high))
    small = f", less than {margin_text(measure)}" if comparison.is_negligible else ""
    if measure.percent:
        return f"{mean} points ({least} to {most}){small}"
    return f"{mean} ({least} to {most}; {measure.title}){small}"


def _signed(comparison: Comparison) -> str:
    """A difference that is not significant, with its interval, as text."""
    measure, found = comparison.measure, comparison.interval
    low, high = measure.signed(found.low or 0.0), measure.signed(found.high or 0.0)
    if measure.percent:
        return f"{measure.signed(found.mean)} points ({low} to {high})"
    return f"{measure.signed(found.mean)} ({low} to {high}; {_side(measure)})"


def _side(measure: Measure) -> str:
    """What a difference without a unit is of; empty where it is in points."""
    side = "above" if measure.better == "higher" else "below"
    return "" if measure.percent else f"{measure.title}, {side} 0 is better"


def _size(measure: Measure, difference: float) -> str:
    """A difference without its sign."""
    return measure.signed(abs(difference)).removeprefix("+")
