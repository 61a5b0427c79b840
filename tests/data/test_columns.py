"""What columns are taken for, and values as numbers and as strings."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.data.columns import as_numbers, as_texts, column_kinds, text_columns
from vicinal.data.frames import read_frame

SENTENCES = [f"What is the number {i} ?" for i in range(40)]
NAMES = [f"name-{i}" for i in range(40)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.5] * 20, "numeric"),
        ([1, 2] * 20, "numeric"),
        (range(40), "numeric"),
        (pd.array([1, 2, None, None] * 10, "Int64"), "numeric"),
        ([Decimal("1.5"), Decimal(2)] * 20, "numeric"),
        (["a", "b"] * 20, "categorical"),
        (["a", None] * 20, "categorical"),
        ([True, False] * 20, "categorical"),
        ([True, None] * 20, "categorical"),
        (pd.Categorical([1, 2] * 20), "categorical"),
        (NAMES[:20] * 2, "categorical"),
        ([1, "a"] * 20, "categorical"),
        (SENTENCES, "text"),
        ([f"On May {i + 1} 2009 it was {i} degrees" for i in range(40)], "text"),
        (["may", "jun", "mar"] * 20, "categorical"),
        (["May 2009", "spring 2009"] * 20, "categorical"),
        ([None, *SENTENCES[1:]], "text"),
        (SENTENCES[:4] * 10, "categorical"),
    ],
)
def test_columns_are_taken_for_what_their_values_are(values, kind):
    kinds = column_kinds(pd.DataFrame({"x": values}))
    found = {name: getattr(kinds, name) for name in ("numeric", "categorical", "text")}
    assert found == {name: ["x"] if name == kind else [] for name in found}
    assert kinds.left_out == {}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([None] * 40, "empty"),
        ([3] * 40, "always 3"),
        ([3.5, None] * 20, "always 3.5"),
        (["a"] * 40, "always a"),
        (NAMES, "a name, 40 of 40 are different"),
        ([date(2026, 1, 1), date(2026, 2, 1)] * 20, "dates"),
        (pd.date_range("2026-01-01", periods=40), "dates"),
        (["2026-01-01", "2026-02-01T10:00"] * 20, "dates"),
        ([f"Mon Apr {1 + i % 28:02} 22:{i:02}:45 PDT 2009" for i in range(40)], "dates"),
        ([f"{1 + i % 12}/{1 + i % 28}/2009 0:00" for i in range(40)], "dates"),
        (["March 3, 1999", "4. May 1999"] * 20, "dates"),
        ([[1], [2]] * 20, "values of type list"),
        ([*SENTENCES[:9], *[None] * 31], "texts in only 22% of the rows"),
        ([{"bytes": b"x"}] * 40, "values of type dict"),
    ],
)
def test_what_nothing_can_be_learned_from_is_left_out_with_a_reason(values, why):
    kinds = column_kinds(pd.DataFrame({"x": values}))
    assert kinds.left_out == {"x": why}
    assert kinds.notes() == ["columns: none to learn from", f"left out: x ({why})"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([str(8000 + i % 9) for i in range(60)], "categorical"),
        ([f"{i % 9:03}" for i in range(60)], "categorical"),
        ([str(8000 + i % 50) for i in range(60)], "left_out"),
        ([str(i * 1.5) for i in range(60)], "left_out"),
    ],
)
def test_strings_are_never_numbers_or_dates_for_their_digits(values, kind):
    kinds = column_kinds(pd.DataFrame({"code": values}))
    assert "code" in getattr(kinds, kind)
    if kind == "left_out":
        assert kinds.left_out["code"].startswith("numbers as strings, ")


def test_what_was_said_about_a_column_holds_whatever_it_looks_like():
    frame = pd.DataFrame({"zip": range(40), "text": SENTENCES, "one": [1] * 40, "x": [1.5, 2] * 20})
    frame["some"] = [1, None] * 20
    said = ["zip", "text", "one", "some"]
    kinds = column_kinds(frame, categorical=said, left_out={"x": "--drop"})
    assert kinds.categorical == ["zip", "text", "some"]
    assert kinds.left_out == {"x": "--drop", "one": "always 1"}


def test_numbers_of_rows_are_numbers_only_where_there_is_nothing_else():
    frame = pd.DataFrame({"n": range(40), "x": [1.5, 2] * 20})
    assert (column_kinds(frame).numeric, [*column_kinds(frame).left_out]) == (["x"], ["n"])
    alone = column_kinds(frame[["n"]])
    assert (alone.numeric, alone.numbering, alone.left_out) == (["n"], ["n"], {})
    part = frame.sample(20, random_state=0)
    assert column_kinds(part).numeric == ["n", "x"]
    assert column_kinds(part, numbering={"n": "counts"}).left_out == {"n": "counts"}


def test_a_column_without_a_name_is_left_out(tmp_path):
    (tmp_path / "a.csv").write_text(",x\n0,1\n1,2\n")
    kinds = column_kinds(read_frame(tmp_path / "a.csv"))
    assert list(kinds.left_out.values()) == ["it has no name"]
    assert kinds.numeric == ["x"]


def test_numbers_with_few_values_are_reported():
    frame = pd.DataFrame({"stars": [1, 2, 3, 4] * 10, "size": range(40), "part": [0.5, 1] * 20})
    kinds = column_kinds(frame)
    assert kinds.few == ["stars"]
    assert "taken as numbers, though they have few values: stars" in kinds.notes()


def test_notes_name_columns_but_not_hundreds():
    (note,) = column_kinds(pd.DataFrame({f"x{i}": np.arange(40) * 0.5 for i in range(20)})).notes()
    assert note == "columns: 20 numeric (x0, x1, x2, x3, x4, x5, x6, x7, …)"


def test_text_columns_are_those_with_sentences():
    frame = pd.DataFrame({"text": SENTENCES, "name": NAMES, "n": range(40)})
    assert text_columns(frame) == ["text"]


@settings(deadline=None)
@given(st.lists(st.integers(-(2**53), 2**53) | st.none(), min_size=1))
def test_whole_numbers_have_the_same_string_from_any_dtype(values):
    expected = [None if value is None else str(value) for value in values]
    for dtype in ("float64", "Int64", "object"):
        texts = as_texts(pd.Series(values, dtype=dtype))
        assert [None if pd.isna(text) else text for text in texts] == expected


def test_strings_keep_their_spelling():
    assert as_texts(pd.Series(["01", "1.0", "Truely", "inf"])).tolist() == [
        *("01", "1.0", "Truely", "inf")
    ]


def test_what_looks_the_same_is_the_same_string():
    assert as_texts(pd.Series([" caf\u00e9", "cafe\u0301 ", "cafe"])).tolist() == [
        *("caf\u00e9", "caf\u00e9", "cafe")
    ]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), min_size=1))
def test_strings_of_numbers_are_the_numbers(values):
    strings = pd.Series([None if v is None else repr(v) for v in values], dtype=object)
    expected = pd.Series(values, dtype="float64")
    assert np.array_equal(as_numbers(strings), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1, "two"], "'two'"),
        ([1.0, float("inf")], "'inf'"),
        (["1", "?"], "'?'"),
        (pd.to_datetime(["2026-01-01", "2026-01-02"])[::-1], "'2026-01-02 00:00:00'"),
    ],
)
def test_what_is_no_number_is_named_with_its_row(values, shown):
    series = pd.Series(values, index=[3, 7], name="age")
    row = 3 if shown.startswith("'2026") else 7
    with pytest.raises(
        VicinalError, match=f"column age holds {shown.replace('?', '.')} in row {row}"
    ):
        as_numbers(series)


def test_times_and_durations_are_neither_texts_nor_names():
    frame = pd.DataFrame({"n": [1.5, 2.5] * 15})
    frame["time"] = [f"0 days 00:00:{i:02}" for i in range(30)]
    frame["at"] = [f"12:{i:02}:30" for i in range(30)]
    why = "times or durations: convert them to numbers"
    assert column_kinds(frame).left_out == {"time": why, "at": why}
    frame["pixels"] = [f"{i} 80 12 7" for i in range(30)]
    why = "4 numbers in each row: write them in columns, or use --text"
    assert column_kinds(frame).left_out["pixels"] == why
    frame["phone"] = [f"0012 34{i:02}" for i in range(30)]
    assert column_kinds(frame).left_out["phone"].startswith("a name")
    frame["pixels"] = [" ".join(["7"] * (3 + i % 5)) + f" {i}" for i in range(30)]  # tokens
    assert "pixels" in column_kinds(frame).text
    frame = frame[["n", "time"]]
    frame["time"] = [f"{i} 120 days of rain" for i in range(30)]
    assert column_kinds(frame).text == ["time"]


def test_a_note_names_some_of_many_columns_that_are_left_out():
    frame = pd.DataFrame({f"g{i}": [i, i] for i in range(3000)} | {"x": [1.5, 2.5]})
    note = column_kinds(frame).notes()[-1]
    assert note.startswith("left out: 3,000 columns, g0 (always 0), g1 (always 1), ")
    assert note.endswith("g19 (always 19), …")
