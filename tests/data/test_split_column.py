"""A column that names the part of each row: found where it is clear, asked about elsewhere."""

import pandas as pd
import pytest

from vicinal import VicinalError
from vicinal.data.split_column import about_parts, parts_by_column, split_column_of


def frame_of(name, values):
    return pd.DataFrame({"x": [0.5 * i for i in range(len(values))], name: values})


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [
        ("split", ["train", "dev", "train"], {"train": 2, "dev": 1}),
        ("Split", ["Training", "test", "train"], {"train": 2, "test": 1}),
        ("Usage", ["Training", "PublicTest", "PrivateTest"], {"train": 1, "test": 2}),
        ("data_set", ["train", "val", "test"], {"train": 1, "test": 1, "val": 1}),
        ("fold", ["train", "valid", "train"], {"train": 2, "valid": 1}),
        ("is_valid", [False, True, False], {"train": 2, "valid": 1}),
        ("is_test", [0, 1, 1], {"train": 1, "test": 2}),
        ("isTrain", [1, 0, 1], {"train": 2, "valid": 1}),
        ("subset", pd.Categorical(["train", "val", "val"]), {"train": 1, "val": 2}),
    ],
)
def test_a_clear_split_is_found_and_taken(name, values, parts):
    frame = frame_of(name, values)
    assert split_column_of(frame) == name
    found = parts_by_column(frame, name)
    assert {part: len(rows) for part, rows in found.items()} == parts
    assert next(iter(found)) == "train"
    assert all(list(rows.columns) == ["x"] for rows in found.values())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split", ["half", "whole", "half"]),
        ("split", ["train", "train", "train"]),
        ("is_valid", [False, False, False]),
        ("valid", [True, False, True]),  # a measurement may be valid
        ("test", [0, 1, 0]),
        ("is_valid", [0, 1, 2]),
        ("phase", [0.5, 1.5, 2.5]),
        ("vehicle", ["train", "bus", "tram"]),
        ("department", ["training", "development", "sales"]),
        ("part", ["brake pad", "wheel", "test pad"]),
        ("ids", [["train"], ["test"], ["train"]]),
    ],
)
def test_other_columns_are_none(name, values):
    assert split_column_of(frame_of(name, values)) is None


def test_what_could_be_a_split_is_asked_about_unless_it_was_said():
    frame = frame_of("kind", ["train", "test", "train"])
    with pytest.raises(VicinalError, match=r"kind holds train, test: .* --split-column kind"):
        split_column_of(frame)
    assert split_column_of(frame, besides=["kind"]) is None


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("split", ["train", "extra", "test"], "holds 'extra' in row 1, which names no part"),
        ("split", ["train", None, "test"], "holds nan in row 1"),
        ("split", ["dev", "test", "dev"], "names only dev, test of the parts"),
        ("kind", [0, 1, 2], "holds '0' in row 0"),  # which one is for training?
    ],
)
def test_what_names_no_part_is_one_sentence(name, values, said):
    with pytest.raises(VicinalError, match=said):
        parts_by_column(frame_of(name, values), name)


def test_two_columns_that_name_parts_are_asked_about():
    frame = frame_of("is_valid", [True, False, False]).assign(is_test=[False, True, False])
    with pytest.raises(VicinalError, match="is_valid, is_test all name parts of the data"):
        split_column_of(frame)
    assert split_column_of(frame, besides=["is_test"]) == "is_valid"
    assert about_parts(frame, besides=["is_valid"]) == {"is_test": "it names parts of the data"}


def test_numbers_of_folds_are_set_aside_and_the_lowest_can_be_held_out():
    frame = frame_of("Fold", [2, 1, 3, 1])
    assert "--split-column Fold holds out the lowest" in about_parts(frame)["Fold"]
    assert about_parts(frame, besides=["Fold"]) == {}
    assert parts_by_column(frame, "Fold")["valid"].index.tolist() == [1, 3]
    assert list(about_parts(frame_of("partition", [0, 1, 2]))) == ["partition"]
    for name, values in (("fold_change", [1, 2, 1]), ("fold", [0.5, 1.5]), ("phase", [0, 1])):
        assert about_parts(frame_of(name, values)) == {}
