"""The report: one HTML file that needs nothing else, for people who have never heard of mixup."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from markupsafe import Markup

from vicinal.files import write_file
from vicinal.study.answer import answer, called, called_baseline, headline
from vicinal.study.arms import comparisons
from vicinal.study.figures import by_epochs, learning_curves, reliability, svg
from vicinal.study.measures import Measure
from vicinal.study.page import render
from vicinal.study.study import Comparison, Study
from vicinal.study.words import counted, joined, spoken


def write_report(
    file: Path,
    study: Study,
    *,
    title: str = "Does mixing help?",
    command: str = "",
    settings: Sequence[tuple[str, str]] = (),
    images: Sequence[dict[str, str]] = (),
) -> None:
    """Write a study as a page.

    Args:
        file: an HTML file; it is written whole or not at all.
        study: the results.
        title: what was asked.
        command: what makes it again.
        settings: what was the same for all arms, by name.
        images: for the mixing board; none leaves it out.

    Raises:
        VicinalError: the file cannot be written.
    """
    page = render(
        "report.html.j2",
        title=title,
        headline=headline(study),
        answer=answer(study),
        counts=_counts(study),
        measures=study.measures,
        samples=f"{study.samples:,}",
        comparisons=len(comparisons(study.arms)),
        baseline=joined(sorted({called_baseline(arm) for _, arm in comparisons(study.arms)})),
        names=[called(study, arm) for arm in study.arms],
        seeds=[len(study.of(arm)) for arm in study.arms],
        table=_table(study),
        seconds=_seconds(study),
        runs=_runs(study),
        figures=_figures(study),
        diagrams=_diagrams(study),
        command=command,
        settings=settings,
        images=list(images),
    )
    write_file(file, page)


def _counts(study: Study) -> str:
    seeds = len({result.seed for result in study.results})
    seconds = sum(result.seconds for result in study.results)
    return (
        f"{counted(len(study.arms), 'setting')}, {counted(seeds, 'seed')}, "
        f"{counted(len(study.results), 'training')} of {spoken(seconds)} in all."
    )


def _table(study: Study) -> list[dict[str, Any]]:
    """A row for each measure: every arm's mean, and its difference to the baseline's."""
    rows = []
    for measure in study.measures:
        found = {made.arm: made for made in study.compare(measure)}
        cells = []
        for arm in study.arms:
            mean = study.mean(arm, measure)
            nothing = "diverged" if study.failed(arm) else "not done"
            text = nothing if mean is None else measure.text(mean)
            cells.append({"value": text, **_difference(found.get(arm))})
        rows.append({"measure": measure, "cells": cells})
    return rows


def _seconds(study: Study) -> list[str]:
    """How long a run of each arm took, in the median: the first one of a process warms it up."""
    times = [[result.seconds for result in study.of(arm)] for arm in study.arms]
    return [f"{median(each):.3g}" if each else "" for each in times]


def _difference(made: Comparison | None) -> dict[str, str]:
    if made is None:
        return {"difference": "", "verdict": ""}
    interval, measure = made.interval, made.measure
    text = _signed(measure, interval.mean)
    if measure.compared_by is not None:
        text = f"¹ {text}"
    if interval.low is not None and interval.high is not None:
        text += f" ({_signed(measure, interval.low)} to {_signed(measure, interval.high)})"
    verdict = ""
    if interval.told:
        verdict = "better" if measure.gain(interval.mean) > 0 else "worse"
    return {"difference": text, "verdict": verdict}


def _signed(measure: Measure, difference: float) -> str:
    return f"{100 * difference:+.1f}" if measure.percent else f"{difference:+.3g}"


def _runs(study: Study) -> list[dict[str, Any]]:
    """Every run by its arm and seed, with the main measure, or why it has none."""
    return [
        {
            "name": called(study, arm),
            "seed": result.seed,
            "found": result.failed or study.summary(result),
        }
        for arm in study.arms
        for result in sorted(study.results, key=lambda result: result.seed)
        if result.arm == arm.name
    ]


def _figures(study: Study) -> list[dict[str, Any]]:
    if not study.measures:
        return []
    title = study.measures[0].title
    drawn = [
        {
            "svg": Markup(svg(partial(learning_curves, study), "curves")),
            "text": f"The {title} on the validation samples after each epoch: lines are means over "
            "the seeds, bands reach from the lowest to the highest. The table has the last ones.",
        }
    ]
    if len(study.lengths) > 1:
        drawn.append(
            {
                "svg": Markup(svg(partial(by_epochs, study), "epochs")),
                "text": f"The {title} at the end of trainings of different lengths. Where two "
                "lines cross, the winner may change: the answer above says what can be told.",
            }
        )
    return drawn


def _diagrams(study: Study) -> list[dict[str, Any]]:
    drawn = []
    for arm in study.arms:
        if any(result.reliability for result in study.of(arm)):
            picture = svg(
                partial(reliability, study, arm, called(study, arm)), f"reliability {arm.name}"
            )
            text = f"Confidence and accuracy of {called(study, arm)}."
            drawn.append({"svg": Markup(picture), "text": text})
    return drawn
