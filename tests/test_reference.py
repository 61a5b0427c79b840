"""The reference of docs/reference: each public name on one page, with an example that runs."""

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

import vicinal

REPOSITORY = Path(__file__).parents[1]
PAGES = {file: file.read_text() for file in (REPOSITORY / "docs" / "reference").glob("*.md")}
NAMES = {
    name: file
    for file, page in PAGES.items()
    for block in re.findall(r"^```\{names\}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for name in block.split()
}


def lines_of_examples(text):
    """What examples run, without what they import."""
    found = re.findall(r"^ *(?:>>>|\.\.\.)(?: (.*))?$", text, re.MULTILINE)
    return re.sub(r"^from \w\S* import (\([^)]*\)|.*)", "", "\n".join(found), flags=re.MULTILINE)


def test_the_reference_has_every_public_name_once():
    blocks = re.findall(r"^```\{names\}\n(.*?)^```$", "\n".join(PAGES.values()), re.DOTALL | re.M)
    counts = Counter(name for block in blocks for name in block.split())
    assert not set(vicinal._NAMES) - set(counts), "add the name to a page of docs/reference"
    assert not set(counts) - set(vicinal._NAMES)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", vicinal._NAMES)
def test_a_public_name_has_an_example_and_is_described(name):
    value = getattr(vicinal, name)
    own = getattr(value, "__module__", "").startswith("vicinal.")
    examples = lines_of_examples((own and value.__doc__) or "") + lines_of_examples(
        PAGES[NAMES[name]]
    )
    assert re.search(rf"\b{name}\b", examples), f"give {name} an example"
    assert not own or inspect.getdoc(value)


def test_an_import_is_no_example():
    assert "MixUp" not in lines_of_examples(">>> from vicinal import (\n...     MixUp,\n... )\n")
    assert "MixUp" in lines_of_examples(">>> from vicinal import MixUp\n>>> MixUp()\n")
