"""The report: one self-contained HTML file, for readers who have never heard of mixup."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from markupsafe import Markup

from vicinal.files import write_file
from vicinal.formatting import join_and, pluralize
from vicinal.methods import METHODS
from vicinal.progress import status
from vicinal.study.analysis import Analysis, Comparison
from vicinal.study.answer import full_name
from vicinal.study.arms import Arm, baseline_name, comparisons
from vicinal.study.cells import learnt, methods, tables_of
from vicinal.study.class_table import class_table
from vicinal.study.curve_points import SAMPLES
from vicinal.study.figures import by_epochs, learning_curves, reliability, svg
from vicinal.study.formatting import format_duration
from vicinal.study.map_figure import gain_map
from vicinal.study.measure import Measure
from vicinal.study.measures import MEASURES
from vicinal.study.memorising import MEMORISED
from vicinal.study.page import render

EXPLAINED = {"mixup", "cutmix", "cmixup"}  # in the template


@status("writing the report")
def write_report(
    file: Path,
    analysis: Analysis,
    answer: Sequence[str],
    *,
    title: str = "Does mixing help?",
    command: str = "",
    settings: Sequence[tuple[str, str]] = (),
    images: Sequence[dict[str, str]] = (),
) -> None:
    """Write a report.

    Args:
        file: an HTML file; it is written whole or not at all.
        analysis: the results.
        answer: the answer in sentences, the headline first.
        title: the question.
        command: the command line that reproduces it.
        settings: what all arms have in common, by name.
        images: for the mixing board; empty leaves it out.

    Raises:
        VicinalError: the file cannot be written.
    """
    pairs = comparisons(analysis.arms)
    page = render(
        "report.html.j2",
        title=title,
        headline=answer[0],
        answer=answer[1:],
        counts=_counts(analysis),
        measures=analysis.measures,
        samples=f"{analysis.samples:,}",
        comparisons=len(pairs),
        baseline=join_and(sorted({baseline_name(arm) for _, arm in pairs})),
        names=[full_name(analysis, arm) for arm in analysis.arms],
        methods=_methods(analysis),
        groups=_groups(analysis),
        is_uneven=_is_uneven(analysis),
        classes=class_table(analysis),
        training=_training(analysis),
        runs=_runs(analysis),
        map=_map(analysis),
        figures=_figures(analysis),
        diagrams=_diagrams(analysis),
        command=command,
        settings=settings,
        images=list(images),
    )
    write_file(file, page)


def _counts(analysis: Analysis) -> str:
    seeds = len({result.seed for result in analysis.results})
    seconds = sum(result.seconds for result in analysis.results)
    return (
        f"{pluralize(len(analysis.arms), 'arm')}, {pluralize(seeds, 'seed')}, "
        f"{pluralize(len(analysis.results), 'run')} of {format_duration(seconds)} in all."
    )


def _methods(analysis: Analysis) -> list[tuple[str, str]]:
    """The methods that the page does not explain, each with its summary."""
    words = [word for arm in analysis.arms for word in arm.mix.lower().split("+")]
    names = dict.fromkeys(word.partition(":")[0] for word in words)
    return [(name, METHODS[name].summary) for name in names if name in METHODS.keys() - EXPLAINED]


def _groups(analysis: Analysis) -> list[tuple[str, list[dict[str, Any]]]]:
    """The tables by what their measures are about."""
    tables = groupby(_tables(analysis), lambda table: table["measure"].group)
    return [(group, list(each)) for group, each in tables]


def _tables(analysis: Analysis) -> list[dict[str, Any]]:
    """A table for each measure, with a row for each arm: its mean, and its difference.

    Small tables fit a phone and a sheet of paper, however many measures and arms there are.
    """
    tables = []
    for measure in analysis.measures:
        found = {made.arm: made for made in analysis.learnt(measure)}
        rows = [
            {
                "name": full_name(analysis, arm),
                "value": _mean(analysis, arm, measure),
                **_difference(found.get(arm)),
            }
            for arm in analysis.arms
        ]
        tables.append({"measure": measure, "rows": rows})
    return tables


def _is_uneven(analysis: Analysis) -> bool:
    """Whether an arm has finished seeds that the one it is compared with has not."""
    return any(
        len(analysis.of(arm, made.measure)) != made.interval.seeds
        for measure in analysis.measures
        for made in analysis.learnt(measure)
        for arm in (made.arm, made.baseline)
    )


def _mean(analysis: Analysis, arm: Arm, measure: Measure) -> str:
    """An arm's mean, or why there is none."""
    mean = analysis.mean(arm, measure)
    if mean is not None:
        return measure.text(mean)
    if analysis.of(arm):
        return "not measured"
    return "diverged" if analysis.failed(arm) else "not done"


