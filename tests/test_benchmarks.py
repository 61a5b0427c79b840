"""The scripts in benchmarks/: what they are called, and that the docs show what they kept."""

import importlib
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

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
