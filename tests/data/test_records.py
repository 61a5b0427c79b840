"""JSON Lines and Excel sheets as columns."""

import gzip
import json
import sys
import zipfile

import pytest

from vicinal import VicinalError
from vicinal.data.frames import read_frame

openpyxl = pytest.importorskip("openpyxl")


def lines(folder, *records):
    file = folder / "a.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def sheets(folder, **rows):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, cells in rows.items():
        sheet = book.create_sheet(title)
        for row in cells:
            sheet.append(row)
    book.save(folder / "a.xlsx")
    return folder / "a.xlsx"


def test_json_lines_keep_types(tmp_path):
    frame = read_frame(
        lines(
            tmp_path,
            {"text": "one\ntwo", "n": 1, "ok": True, "code": "001"},
            {"text": "three", "n": 2.5, "ok": False, "code": "002", "more": [1]},
        )
    )
    assert frame["text"].tolist() == ["one\ntwo", "three"]
    assert frame["n"].tolist() == [1, 2.5]
    assert frame["ok"].dtype == bool
    assert frame["code"].tolist() == ["001", "002"]
    assert frame["more"].tolist() == [None, [1]]


def test_json_lines_are_read_compressed_and_with_blank_lines(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"x": 1}\n\n{"x": 2}\n'))
    assert read_frame(tmp_path / "a.jsonl.gz")["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": 1}\n{"x"\n', "line 2 of .*a.jsonl is no JSON"),
        ('{"x": 1}\n[1]\n', "line 2 of .*a.jsonl is no JSON object"),
        ("\n", "has no rows"),
    ],
)
def test_a_broken_line_is_named(tmp_path, text, message):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(VicinalError, match=message):
        read_frame(tmp_path / "a.jsonl")


def test_the_first_sheet_with_several_columns_is_read(tmp_path):
    file = sheets(
        tmp_path,
        empty=[],
        about=[["Made by hand"], ["in a hurry"]],
        data=[
            [None],
            [None, "x", "crp", "class"],
            [None, 1, 2.5, "a"],
            [None],
            [None, 2, None, "b"],
        ],
        notes=[["made by hand"]],
    )
    frame = read_frame(file)
    assert frame["x"].tolist() == [1, 2]
    assert frame["crp"].isna().tolist() == [False, True]
    assert frame["class"].tolist() == ["a", "b"]
    assert frame.attrs["notes"] == ["sheets: data of a.xlsx is read, and about, notes left out"]


def test_numbers_and_strings_in_one_column_are_read_as_in_csv(tmp_path):
    rows = [["x", "id"], *([i, f"{i:03}"] for i in range(20)), ["<5", "020"], ["NA", "021"]]
    frame = read_frame(sheets(tmp_path, data=rows))
    assert frame["x"].tolist()[:21] == [*range(20), 5]
    assert frame["id"].tolist()[:2] == ["000", "001"]
    assert "numbers: <5 is read as 5 in x" in frame.attrs["notes"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["Report"], ["x", "y", "z"], [1, 2, 3]], "the first row of .*a.xlsx holds Report alone"),
        ([["x", "x"], [1, 2]], "two columns named x"),
        ([[1, 2], [3, 4]], "has no header, its first row begins with 1"),
        ([["x", "y"]], "has no rows"),
        ([], "has no rows"),
    ],
)
def test_a_sheet_without_a_table_is_one_sentence(tmp_path, rows, message):
    with pytest.raises(VicinalError, match=message):
        read_frame(sheets(tmp_path, data=rows))


def test_formulas_without_values_are_named(tmp_path):
    file = sheets(tmp_path, data=[["x", "y"], [1, "=A2*2"], [2, "=A3*2"]])
    with pytest.raises(VicinalError, match=r"a formula such as =A2\*2 in .*a.xlsx has no value"):
        read_frame(file)


def test_excel_without_its_package_is_named(tmp_path, monkeypatch):
    file = sheets(tmp_path, data=[["x"], [1]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(VicinalError, match="openpyxl is missing: pip install openpyxl"):
        read_frame(file)


@pytest.mark.parametrize("stored", ["A1:A1", "A1:B2"])
def test_a_sheet_holds_more_than_its_stored_dimension_says(tmp_path, stored):
    file = sheets(tmp_path, data=[["x", "y", "z"], *([i, i + 1, "a"] for i in range(5))])
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = parts[name].replace(b'"A1:C6"', f'"{stored}"'.encode())
    assert stored.encode() in parts[name]
    with zipfile.ZipFile(file, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    frame = read_frame(file)
    assert list(frame.columns) == ["x", "y", "z"]
    assert frame["x"].tolist() == [0, 1, 2, 3, 4]


def test_a_damaged_workbook_is_one_sentence(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"nothing of the kind")
    with pytest.raises(VicinalError, match="cannot be read"):
        read_frame(tmp_path / "a.xlsx")
