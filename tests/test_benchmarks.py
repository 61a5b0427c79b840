"""The scripts in benchmarks/: what they are called."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"


def test_no_script_hides_a_package():
    """Python finds the modules beside a script first: numba needs coverage, if there is one."""
    taken = {*packages_distributions(), *sys.stdlib_module_names, "coverage"}
    names = {file.stem for file in FOLDER.glob("*.py")}
    assert len(names) > 20
    assert not names & taken
