"""Cells as numbers, booleans and words: forms of numbers, codes, missing values, new data."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.data.cells import Reading, typed


def read(columns, separator=",", **options):
    cells = {name: pa.chunked_array([pa.array(v, pa.string())]) for name, v in columns.items()}
    return typed(cells, separator, **options)


def one(values, separator=",", **options):
    found = read({"x": values}, separator, **options)
    return found.columns["x"].tolist(), found.notes


MANY = [str(i) for i in range(30)]
COULD = "; it could also be "


@pytest.mark.parametrize(
    ("values", "separator", "numbers", "note"),
    [
        # Thousands beside smaller numbers, in a file whose separator says decimal commas.
        (["980", "1,018"], ";", [980, 1018], f"1,018 is read as 1018 in x{COULD}1.018"),
        (["980", "1.018"], ";", [980, 1018], f"1.018 is read as 1018 in x{COULD}1.018"),
        (["1,018", "2,500"], ";", [1.018, 2.5], f"1,018 is read as 1.018 in x{COULD}1018"),
        (["1,018", "2,500"], ",", [1018, 2500], f"1,018 is read as 1018 in x{COULD}1.018"),
        (["1.018", "980"], ",", [1.018, 980], None),
        (["1.018", "0.5"], ";", [1.018, 0.5], None),
        (["0,512", "1,018"], ",", [0.512, 1.018], "0,512 is read as 0.512 in x"),
        (["1,234,567", "1,018"], ";", [1234567, 1018], "1,234,567 is read as 1234567 in x"),
        (["1.234.567", "1.018"], ",", [1234567, 1018], "1.234.567 is read as 1234567 in x"),
        (["1,018.50", "3"], ";", [1018.5, 3], "1,018.50 is read as 1018.5 in x"),
        (["1.018,5", "3"], ",", [1018.5, 3], "1.018,5 is read as 1018.5 in x"),
        (["-1,5", "+2,25"], ";", [-1.5, 2.25], "+2,25 is read as 2.25 in x"),
        (["1,5e3", "2,0"], ";", [1500, 2], "1,5e3 is read as 1500 in x"),
        (["1'018", "980"], ",", [1018, 980], "1'018 is read as 1018 in x"),
        (["1 018,5", "12\u202f000"], ";", [1018.5, 12000], "1 018,5 is read as 1018.5 in x"),
        (["\u22125", "3"], ",", [-5, 3], "\u22125 is read as -5 in x"),
        (["\u20130.5", "1.5"], ",", [-0.5, 1.5], "\u20130.5 is read as -0.5 in x"),
        (["5%", "7 %", "0"], ",", [5, 7, 0], "7 % is read as 7 in x"),
        (["$1,018.50", "-$3"], ",", [1018.5, -3], "$1,018.50 is read as 1018.5 in x"),
        (["5,50 €", "7 €"], ";", [5.5, 7], "5,50 € is read as 5.5 in x"),
        (["<5", *MANY], ",", [5, *range(30)], "<5 is read as 5 in x"),
        (["≥ 30,5", *MANY], ";", [30.5, *range(30)], "≥ 30,5 is read as 30.5 in x"),
    ],
)
def test_numbers_are_read_as_people_write_them(values, separator, numbers, note):
    assert one(values, separator) == (numbers, [f"numbers: {note}"] if note else [])


def test_grouped_numbers_that_contradict_the_other_columns_are_noted_as_such():
    found = read({"x": ["980", "1,018"], "y": ["0,5", "1,5"]}, ";")
    assert f"numbers: 1,018 is read as 1.018 in x{COULD}1018" in found.notes


@pytest.mark.parametrize("mark", ["-", "\u2013", "..", ":"])
def test_a_mark_among_numbers_stands_for_a_missing_one_and_is_noted(mark):
    values, notes = one([*MANY, mark])
    assert values[:-1] == [*range(30)]
    assert np.isnan(values[-1])
    assert notes == [f"missing: {mark!r} stands for a missing number in x"]
    assert one(["1", "2", mark])[0] == ["1", "2", mark]  # rather categories
    assert one(["+", "word", mark])[0] == ["+", "word", mark]
    again = typed(
        {"x": pa.chunked_array([["1", mark]])}, reading=read({"x": MANY}).reading
    ).columns["x"]
    assert again.isna().tolist() == [False, True]
    alone = {"x": pa.chunked_array([[mark]])}
    assert typed(alone, reading=read({"x": MANY}).reading).columns["x"].isna().all()


@pytest.mark.parametrize(
    "values",
    [
        ["01.02.2020", "03.04.2020"],
        ["1.10.2", "1.9.3"],
        ["192.168.1.10", "10.0.0.1"],
        ["555 123 456", "555 123 457"],
        ["<5", ">=5"],
        ["<18", "18-25", ">25"],
        ["1,5", "half"],
        ["12 kg", "13 kg"],
        ["(5)", "7"],
        ["1_000", "2"],
        ["12:30", "13:30"],
        ["001,5", "002,5"],
        [*(f"{i:03}" for i in range(60)), "136A"],
        [*(f"{i}.0" for i in range(60)), "none given"],
    ],
)
def test_words_with_digits_stay_words(values):
    assert one(values, ";") == (values, [])


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["5%", "7"], "words: x holds 5% and 7, which differ in unit"),
        (["$5", "€7"], "words: x holds $5 and €7, which differ in unit"),
        (["001", "002"], "codes: x with leading zeros, taken for words"),
        (["02100", "12345", None], "codes: x with leading zeros, taken for words"),
        (["+5", "007"], "codes: x with leading zeros, taken for words"),
        (["0x1A", "0x2B"], "codes: x with leading zeros, taken for words"),
        (["12345678901234567890", "1"], "codes: x with more digits than numbers keep"),
        (["9007199254740993", None], "codes: x with more digits than numbers keep"),
    ],
)
def test_codes_and_mixed_units_stay_words_with_a_note(values, note):
    found, notes = one(values)
    assert [None if pd.isna(value) else value for value in found] == values
    assert notes[0].startswith(note)


def test_a_decimal_comma_that_one_column_proves_holds_for_all():
    found = read({"price": ["900", "1.101"], "weight": ["0,5", "1"], "n": ["1,018", "2,5"]}, ";")
    assert found.columns["price"].tolist() == [900, 1101]
    assert found.columns["n"].tolist() == [1.018, 2.5]
    assert found.reading.decimal == ","
    found = read({"price": ["1,018", "2,500"], "weight": ["0.5", "1"]}, ";")
    assert found.columns["price"].tolist() == [1018, 2500]
    assert found.notes == ["numbers: 1,018 is read as 1018 in price"]


def test_missing_values_hide_no_numbers():
    for step in (2, 3, 7):
        values = [f"{i},5" if i % step == 1 else None for i in range(1000)]
        assert np.nansum(one(values, ";")[0]) == sum(i + 0.5 for i in range(1, 1000, step))


def test_a_chunk_without_values_is_no_obstacle():
    chunks = pa.chunked_array([pa.array([None], pa.string()), pa.array(["1,5"])])
    assert typed({"x": chunks}, ";").columns["x"].tolist()[1] == 1.5


def test_lists_of_numbers_in_a_file_with_commas_are_words():
    values = ["1", "2", "3", "4,6"]
    assert one(values) == (values, [])
    assert one(values, ";")[0] == [1, 2, 3, 4.6]


def test_a_word_among_many_numbers_leaves_them_in_plain_form():
    found, _ = one([*(f"{i},5" for i in range(60)), "n.b."], ";")
    assert [*found[:2], found[-1]] == ["0.5", "1.5", "n.b."]  # which column_kinds refuses by name


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2"], np.array([1, 2])),
        (["1", ""], np.array([1, np.nan])),
        (["1.5", "1e3", "inf"], np.array([1.5, 1000, np.inf])),
        (["", "NA"], np.array([np.nan, np.nan])),
        (["TRUE", "false"], np.array([True, False])),
        (["True", "?"], np.array([True, np.nan], dtype=object)),
        (["3", "#DIV/0!"], np.array([3, np.nan])),
        (["+1", "-0"], np.array([1, 0])),
    ],
)
def test_plain_values_have_the_dtypes_of_pandas(values, expected):
    found = read({"x": values}).columns["x"]
    assert found.dtype == expected.dtype
    pd.testing.assert_series_equal(found, pd.Series(expected), check_names=False)
    found.iloc[0] = found.iloc[0]  # of Arrow's memory it would be read-only


PLAIN = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1).map(str)),
    st.lists(st.floats(allow_nan=False).map(repr)),
    st.lists(st.sampled_from(["True", "False"])),
    st.lists(st.sampled_from(["", "a", "b c", "x1", "nan", "NULL"])),
    st.lists(st.floats(allow_nan=False).map(repr) | st.just("")),
    st.lists(st.integers(-99, 99).map(str) | st.sampled_from(["", "NA"])),
)


@settings(deadline=None)
@given(PLAIN.filter(bool))
def test_plain_values_are_what_pandas_reads(values):
    text = "x,row\n" + "".join(f"{value},{row}\n" for row, value in enumerate(values))
    expected = pd.read_csv(io.StringIO(text))["x"]
    found = read({"x": values}).columns["x"]
    pd.testing.assert_series_equal(found, expected, check_names=False, rtol=1e-15)


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (["1e5", "2e5"], ["1e5", "2e5"]),
        (["1.1", "1.10"], ["1.1", "1.10"]),
        (["980", "1,018"], ["980", "1,018"]),
        (["+1", "2"], ["+1", "2"]),
        (["mild", "None", ""], ["mild", "None", None]),
        (["a", "?"], ["a", "?"]),
        (["None", "NA"], ["None", "NA"]),
        (["1", "2"], None),
        (["1.0", "2.5"], None),
        (["1", "NA"], None),
        (["a", ""], None),
        (["001", "2"], None),
        ([f"{i}.50" for i in range(2000)], None),
    ],
)
def test_what_values_lose_is_kept_as_it_is_written(values, written):
    kept = read({"x": values}).written.get("x")
    found = kept if kept is None else [None if pd.isna(v) else v for v in kept]
    assert found == written


def test_columns_can_stay_strings_or_as_they_are_written():
    assert one(["01", "1e5", "NA"], strings=["x"])[0][:2] == ["01", "1e5"]
    assert pd.isna(one(["a", "NA"], strings=["x"])[0][1])
    found, _ = one([" None ", "N/A", ""], written=["x"])
    assert found == ["None", "N/A", pytest.approx(np.nan, nan_ok=True)]


def again(train, new, separator=";", new_separator=None):
    reading = Reading.from_json(read({"x": train}, separator).reading.to_json())
    return one(new, new_separator or separator, reading=reading)


@pytest.mark.parametrize(
    ("train", "new", "numbers"),
    [
        (["980", "1,018"], ["1,500"], [1500]),
        (["0,5", "1,018"], ["1,500"], [1.5]),
        (["0,5", "1,018"], ["1.500"], [1500]),
        (["900", "1.018"], ["1.500"], [1500]),
        (["0.5", "1.018"], ["1.500"], [1.5]),
        (["5%", "7%"], ["12%"], [12]),
        (["5%", "7%"], ["12"], [12]),
        (["<5", *MANY], ["<5"], [5]),
        (["1 018", "980"], ["1 019", "1 020"], [1019, 1020]),
        (["5", "7"], ["12%"], ["12%"]),
        (["001", "A"], ["002"], ["002"]),
        (["a", "b"], ["1"], ["1"]),
        (["1", "2"], ["001"], ["001"]),
    ],
)
def test_new_values_are_read_as_in_training(train, new, numbers):
    assert again(train, new)[0] == numbers


def test_new_values_that_prove_another_decimal_separator_are_read_by_it():
    assert again(["0,5", "1,018"], ["0.5", "1.018"])[0] == [0.5, 1.018]
    # As a program writes them that knows no decimal commas.
    assert again(["0,5", "1,018"], ["1.125"], new_separator=",")[0] == [1.125]


def test_typed_columns_stay_and_strings_among_them_are_read():
    whole = pd.Series(["1", " 2"], dtype=object)
    dates = pd.Series(pd.date_range("2026-01-01", periods=2))
    found = typed({"whole": whole, "dates": dates}).columns
    assert found["whole"].tolist() == [1, 2]
    assert found["dates"].equals(dates)


def test_numbers_of_the_training_data_are_no_codes_in_new_data():
    trained = read({"x": MANY}).reading
    found = typed({"x": pa.chunked_array([["01", "2"]])}, reading=trained)
    assert found.notes == []
    assert pd.to_numeric(found.columns["x"]).tolist() == [1, 2]
    assert read({"x": ["01", "2"]}).notes == ["codes: x with leading zeros, taken for words"]
