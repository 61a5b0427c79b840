"""The label column: found by name, as classes or values, and one sentence for what is wrong."""

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.data.labels import (
    also_labels,
    also_several_labels,
    as_written,
    label_column,
    label_kind,
    targets_of,
)


@pytest.mark.parametrize("name", ["label", "labels", "target", "class", "y", "Target", "Y"])
def test_the_label_is_found_by_its_usual_names(name):
    assert label_column(["a", name, "b"], None) == name


def test_a_wrong_name_brings_a_near_one():
    with pytest.raises(VicinalError, match="no label column incom among age, income, did you mean"):
        label_column(["age", "income"], "incom")


def test_who_names_none_is_asked():
    with pytest.raises(VicinalError, match="use --label with one of age, income"):
        label_column(["age", "income"], None)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["a", "b"], "classes"),
        ([True, False], "classes"),
        (range(20), "classes"),
        ([1.0, 2.0], "classes"),
        (pd.Categorical(range(50)), "classes"),
        ([f"{i}" for i in range(9)] + ["other"] * 91, "classes"),
        (["1", "2"] * 20 + ["x"], "classes"),
        (range(21), "values"),
        ([1.0, 2.5], "values"),
        ([f"{i}.5" for i in range(50)], "values"),
        ([f"{i:03}" for i in range(50)], "classes"),
        (["1.1", "1.10", "1.2"], "classes"),
        ([f"{i / 2:.2f}" for i in range(50)] + ["1.5"], "values"),
    ],
)
def test_classes_and_values_are_distinguished(labels, kind):
    assert label_kind(pd.Series(labels)) == kind


def test_a_string_among_values_is_named():
    labels = pd.Series([i * 0.5 for i in range(50)] + ["wide"], name="db")
    with pytest.raises(VicinalError, match="column db holds 'wide' in row 50"):
        label_kind(labels)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(lambda more: ["a", "b", *more]),
    st.lists(st.sampled_from("abcd"), max_size=9).map(lambda more: ["a", *more]),
)
def test_classes_are_indices_into_their_names(train, valid):
    targets = targets_of(pd.Series(train, name="y"), pd.Series(valid, name="y"))
    assert [targets.vocab[i] for i in targets.train] == train
    assert [targets.vocab[i] for i in targets.valid] == valid
    assert targets.vocab == sorted({*train, *valid})
    assert targets.scale is None
    strange = [label for label in valid if label not in train]
    assert any("no training sample has" in note for note in targets.notes) == bool(strange)


def test_numbers_as_classes_are_in_their_own_order():
    targets = targets_of(pd.Series([10, 9, 10]), pd.Series([9.0]))
    assert targets.vocab == ["9", "10"]
    assert targets.train.tolist() == [1, 0, 1]


def test_booleans_of_any_file_are_the_same_classes():
    targets = targets_of(pd.Series([True, False]), pd.Series(["true", "FALSE"]))
    assert targets.vocab == ["False", "True"]
    assert targets.valid.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("numbers", "texts", "kept"),
    [
        ([1e5, 2e5, 1e6], ["1e5", "2E5", "1e6"], True),
        ([1.1, 1.1, 1.2], ["1.1", "1.10", "1.2"], True),
        ([1e-5, 2e-5, 1.5e-6], ["1e-5", "2e-5", "1.5e-6"], False),  # values
        ([1200, 950, 1500], ["1,200", "950", "1,500"], False),  # the reader says how it read them
        ([1, -1, 1], ["+1", "-1", "+1"], False),
        (["mild", None, "mild"], ["mild", "None", "mild"], False),
    ],
)
def test_classes_are_spelled_as_in_their_file_where_a_number_would_lose_that(numbers, texts, kept):
    labels, written = pd.Series(numbers), pd.Series(texts)
    assert as_written(labels, written, None) == kept
    assert as_written(labels, written, "classes")
    assert not as_written(labels, written, "values")
    assert not as_written(labels, None, "classes")


def test_who_says_what_labels_are_is_believed():
    numbers = pd.Series([0.5, 1.5, 0.5])
    targets = targets_of(numbers, numbers, "classes")
    assert (targets.vocab, targets.train.tolist()) == (["0.5", "1.5"], [0, 1, 0])
    targets = targets_of(pd.Series([1, 2, 3]), pd.Series(["2"]), "values")
    assert (targets.vocab, targets.valid.tolist()) == (None, [[2.0]])
    with pytest.raises(VicinalError, match="column y holds 'b' in row 1, where a number is needed"):
        targets_of(pd.Series(["1", "b"], name="y"), pd.Series(["1"], name="y"), "values")


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        ([0, 1], None),
        ([0, 1, 2], "; whole numbers, for which --label-kind values learns values"),
        (["0", "1", "x"], None),
        (range(30), "; whole numbers, for which --label-kind classes learns classes"),
        ([i * 0.5 for i in range(30)], None),
    ],
)
def test_whole_numbers_are_said_to_be_either(labels, note):
    labels = pd.Series(labels)
    first, *_ = targets_of(labels, labels).notes
    assert first.partition(";")[1:] == (note or "").partition(";")[1:]
    assert ";" not in targets_of(labels, labels, "classes").notes[0]