def _training(analysis: Analysis) -> list[dict[str, Any]]:
    """The seeds of each arm, and their median time: the first run of a process also warms it up."""
    rows = []
    for arm in analysis.arms:
        seconds = [result.seconds for result in analysis.of(arm)]
        text = f"{median(seconds):.3g}" if seconds else ""
        rows.append({"name": full_name(analysis, arm), "seeds": len(seconds), "seconds": text})
    return rows


def _difference(made: Comparison | None) -> dict[str, str]:
    if made is None:
        return {"difference": "", "interval": "", "verdict": ""}
    found, measure = made.interval, made.measure
    difference, interval, verdict = measure.signed(found.mean), "", ""
    if measure.unbiased is not None:
        difference = f"¹ {difference}"
    if found.low is not None and found.high is not None:
        interval = f"({measure.signed(found.low)} to {measure.signed(found.high)})"
    if found.significant:
        verdict = "better" if made.gain > 0 else "worse"
    return {"difference": difference, "interval": interval, "verdict": verdict}


def _runs(analysis: Analysis) -> list[dict[str, Any]]:
    """Every run by its arm and seed, with the main measure, or why it has none."""
    return [
        {
            "name": full_name(analysis, arm),
            "seed": result.seed,
            "outcome": result.failed or analysis.summary(result),
        }
        for arm in analysis.arms
        for result in sorted(analysis.results, key=lambda result: result.seed)
        if result.arm == arm.name
    ]


def _map(analysis: Analysis) -> list[dict[str, Any]]:
    """A figure for each method of a map; none where there is one training size."""
    if not analysis.is_map or not analysis.measures:
        return []
    draw = partial(gain_map, learnt(analysis), analysis.arms)
    return [
        {"svg": Markup(svg(partial(draw, [method]), f"map {method}")), "text": table}
        for method, table in zip(methods(analysis.arms), tables_of(analysis), strict=True)
    ]


def _figures(analysis: Analysis) -> list[dict[str, Any]]:
    if not analysis.measures:
        return []
    title = analysis.main.title
    drawn = [
        {
            "svg": Markup(svg(partial(learning_curves, analysis), "curves")),
            "text": f"The {title} during the training, on validation samples (about {SAMPLES:,} of "
            "them where there are many more): lines are means over the seeds, bands span the "
            "lowest and the highest. The table has the final values, on all samples.",
        }
    ]
    if any(MEMORISED in row for result in analysis.results for row in result.history):
        draw = partial(learning_curves, analysis, MEASURES[MEMORISED], MEMORISED)
        drawn.append(
            {
                "svg": Markup(svg(draw, "memorised")),
                "text": f"The share of the noisy labels that the network predicts, in the course "
                f"of the training (of about {SAMPLES:,} of them where there are many more). A rise "
                "in it shows when the network learns them by heart.",
            }
        )
    if len(analysis.lengths) > 1 and not analysis.is_map:
        drawn.append(
            {
                "svg": Markup(svg(partial(by_epochs, analysis), "epochs")),
                "text": f"The {title} at the end of trainings of different lengths. Where two "
                "lines cross, the winner may change: the answer above says which differences are "
                "significant.",
            }
        )
    return drawn


def _diagrams(analysis: Analysis) -> list[dict[str, Any]]:
    """A diagram for each arm; a map has too many of them to look at."""
    drawn: list[dict[str, Any]] = []
    if analysis.is_map:
        return drawn
    for arm in analysis.arms:
        if any(result.reliability for result in analysis.of(arm)):
            name = full_name(analysis, arm)
            picture = svg(partial(reliability, analysis, arm, name), f"reliability {arm.name}")
            text = f"Confidence and accuracy of {name}."
            drawn.append({"svg": Markup(picture), "text": text})
    return drawn
