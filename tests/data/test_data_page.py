"""The page on what DATA can be has all options, and all words that name parts."""

import inspect
import re
from pathlib import Path

import pytest

from vicinal.cli import data_options
from vicinal.data.parts import WORDS

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
OPTIONS = [
    name.replace("_", "-")
    for each in (data_options._read, data_options._see)
    for name in inspect.signature(each).parameters
]


@pytest.mark.parametrize("option", [*OPTIONS, "skip-bad", "stream", "size", "no-flip"])
def test_it_has_every_option(option):
    table = PAGE.partition("\n## Options\n")[2].partition("\n## ")[0]
    assert re.search(rf"^\|.*`--{option}[` ]", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("part", "row"), [("train", "training"), ("valid", "validation"), ("test", "test")]
)
def test_it_has_every_word_that_names_a_part(part, row):
    (words,) = re.findall(rf"^\| {row} \| (`.*`) \|$", PAGE, re.MULTILINE)
    assert words == ", ".join(f"`{word}`" for word in WORDS[part])


@pytest.mark.parametrize("page", ["tables", "text", "training"])
def test_other_pages_link_to_it(page):
    assert "](data.md" in (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text()