def test_labels_that_look_the_same_are_and_those_that_nearly_do_are_said():
    labels = pd.Series(["caf\u00e9", "cafe\u0301", "Dog", "dog ", "dog", "big  dog", "Big dog"])
    targets = targets_of(labels, labels)
    assert targets.vocab == ["Big dog", "Dog", "big  dog", "caf\u00e9", "dog"]
    assert targets.notes[1] == (
        "classes: 'Big dog' and 'big  dog', 'Dog' and 'dog' are different classes, as they are "
        "spelled differently"
    )
    with pytest.raises(VicinalError, match="all training labels in column y are dog"):
        targets_of(pd.Series(["dog", "dog "], name="y"), labels)


def test_another_name_of_the_label_is_told_from_a_good_predictor():
    targets = torch.tensor([0, 1, 2, 0])
    frame = pd.DataFrame(
        {
            "class_name": ["a", "b", "c", "a"],
            "target": [5, 7, 6, 5],
            "sex": ["a", "b", "c", "a"],
            "label_set": ["a", "b", "b", "a"],
            "labels": [["a"], ["b"], ["c"], ["a"]],
            "y": [1, 2, None, 1],
        }
    )
    assert also_labels(frame, targets, "label") == ["class_name", "target"]
    assert also_labels(frame, targets, "Sex") == ["class_name", "target", "sex"]


@pytest.mark.parametrize(
    "several",
    ["drama|action", "action; drama", "drama,action,drama", "war|action", "war;drama", "war|spy"],
)
def test_several_labels_of_one_row_are_no_class_unless_they_are_said_to_be(several):
    labels = pd.Series(["action", "drama", several], name="genre")
    with pytest.raises(VicinalError, match=r"genre holds '.*', which may be several labels of one"):
        targets_of(labels, labels)
    assert len(targets_of(labels, labels, "classes").vocab) == 3
    for names in (
        ["Paris, France", "Oslo", "France"],
        ["a;", "a", "b"],
        ["<=50K", ">50K", ","],
    ):
        assert len(targets_of(pd.Series(names), pd.Series(names)).vocab) == 3


@pytest.mark.parametrize(
    ("train", "valid", "said"),
    [
        ([4, 6, 8, 4], [5, 10], "or say --label-kind values"),
        (["a", "b", "c"], ["d"], "name another label column$"),
    ],
)
def test_labels_that_hardly_repeat_are_no_classes(train, valid, said):
    with pytest.raises(VicinalError, match=f"column n holds 3 different labels in .*{said}"):
        targets_of(pd.Series(train, name="n"), pd.Series(valid, name="n"))


def test_names_of_rows_are_no_classes_unless_they_are_said_to_be():
    names = pd.Series([f"row {i}" for i in range(30)], name="name")
    with pytest.raises(VicinalError, match="column name holds 30 different labels in 30 rows, too"):
        targets_of(names, names)
    assert len(targets_of(names, names, "classes").vocab) == 30
    assert len(targets_of(names.astype("category"), names).vocab) == 30
    assert len(targets_of(pd.concat([names, names]), names).vocab) == 30


@settings(deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=21, max_size=40, unique=True))
def test_values_are_columns_of_floats_with_their_scale(values):
    targets = targets_of(pd.Series(values), pd.Series([0.5]))
    assert (targets.vocab, targets.valid.tolist()) == (None, [[0.5]])
    assert torch.equal(targets.train, torch.tensor(values, dtype=torch.float64)[:, None])
    mean, std = targets.scale
    assert mean == pytest.approx(sum(values) / len(values), abs=1)
    assert std == pytest.approx(pd.Series(values).std(ddof=0), rel=1e-4)


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        (["a", None, "b", None], ["a"], "2 of 4 labels in column y are missing, first in row 1"),
        (["a", "b"], ["a", None], "1 of 2 labels in column y are missing, first in row 1"),
        (["a", "a"], ["a"], "all training labels in column y are a"),
        ([2.5, 2.5], [1.5], "all training labels in column y are 2.5"),
        ([1.5, 2.5], ["x"], "column y holds 'x' in row 0"),
        ([1.5, float("inf")], [1.5], "column y holds 'inf' in row 1"),
        (["<=50K", ">50K"], ["<=50K."], "no class of the validation part"),
        (pd.date_range("2026-01-01", periods=3), ["a"], "column y holds dates"),
        ([["a"], ["b"]], ["a"], "column y holds values of type list"),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(train, valid, message):
    with pytest.raises(VicinalError, match=message):
        targets_of(pd.Series(train, name="y"), pd.Series(valid, name="y"))


def test_the_row_is_that_of_the_file():
    labels = pd.Series(["a", None, "b"], index=[17, 4, 8], name="y")
    with pytest.raises(VicinalError, match="first in row 4"):
        targets_of(labels, labels)


@pytest.mark.parametrize(
    ("name", "values", "is_found"),
    [
        ("a", [1, 0, 1, 0], True),
        ("has_A", [True, False, True, False], True),
        ("is a", ["y", "n", "y", "n"], True),
        ("a", [1, 0, 1, 1], False),  # of that name, but something else
        ("extra", [1, 0, 1, 0], False),  # the same by chance, of another name
        ("labels_code", [2, 0, 1, 3], True),
        ("codes", [2, 0, 1, 3], False),
    ],
)
def test_columns_that_say_several_labels_in_another_way(name, values, is_found):
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    found = also_several_labels(pd.DataFrame({name: values}), targets, "found", ["a", "b"])
    assert found == [name] * is_found
