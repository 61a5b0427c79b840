"""The IoU of each class of masks, for the report."""

from typing import Any

from vicinal.formatting import format_percent
from vicinal.study.analysis import Analysis
from vicinal.study.answer import full_name
from vicinal.study.mask_scores import IOU


def class_table(analysis: Analysis) -> dict[str, Any] | None:
    """The mean IoU over the seeds of each class and arm; None of data without masks.

    Returns:
        ``arms``, their names, and ``rows``, each a class with a text for each arm.
    """
    if analysis.is_map:
        return None
    of_arms = [[_last(result.history) for result in analysis.of(arm)] for arm in analysis.arms]
    names = dict.fromkeys(name for rows in of_arms for row in rows for name in row)
    if not names:
        return None
    rows = [
        (name, [_mean([row[name] for row in rows if name in row]) for rows in of_arms])
        for name in names
    ]
    return {"arms": [full_name(analysis, arm) for arm in analysis.arms], "rows": rows}


def _last(history: list[dict[str, Any]]) -> dict[str, float]:
    row = history[-1] if history else {}
    return {
        name.removeprefix(IOU): value
        for name, value in row.items()
        if name.startswith(IOU) and value == value
    }


def _mean(values: list[float]) -> str:
    return f"{format_percent(sum(values) / len(values))} %" if values else ""
