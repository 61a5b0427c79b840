"""TablePreprocessing: scikit-learn's parts give the same; it goes through JSON; bad cells raise."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from vicinal import TablePreprocessing, VicinalError
from vicinal.data.columns import ColumnKinds, column_kinds

NUMBER = st.none() | st.floats(-1e6, 1e6)
CATEGORY = st.none() | st.sampled_from(["a", "b", "10", "9", "é"])
ROW = st.tuples(NUMBER, NUMBER, CATEGORY, CATEGORY)
KINDS = ColumnKinds(["n", "m"], ["c", "d"], [], [], {})


def frame_of(rows):
    frame = pd.DataFrame(rows, columns=["n", "m", "c", "d"])
    return frame.astype({"n": float, "m": float, "c": object, "d": object})


def fitted(frame):
    """A column with a single value says nothing: no such column gets here."""
    for name in "nm":
        spread = frame[name].max() - frame[name].min()
        assume(spread > max(1e-3 * frame[name].abs().max(), 1e-6))
    return TablePreprocessing.fit(frame, KINDS)


@settings(deadline=None)
@given(st.lists(ROW, min_size=2), st.lists(ROW, min_size=1))
def test_it_gives_what_scikit_learn_gives(rows, new_rows):
    train, new = frame_of(rows), frame_of(new_rows)
    x = fitted(train).transform(new)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    expected = numbers.fit(train[["n", "m"]]).transform(new[["n", "m"]])
    assert np.allclose(x["numbers"], expected, rtol=1e-5, atol=1e-5)
    assert (x["numbers"].dtype, x["categories"].dtype) == (torch.float32, torch.int64)
    for i, name in enumerate("cd"):
        known = train[[name]].dropna()
        codes = np.zeros(len(new))
        if len(known):
            encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            codes = encoder.fit(known).transform(new[[name]].fillna("?"))[:, 0] + 1
        assert np.array_equal(x["categories"][:, i], codes)


@settings(deadline=None)
@given(st.lists(ROW, min_size=2), st.lists(ROW, min_size=1))
def test_through_json_it_stays_the_same_to_the_last_bit(rows, new_rows):
    preprocessing = fitted(frame_of(rows))
    again = TablePreprocessing.from_json(json.loads(json.dumps(preprocessing.to_json())))
    assert again == preprocessing
    new = frame_of(new_rows)
    x, y = preprocessing.transform(new), again.transform(new)
    assert torch.equal(x["numbers"], y["numbers"])
    assert torch.equal(x["categories"], y["categories"])


@settings(deadline=None)
@given(st.lists(ROW, min_size=2))
def test_the_training_part_has_mean_0_and_deviation_1(rows):
    frame = frame_of(rows)
    numbers = fitted(frame).transform(frame)["numbers"].double()
    assert torch.allclose(numbers.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-4)
    assert torch.allclose(
        numbers.std(0, correction=0), torch.ones(2, dtype=torch.float64), atol=1e-4
    )


def test_cardinalities_count_the_unknown():
    preprocessing = TablePreprocessing({}, {}, {}, {"c": ["a", "b"], "d": []})
    assert preprocessing.cardinalities == [3, 1]
    assert preprocessing.columns == ["c", "d"]


def test_rows_do_not_depend_on_each_other_nor_on_the_order_of_columns():
    frame = frame_of([(1, 2, "a", "b"), (3, None, "b", None), (None, 5, None, "a")])
    preprocessing = TablePreprocessing.fit(frame, KINDS)
    whole = preprocessing.transform(frame)
    for i in range(3):
        row = preprocessing.transform(frame.iloc[[i]][["d", "n", "c", "m"]].assign(more="x"))
        assert torch.equal(row["numbers"][0], whole["numbers"][i])
        assert torch.equal(row["categories"][0], whole["categories"][i])


@pytest.mark.parametrize("columns", [["n", "m"], ["c", "d"]])
def test_where_there_are_no_columns_of_a_kind_there_is_no_tensor(columns):
    frame = frame_of([(1, 2, "a", "b"), (3, 4, "b", "c")])[columns]
    x = TablePreprocessing.fit(frame, column_kinds(frame)).transform(frame)
    assert list(x) == (["numbers"] if columns == ["n", "m"] else ["categories"])


def test_categories_have_the_same_place_from_strings_numbers_and_booleans():
    preprocessing = TablePreprocessing({}, {}, {}, {"c": ["1", "2"], "d": ["False", "True"]})
    expected = torch.tensor([[1, 2], [2, 1]])
    for c in (["1", "2"], [1, 2], [1.0, 2.0], pd.Categorical([1, 2])):
        for d in (["TRUE", "false"], [True, False]):
            x = preprocessing.transform(pd.DataFrame({"c": c, "d": d}))
            assert torch.equal(x["categories"], expected)


def test_unknown_categories_are_reported_and_become_0():
    preprocessing = TablePreprocessing({}, {}, {}, {"c": ["a"], "d": ["b"]})
    new = pd.DataFrame({"c": ["a", "v", "w", "x", "y"], "d": ["b", None, "b", None, "b"]})
    assert preprocessing.transform(new)["categories"].tolist() == [
        *([1, 1], [0, 0], [0, 1], [0, 0], [0, 1])
    ]
    assert preprocessing.unknown(new) == [
        "c: 4 values that the training data do not have (v, w, x, …) count as unknown"
    ]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"n": [1.0]}, "lacks m, c, from which the network learned"),
        ({"n": [1.0, "tall"], "m": [1, 2], "c": ["a", "b"]}, "column n holds 'tall' in row 1"),
        ({"n": [1.0, np.inf], "m": [1, 2], "c": ["a", "b"]}, "column n holds 'inf' in row 1"),
        ({"n": [1.0, 1e300], "m": [1, 2], "c": ["a", "b"]}, r"'1e\+300' in row 1, which is too"),
    ],
)
def test_what_the_network_cannot_read_is_one_sentence(new, message):
    unit = {"n": 0.0, "m": 0.0}
    scale = {"n": 1.0, "m": 1.0}
    preprocessing = TablePreprocessing(unit, unit, scale, {"c": ["a"]})
    with pytest.raises(VicinalError, match=message):
        preprocessing.transform(pd.DataFrame(new))


def test_columns_may_be_called_by_numbers():
    frame = pd.DataFrame({0: [1.0, 2.0, 4.0], 1: ["a", "b", "a"]})
    preprocessing = TablePreprocessing.fit(frame, column_kinds(frame))
    x = preprocessing.transform(frame)
    assert x["numbers"].shape == x["categories"].shape == (3, 1)
    assert preprocessing.unknown(pd.DataFrame({0: [1.0], 1: ["c"]}))[0].startswith("1: 1 value")


def test_nothing_to_learn_from_is_one_sentence():
    frame = pd.DataFrame({"x": [1, 1], "y": [None, None]})
    with pytest.raises(VicinalError, match=r"no column to learn from.*x .always 1., y .empty."):
        TablePreprocessing.fit(frame, column_kinds(frame))


def test_numbers_too_large_to_be_standardised_are_one_sentence():
    frame = pd.DataFrame({"x": [-1e300, 1e300]})
    with pytest.raises(VicinalError, match=r"column x, from -1e\+300 to 1e\+300, cannot"):
        TablePreprocessing.fit(frame, column_kinds(frame))


def test_what_is_no_preprocessing_is_refused():
    with pytest.raises(TypeError):
        TablePreprocessing.from_json({"mean": {}})
