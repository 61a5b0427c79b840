"""Columns that options name: they are there, and no two options contradict each other."""

import shlex

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.data.column_names import check_column, check_roles, listed_names, typed
from vicinal.data.row_parts import split_frames

NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" ,\"'"), min_size=1
).filter(lambda name: name == name.strip())


@given(st.lists(NAMES, min_size=1))
@example(["price, usd"])
@example(['"quoted"', "it's", "$x"])
def test_names_are_read_as_they_are_typed(names):
    (word,) = shlex.split(typed(*names))
    assert listed_names(word) == names


def test_advice_can_be_pasted_for_names_with_commas():
    parts = {"train": pd.DataFrame({"x": [1], "price, usd": [2], "y": [0]})}
    parts["test"] = parts["train"][["x"]]
    with pytest.raises(VicinalError, match="leave them out with --drop ") as error:
        split_frames(parts, 0.2, seed=0)
    word = shlex.split(str(error.value).rpartition("--drop ")[2])[0]
    assert listed_names(word) == ["price, usd", "y"]


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
