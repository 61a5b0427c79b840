"""CSV files: quotes, lines, separators, headers, encodings, and what cannot be read."""

import csv
import gzip
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.data.delimited import read_delimited


def read(folder, text, name="a.csv"):
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_delimited(file)


def cells(folder, text, name="a.csv"):
    return {n: values.to_pylist() for n, values in read(folder, text, name).columns.items()}


TEXTS = [f"{i} words in a row" for i in range(20)]
LONE = {3: '"Never mind', 15: 'the end," he said'}
PAIR = {3: '"Never mind', 15: 'and so he left."'}


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("lone", [LONE, PAIR, {3: '"To be', 4: "or not"}, {3: 'a 5" pipe'}])
def test_a_lone_quote_swallows_no_rows(tmp_path, separator, lone):
    texts = [lone.get(i, text).replace(separator, " ") for i, text in enumerate(TEXTS)]
    lines = [f"{text}{separator}{'ab'[i % 2]}" for i, text in enumerate(texts)]
    found = cells(tmp_path, "\n".join([f"text{separator}label", *lines]))
    assert found == {"text": texts, "label": ["a", "b"] * 10}


def test_rows_are_lines_and_quotes_stand_for_themselves_with_a_note(tmp_path):
    found = read(tmp_path, 'text\tlabel\none\ta\n"two\tb\nthree\ta\nfour"\tb\n')
    assert found.notes == [
        "quotes: those of a.csv stand for themselves, as every line is a row and the quotes in "
        "line 3 enclose no value"
    ]


