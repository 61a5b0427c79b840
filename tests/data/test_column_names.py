"""Columns that options name: they are there, and no two options contradict each other."""

import pytest

from vicinal import VicinalError
from vicinal.data.column_names import check_column, check_roles


@pytest.mark.parametrize(
    ("name", "near"), [("Zipp", "did you mean zip?"), ("ZIP", "did you mean zip?"), ("q", "")]
)
def test_a_column_that_is_not_there_brings_a_near_one(name, near):
    with pytest.raises(VicinalError, match=f"--drop: there is no column {name} among zip") as error:
        check_column(name, ["zip", "age"], "drop")
    assert str(error.value).endswith(near or "among zip, age")


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"label": ["y"], "text": ["y"]}, "--label and --text both name the column y"),
        ({"text": ["x"], "drop": ["z", "x"]}, "--text and --drop both name the column x"),
        ({"group": ["z"], "categorical": ["z"]}, "--group and --categorical both name"),
        ({"group": ["z"], "drop": ["z"]}, None),
        ({"split-column": ["z"], "drop": ["z", "z"]}, None),
    ],
)
def test_options_that_contradict_each_other_are_named(roles, said):
    if said is None:
        check_roles(roles, ["x", "y", "z"])
        return
    with pytest.raises(VicinalError, match=said):
        check_roles(roles, ["x", "y", "z"])
