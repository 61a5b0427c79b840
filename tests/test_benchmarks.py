"""The scripts in benchmarks/: what they are called, and that the docs show what they kept."""

import importlib
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pandas as pd
import pytest

from vicinal.study.arms import Arm

FOLDER = Path(__file__).parents[1] / "benchmarks"


def test_no_script_hides_a_package():
    """Python finds the modules beside a script first: numba needs coverage, if there is one."""
    taken = {*packages_distributions(), *sys.stdlib_module_names, "coverage"}
    names = {file.stem for file in FOLDER.glob("*.py")}
    assert len(names) > 20
    assert not names & taken


@pytest.fixture
def methods(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("methods")


def test_a_comparison_of_methods_without_a_finished_run_keeps_nothing(methods, monkeypatch):
    monkeypatch.setattr(methods, "read", lambda folder: ([Arm("none", None, 5)], [], 1))
    with pytest.raises(SystemExit, match="x holds no finished run: go on without --keep"):
        list(methods.rows(Path("x")))


def test_the_tables_of_methods_are_what_was_kept(methods):
    """A row for each method, whose year and needs are known, as docs/methods.md has them."""
    assert set(methods.names()) == set(methods.FACTS)
    page = (FOLDER.parent / "docs" / "methods.md").read_text(encoding="utf-8")
    tables = methods.tables(methods.KEPT)
    assert len(tables) > 1
    for table in tables:
        assert table in page


def test_the_picture_of_methods_has_the_best_on_top_and_names_what_is_beyond_it(methods):
    kept = pd.read_csv(methods.KEPT / "cifar10.csv")
    first, second = methods.differences(kept, "CIFAR-10").axes
    names = [label.get_text() for label in first.get_yticklabels()]
    gains = (
        kept[(kept.measure == "accuracy") & (kept.against == "none")].set_index("mix").difference
    )
    assert names == gains.sort_values().index.tolist()
    low, high = first.get_xlim()
    beyond = gains[gains < low / 100]
    assert len(beyond) == 1
    minus = "\N{MINUS SIGN}"
    assert [text.get_text() for text in first.texts] == [f"← {minus}{-100 * beyond.iloc[0]:.1f}"]
    assert gains.max() < high / 100
    assert len(second.lines) == len(first.lines) + 2  # the line and the point of that one
