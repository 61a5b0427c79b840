"""The tables of docs/losses.md; ``python -m tests.losses`` writes them anew."""

import functools
import importlib
import importlib.metadata
import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from losses.metrics import judge_metric
from losses.verdict import judge

PAGE = Path(__file__).parents[2] / "docs" / "losses.md"
# In the order of the page: the module of the zoo, the distribution, and the heading.
SECTIONS = {
    "of_torch": ("torch", "torch"),
    "of_timm": ("timm", "timm"),
    "of_torchvision": ("torchvision", "torchvision"),
    "of_monai": ("monai", "MONAI"),
    "of_smp": ("segmentation_models_pytorch", "segmentation_models_pytorch"),
    "of_kornia": ("kornia", "kornia"),
    "of_pml": ("pytorch-metric-learning", "pytorch-metric-learning"),
    "of_fastai": ("fastai", "fastai"),
    "of_keras": ("keras", "Keras"),
    "of_torchmetrics": ("torchmetrics", "Metrics of torchmetrics"),
    "metrics_of_ignite": ("pytorch-ignite", "Metrics of ignite"),
    "metrics_of_keras": ("keras", "Metrics of Keras"),
    "metrics_of_timm": ("timm", "Metrics of timm"),
    "metrics_of_fastai": ("fastai", "Metrics of fastai"),
    "metrics_of_smp": ("segmentation_models_pytorch", "Metrics of segmentation_models_pytorch"),
    "metrics_of_sklearn": ("scikit-learn", "Metrics of scikit-learn"),
}


def zoo_of(section: str) -> ModuleType:
    return importlib.import_module(f"losses.zoo.{section}")


def entries_of(zoo: ModuleType) -> list[Any]:
    return getattr(zoo, "LOSSES", None) or zoo.METRICS


@functools.cache
def verdicts(section: str) -> list[tuple[Any, tuple[str, ...], str]]:
    """Each entry of a library with its verdicts, and why."""
    zoo, found = zoo_of(section), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = zoo.names()
        for entry in entries_of(zoo):
            if not _is_there(entry.name, names):  # in another version of the library
                continue
            result = judge(entry, names) if hasattr(zoo, "LOSSES") else judge_metric(entry, names)
            found.append((entry, result.verdicts, result.why))
    return found


def _is_there(name: str, names: dict[str, Any]) -> bool:
    first, *attributes = name.split(".")
    return first in names and (not attributes or hasattr(names[first], attributes[0]))


def version(section: str) -> str:
    return importlib.metadata.version(SECTIONS[section][0]).split("+")[0]


def heading(section: str) -> str:
    return f"## {SECTIONS[section][1]} {version(section)}"


def table(section: str) -> list[str]:
    """The rows of a library's table; entries of the same verdicts and remark share one."""
    zoo = zoo_of(section)
    rows: dict[Any, list[Any]] = {}
    for entry, found, _ in verdicts(section):
        rows.setdefault((found, entry.remark), []).append(entry)
    ways = len(verdicts(section)[0][1])
    what = "loss" if hasattr(zoo, "LOSSES") else "metric"
    titles = [what, *["`MixLoss`", "mixed tensor"][-ways:]]
    lines = [_row([*titles, "remark"]), _row(["---"] * (len(titles) + 1))]
    lines += [_row([_listed(entries), *found, remark]) for (found, remark), entries in rows.items()]
    reasons: dict[str, list[str]] = {}
    for name, reason in zoo.NOT_APPLICABLE.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    none = ["does not apply"] * (len(titles) - 1)
    return lines + [
        _row([", ".join(names), *none, reason])
        for reason, names in reasons.items()
        if reason not in ("no loss", "no metric")
    ]


def _listed(entries: list[Any]) -> str:
    """The entries of a row, without functions beside the class of the same name."""
    classes = {_stem(entry.name) for entry in entries if not _is_function(entry)}
    shown = [e.shown for e in entries if not (_is_function(e) and _stem(e.name) in classes)]
    # Without what every multi-class metric needs.
    shown = [re.sub(r"(, |\b)num_(classes|labels)=4\b(?!, embed)", "", code) for code in shown]
    return ", ".join(f"`{code}`" for code in dict.fromkeys(shown))


def _is_function(entry: Any) -> bool:
    return entry.name.removeprefix("F.")[0].islower()


def _stem(name: str) -> str:
    return name.removeprefix("F.").replace("_", "").lower().removesuffix("loss")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def on_page(section: str) -> tuple[str, list[str]]:
    """The version and the rows of a library that the page gives."""
    title = re.escape(SECTIONS[section][1])
    found = re.search(rf"^## {title} ([\d.]+\w*)$(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    assert found, f"{PAGE} has no table of {SECTIONS[section][1]}"
    return found[1], [line for line in found[2].splitlines() if line.startswith("|")]


def written(section: str, text: str) -> str:
    """The text of the page with the table of a library as it is now."""
    title = re.escape(SECTIONS[section][1])
    lines = "\n".join(table(section))
    pattern = rf"^## {title} .*?$(?P<intro>.*?)(^\|.*?\n)+"
    found = re.search(pattern, text, re.M | re.S)
    intro = found["intro"] if found else "\n\n"
    block = f"{heading(section)}{intro}{lines}\n"
    if not found:
        return f"{text.rstrip()}\n\n{block}"
    return text[: found.start()] + block + text[found.end() :]
