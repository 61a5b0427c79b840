"""The benchmark's results: a table, JSON and a bar chart."""

import json
import math
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vicinal.bench.cases import OURS, PARTS, Row
from vicinal.bench.peers import installed, versions
from vicinal.errors import VicinalError
from vicinal.files import check_writable, write_whole
from vicinal.progress import status

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Log = Callable[[str, str], None]


def bench(device: str, budget: float, folder: Path | None, log: Log) -> list[Row]:
    """Run the benchmark part by part, and report each as soon as it is done.

    Args:
        device: "cpu" or "cuda".
        budget: seconds for each comparison.
        folder: for ``bench.json`` and ``bench.png``; None writes no files.
        log: called with the name and the text of each thing to print.

    Returns:
        All rows of all tables.

    Raises:
        VicinalError: there is no such device, the budget is not positive and finite, or the folder
            cannot be written.
    """
    torch_device = _checked_device(device)
    if not 0 < budget < math.inf:
        raise VicinalError(f"the seconds for each comparison must be more than 0, not {budget}")
    if folder is not None:
        check_writable(folder, f"--out {folder}")
    about = machine(torch_device)
    log("machine", f"{about['device']}, {about['threads']} threads, Python {about['python']}")
    about |= libraries()
    log("versions", ", ".join(f"{name} {version}" for name, version in about["versions"].items()))
    for name, reason in about["missing"].items():
        log("missing", f"{name}: {reason}")
    rows: list[Row] = []
    for name, part in PARTS.items():
        with status(f"{name}: {part.__doc__}", by_pulses=True) as say:
            new_rows = []
            for row in part(torch_device, budget):
                new_rows.append(row)
                say(f"{name}: {row.case}, {row.size} is done")
        rows += new_rows
        log(f"\n{name}", f"{part.__doc__}\n\n{table(new_rows)}")
        if folder is not None:  # after each part, so that Ctrl-C loses only the one under way
            save(rows, about, folder)
    if folder is not None:
        log("\nsaved to", str(folder))
    return rows


def _checked_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise VicinalError(f"there is no device {name!r} here: use cpu") from None
    return device


def machine(device: torch.device) -> dict[str, Any]:
    """The hardware and the system that the figures are measured on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


@status("importing the libraries to compare with")
def libraries() -> dict[str, Any]:
    """The versions of the libraries that are compared, and why some are missing."""
    return {"versions": versions(), "missing": installed("MixUp")[1]}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def table(rows: list[Row]) -> str:
    """The rows as an aligned Markdown table."""
    lines = [["", "size", "", "ms", "ratio", "at most", ""], ["---"] * 3 + ["---:"] * 3 + ["---"]]
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:.3g}"
        verdict = "" if row.bound is None else ("met" if row.is_met else "MISSED")
        numbers = [f"{row.seconds * 1e3:.3f}", f"{row.ratio:.3g}", bound, verdict]
        lines.append([row.case, row.size, row.name, *numbers])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        + " |"
        for cells in lines
    )


def save(rows: list[Row], about: dict[str, Any], folder: Path) -> None:
    """Write ``bench.json`` and ``bench.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {**about, "rows": [row.as_dict() for row in rows]}
    write_whole(folder / "bench.json", json.dumps(result, indent=2))
    if any(row.part == "whole call" for row in rows):
        chart(rows).savefig(folder / "bench.png", dpi=150)


def chart(rows: list[Row]) -> "Figure":
    """A bar chart of the whole calls of all libraries, in units of a plain copy of the batch."""
    calls = [row for row in rows if row.part == "whole call"]
    names = list(dict.fromkeys(row.name for row in calls))
    cases, sizes = (
        list(dict.fromkeys(getattr(row, key) for row in calls)) for key in ("case", "size")
    )
    from vicinal.plots.layout import GREY, OWN, SMALL, new_figure

    figure = new_figure(2.6 * len(sizes) + 1.6, len(cases) * (0.22 * len(names) + 0.7))
    panels = figure.subplots(len(cases), len(sizes), squeeze=False, sharey=True)
    for case, row_of_panels in zip(cases, panels, strict=True):
        for size, axes in zip(sizes, row_of_panels, strict=True):
            ratios = {row.name: row.ratio for row in calls if (row.case, row.size) == (case, size)}
            bars = axes.barh(names, [ratios[name] for name in names], color=GREY)
            bars[names.index(OURS)].set_color(OWN)
            axes.bar_label(bars, fmt="%.1f", fontsize=SMALL, padding=2)
            axes.set_title(f"{case.split(' / ')[0]} {size}", fontsize=SMALL, loc="left")
            axes.margins(x=0.2)
            axes.tick_params(labelsize=SMALL)
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].invert_yaxis()
    figure.supxlabel("time of a whole call, in plain copies of the batch", fontsize=SMALL)
    return figure
