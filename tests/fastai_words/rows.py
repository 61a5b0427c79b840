"""The rows of the table of docs/fastai.md: where we differ on purpose, each with its proof."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "fastai.md"
BEGIN, END = "<!-- differences -->\n", "<!-- end of differences -->\n"


@dataclass(frozen=True)
class Row:
    """A row of the table; ``check`` fails where what it says of either side is not so."""

    words: str
    fastai: str
    vicinal: str
    check: Callable[[], None]


ROWS: list[Row] = []


def row(words: str, fastai: str, vicinal: str) -> Callable[[Callable[[], None]], None]:
    """Enter the function that follows as the proof of a row."""
    return lambda check: ROWS.append(Row(words, fastai, vicinal, check))


SECTIONS = {
    "differences": "Training and networks",
    "differences_elsewhere": "Images, mixing and callbacks",
    "differences_of_data": "Loaders, tables and names",
    "differences_of_results": "Predictions, files, losses and metrics",
}  # the module of a row, and its heading


def table() -> str:
    """A heading with a table for each module of rows."""
    parts = []
    for module, heading in SECTIONS.items():
        rows = [r for r in ROWS if r.check.__module__ == module]
        lines = [f"| {r.words} | {r.fastai} | {r.vicinal} |" for r in rows]
        head = [f"### {heading}", "", "| what you type | fastai | vicinal |", "|---|---|---|"]
        parts.append("\n".join([*head, *lines]) + "\n")
    assert {r.check.__module__ for r in ROWS} == set(SECTIONS)
    return "\n" + "\n".join(parts) + "\n"


def written(page: str) -> str:
    """The page with the table of these rows."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}"