def test_quotes_around_all_values_are_no_part_of_them_in_lines(tmp_path):
    text = '"text"\t"label"\n"he "said" so"\t"a"\n"""odd" one"\t"b"\n'
    found = cells(tmp_path, text)
    assert found == {"text": ['he "said" so', '""odd" one'], "label": ["a", "b"]}


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ('"one, two"', "one, two"),
        ('"one\ntwo, three"', "one\ntwo, three"),
        ('"one\r\n\r\ntwo"', "one\r\n\r\ntwo"),
        ('"so ""he"" said"', 'so "he" said'),
        ('"he said \\"no\\", then"', 'he said "no", then'),
        (' "one, two"', "one, two"),
        ('5" pipe', '5" pipe'),
        ('""', ""),
    ],
)
def test_values_in_quotes(tmp_path, row, value):
    text = f'note,label\n"p, q",a\n{row},b\nr,a\n'
    assert cells(tmp_path, text) == {"note": ["p, q", value, "r"], "label": ["a", "b", "a"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('text,label\n"Never mind,a\n"one, two",b\nthree,a\n', "the quotes in line 2 of .*a.csv"),
        ('text,label\n"He said "no", and",a\n"one, two",b\n', "the quotes in line 2 of .*a.csv"),
        (
            'text,label\n"Never mind,a\nx y,b\nz z,a\nso he left.",b\n"one, two",b\nthree,a\n',
            "the quote in line 2 of .*a.csv ends in line 5",
        ),
        ("x,y\n1,2\n1,2,3\n", "line 3 of .*a.csv has 3 values and the header 2 names"),
        ("x,y\n1,2,3\n1,2,3\n", "more values than its header has names .2."),
        ("Report,,\nx,y,z\n1,2,3\n", "the first line of .*a.csv names 1 of its 3 columns"),
        ("About: x\nOf: y\n\nx,y,z\n1,2,3\n3,4,5\n5,6,7\n8,9,0\n", "line 4 of .* has 3 values"),
        ("59 2 32.1\n48 1 21.6\n", "no header, its first line is 59 2 32.1"),
        ("a b\n" + "1 x\n" * 300 + "3\n", "line 302 of .* has 1 value, separated by blanks"),
        ("x,x\n1,2\n", "two columns named x"),
        ("x, x \n1,2\n", "two columns named x"),
        ("\n\n", "is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(VicinalError, match=message):
        read(tmp_path, text)


def test_a_text_of_several_lines_with_separators_is_one_value(tmp_path):
    text = 'address,label\n"12 Main St, Boston\nUnit 4, MA",a\n"one, two",b\nthree,a\n'
    assert cells(tmp_path, text)["address"][0] == "12 Main St, Boston\nUnit 4, MA"


@pytest.mark.parametrize(
    "text",
    [
        "x;y\n1,5;a\n2,5;b\n",
        "sep=;\nx;y\n1,5;a\n2,5;b\n",
        "SEP=;\r\nx;y\r\n1,5;a\r\n2,5;b\r\n",
        "x|y\n1,5|a\n2,5|b\n",
        "x\ty\n1,5\ta\n2,5\tb\n",
        '"x","y"\n"1,5","a"\n"2,5",b\n',
        " x ; y \n1,5;a\n2,5;b\n",
        "\n\nx;y\n1,5;a\n\n2,5;b\n\n",
        "x;y\r1,5;a\r2,5;b\r",
        "\r# lines of an old Macintosh\rx;y\r1,5;a\r2,5;b\r",
        "\rx;y\n1,5;a\n2,5;b\n",
        "x;y\n1,5;a;\n2,5;b;\n",
        "x;y\n1,5;a\n2,5;b\n;\n;\n",
        "x;y\n1,5;a\n# half way\n2,5;b\n",
        "# of my hand\n# a,b\nx;y\n1,5;a\n2,5;b\n",
        "#x;y\n1,5;a\n2,5;b\n",
        "# made by hand\n# x;y\n1,5;1\n2,5;2\n",
    ],
)
def test_separators_comments_and_headers(tmp_path, text):
    found = {name.strip(): values for name, values in cells(tmp_path, text).items()}
    assert found["x"] == ["1,5", "2,5"]
    assert found["y"] in (["a", "b"], ["1", "2"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_spreadsheets_unicode_text_is_read(tmp_path, encoding):
    assert cells(tmp_path, "x\ty\nä\tö\n".encode(encoding)) == {"x": ["ä"], "y": ["ö"]}


@pytest.mark.parametrize("quote", ["", '"'])
def test_another_encoding_is_named_with_line_and_letter(tmp_path, quote):
    text = f"name,n\nAda,1\n{quote}José{quote},2\n".encode("latin-1")
    with pytest.raises(VicinalError, match=r"not in UTF-8 .byte 0xe9 in line 3, which is 'é'"):
        read(tmp_path, text)


def test_utf16_without_a_mark_is_one_sentence(tmp_path):
    with pytest.raises(VicinalError, match="UTF-16 does: save it as UTF-8"):
        read(tmp_path, "x,y\n1,2\n".encode("utf-16-le"))


@pytest.mark.parametrize(
    "rows",
    [
        [f"so {i} so,{'neg' if i % 2 else 'pos'}" for i in range(20)],
        [f"{i % 2},so {i}" for i in range(20)],
        [f"gj04,{i % 2},{'*' if i % 3 else ''},so {i}" for i in range(20)],
        [f"{i}.5,{i}" for i in range(20)],
        ["0,0", "0,0"],
        ["1,2,3", "4,5,6"],
        [f"n{i},5,{i}" for i in range(9)],
    ],
)
def test_a_file_without_a_header_is_refused(tmp_path, rows):
    with pytest.raises(VicinalError, match="has no header, its first line is"):
        read(tmp_path, "\n".join(rows))


@pytest.mark.parametrize(
    "text",
    [
        "country,1990,1991\n" + "".join(f"c{i},{i},{i}\n" for i in range(20)),
        ",1940,1950,1955\nfood,22.2,44.5,59\nhome,1,2,3\n",
        "0,1,2,3\n.5,.5,1,1\n.5,.5,2,2\n",
        "name,400.5,401,401.5,402,402.5\n" + "".join(f"n{i},1,2,3,4,5\n" for i in range(9)),
        "label,0,1\n3,0,0\n4,0,0\n",
        "text\nsome words\n",
        "a,b\nx,1\n",
    ],
)
def test_numbers_can_be_names_of_columns(tmp_path, text):
    assert "".join(",".join(cells(tmp_path, text)).split("Unnamed: 0")) == text.split("\n")[0]


@pytest.mark.parametrize("names", [("1", "2"), ("ada", "eve")])
def test_names_of_rows_that_r_writes_are_a_column_without_a_name(tmp_path, names):
    text = '"x","y"\n' + "".join(f'"{name}",{i},5\n' for i, name in enumerate(names))
    found = read(tmp_path, text)
    assert found.columns["x"].to_pylist() == ["0", "1"]
    assert found.columns["Unnamed: 0"].to_pylist() == list(names)
    assert found.notes == ["row names: those before the first column of a.csv left out"]


def test_a_header_that_stands_again_between_rows_is_left_out(tmp_path):
    found = read(tmp_path, "x,y\n1,2\nx,y\n3,4\n")
    assert found.columns["x"].to_pylist() == ["1", "3"]
    assert found.notes == ["repeated header: 1 row of a.csv left out"]


def test_a_name_that_is_missing_is_not_taken_for_that_of_rows(tmp_path):
    with pytest.raises(VicinalError, match="more values than its header has names"):
        read(tmp_path, "id,x\n1,5,a\n2,6,b\n")


def test_short_rows_are_filled_up_with_a_note(tmp_path):
    found = read(tmp_path, "x,y,z\n1,2,3\n4,5\n6\n")
    assert found.columns["z"].to_pylist() == ["3", "", ""]
    assert "2 rows of a.csv with fewer values than the header, first in line 3" in found.notes[0]


def test_sentences_in_a_single_column_may_hold_commas(tmp_path):
    assert cells(tmp_path, "text\nHello, world\nSo, it, is\n") == {
        "text": ["Hello, world", "So, it, is"]
    }


def test_a_value_may_be_longer_than_the_csv_module_takes(tmp_path):
    long = "so\n" * 100_000
    limit = csv.field_size_limit()
    assert cells(tmp_path, f'text,label\n"{long}",a\n')["text"] == [long]
    assert csv.field_size_limit() == limit


# With an end of a line in a value, separators in it may make its lines look like rows.
VALUES = (st.text('ab 1,;"\t|é', max_size=6) | st.text('ab 1"\né', max_size=6)).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8),
    separator=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n"]),
    compressed=st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back(tmp_path, rows, separator, ending, compressed):
    target = io.StringIO()
    writer = csv.writer(target, delimiter=separator, lineterminator=ending)
    writer.writerows([("first", "second", "row"), *((*row, i) for i, row in enumerate(rows))])
    text = target.getvalue().encode()
    name = "a.csv.gz" if compressed else "a.csv"
    assert cells(tmp_path, gzip.compress(text) if compressed else text, name) == {
        "first": [a for a, _ in rows],
        "second": [b for _, b in rows],
        "row": [str(i) for i in range(len(rows))],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a  b label \n 1 2  x\n3   4 y \n",
            {"a": ["1", "3"], "b": ["2", "4"], "label": ["x", "y"]},
        ),
        (
            '"a" "b c"\n"1" 1 "x y"\n"2" 2 "z"\n',
            {"Unnamed: 0": ["1", "2"], "a": ["1", "2"], "b c": ["x y", "z"]},
        ),
        ("# a b\n1.5 2e+00\n3.5 4e+00\n", {"a": ["1.5", "3.5"], "b": ["2e+00", "4e+00"]}),
        ("my text\ngood film 1\ngood film 2\n", {"my text": ["good film 1", "good film 2"]}),
        ("my text\ngood film\nbad film\n", {"my text": ["good film", "bad film"]}),
    ],
)
def test_blanks_separate_values_where_all_rows_have_as_many_and_some_are_numbers(
    tmp_path, text, expected
):
    assert cells(tmp_path, text) == expected
    by_blanks = "separator: blanks separate the values of a.csv"
    assert (by_blanks in read(tmp_path, text).notes) == (len(expected) > 1)


def test_a_doubled_quote_after_a_comma_and_a_blank_is_one_in_the_value(tmp_path):
    text = 'text,label\n"so, ""he"" said",a\n"one, """,b\n'
    assert cells(tmp_path, text) == {"text": ['so, "he" said', 'one, "'], "label": ["a", "b"]}
    spaced = 'text, label\n"one", ""\n"two", """b"", c"\n'
    assert cells(tmp_path, spaced) == {"text": ["one", "two"], "label": ["", '"b", c']}


def test_the_header_of_a_wide_table_is_read_in_linear_time(tmp_path):
    before = time.process_time()
    names = [f"gene{i}" for i in range(20_000)]
    found = read(tmp_path, ",".join(names) + "\n" + ",".join(["1.5"] * len(names)) + "\n")
    assert [*found.columns] == names
    assert time.process_time() - before < 5  # where each is compared with all: 10
