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


def table() -> str:
    lines = ["| what you type | fastai | vicinal |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {r.words} | {r.fastai} | {r.vicinal} |" for r in ROWS)]) + "\n"


def written(page: str) -> str:
    """The page with the table of these rows."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}"
