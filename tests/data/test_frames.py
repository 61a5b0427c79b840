"""Reading tables: separators, missing values, parts, and one sentence for what cannot be read."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.data.cells import MISSING
from vicinal.data.frames import (
    cleaned_frames,
    is_table,
    read_frame,
    read_frames,
)


def written(folder, name, text):
    file = folder / name
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_separators_and_compression_are_found(tmp_path, separator, name):
    rows = [["age", "work", "note"], ["39", "state", '"one, two; three"'], ["50", "self", "b"]]
    file = written(tmp_path, name, "\n".join(separator.join(row) for row in rows))
    frame = read_frame(file)
    assert frame["age"].tolist() == [39, 50]
    assert frame["note"].tolist() == ["one, two; three", "b"]


@pytest.mark.parametrize("mark", sorted(MISSING))
def test_marks_of_missing_values_are_missing(tmp_path, mark):
    frame = read_frame(written(tmp_path, "a.csv", f"n,s,z\n1, {mark} ,x\n {mark} ,b,y\n3,c,z\n"))
    assert frame["n"].isna().tolist() == [False, True, False]
    assert frame["s"].isna().tolist() == [True, False, False]
    assert pd.api.types.is_float_dtype(frame["n"])


def test_blanks_around_values_are_no_part_of_them(tmp_path):
    frame = read_frame(written(tmp_path, "a.csv", "name, income\n x , <=50K \nx, >50K\n"))
    assert frame["income"].tolist() == ["<=50K", ">50K"]
    assert frame["name"].tolist() == ["x", "x"]


def test_strings_stay_strings_where_asked(tmp_path):
    file = written(tmp_path, "a.csv", "code,n\n1,1\n2,2\n")
    assert read_frame(file)["code"].tolist() == [1, 2]
    assert read_frame(file, strings=["code"])["code"].tolist() == ["1", "2"]


def test_what_is_no_number_in_training_is_none_in_the_other_parts(tmp_path):
    written(tmp_path, "train.csv", "code,n\n01,1\nA2,2\n")
    written(tmp_path, "test.csv", "code,n\n01,1\n02,x\n")
    frames = read_frames(tmp_path)
    assert frames["test"]["code"].tolist() == ["01", "02"]
    assert frames["train"]["n"].tolist() == [1, 2]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.integers(-(2**53), 2**53),
            st.none() | st.text("abcé,;\"'", min_size=1).map("x".__add__),
        ),
        min_size=1,
    )
)
def test_csv_and_parquet_give_the_same_table(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["float", "whole", "text"])
    for name in ("float", "whole"):
        frame[name] = frame[name].astype(float)
    frame["row"] = range(len(frame))
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    csv, parquet = read_frame(tmp_path / "a.csv"), read_frame(tmp_path / "a.parquet")
    for name in ("float", "whole"):
        assert np.array_equal(csv[name].astype(float), parquet[name].astype(float), equal_nan=True)
        assert np.array_equal(csv[name].astype(float), frame[name], equal_nan=True)
    texts = [[None if pd.isna(t) else t for t in f["text"]] for f in (csv, parquet, frame)]
    assert texts[0] == texts[1] == texts[2]


def test_parquet_numbers_in_strings_become_numbers(tmp_path):
    pd.DataFrame({"n": [" 1", "?", "2.5 "]}).to_parquet(tmp_path / "a.parquet")
    assert read_frame(tmp_path / "a.parquet")["n"].tolist()[::2] == [1, 2.5]


def test_columns_that_are_called_by_numbers_are_named_by_them(tmp_path):
    pd.DataFrame({0: [1.5], 3: ["x"]}).to_parquet(tmp_path / "a.parquet")
    assert list(read_frame(tmp_path / "a.parquet").columns) == ["0", "3"]


def test_a_column_that_was_an_index_is_a_column_again(tmp_path):
    frame = pd.DataFrame({"city": ["a", "b"], "n": [1, 2]}).set_index("city")
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_frame(tmp_path / "a.parquet")["city"].tolist() == ["a", "b"]


def test_a_folder_has_parts_by_the_names_of_its_files(tmp_path):
    written(tmp_path, "adult-train-1.csv", "x,y\n1,a\n")
    written(tmp_path, "adult-train-2.csv", "y,x\nb,2\n")
    written(tmp_path, "adult-test.csv", "x,y\n3,b\n")
    written(tmp_path, "README.md", "# Adult")
    frames = read_frames(tmp_path)
    assert {name: len(frame) for name, frame in frames.items()} == {"train": 2, "test": 1}
    assert frames["train"]["x"].tolist() == [1, 2]
    assert frames["train"].index.tolist() == [0, 1]


def test_a_single_file_is_the_training_part(tmp_path):
    assert list(read_frames(written(tmp_path, "airfoil.csv", "x,y\n1,2\n"))) == ["train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("x,y\n", "has no rows"),
        ("39,77516\n50,83311\n", "has no header, its first line is 39,77516"),
        ("x,y\n1,2\n1,2,3\n", "line 3 of .* has 3 values and the header 2 names"),
        ("x,y\n1,2,3\n1,2,3\n", "more values than its header has names .2."),
    ],
)
def test_a_broken_csv_is_one_sentence(tmp_path, text, message):
    file = written(tmp_path, "a.csv", text)
    with pytest.raises(VicinalError, match=message) as error:
        read_frame(file)
    assert str(file) in str(error.value)


def test_another_encoding_is_one_sentence(tmp_path):
    (tmp_path / "a.csv").write_bytes("name,n\nJosé,1\n".encode("latin-1"))
    with pytest.raises(VicinalError, match=r"is not in UTF-8 .byte 0xe9."):
        read_frame(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz"])
def test_a_broken_file_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(VicinalError, match="cannot be read"):
        read_frame(tmp_path / name)


def test_a_folder_without_tables_is_one_sentence(tmp_path):
    with pytest.raises(VicinalError, match="holds no table"):
        read_frames(tmp_path)


def test_files_of_different_columns_are_refused(tmp_path):
    written(tmp_path, "a.csv", "x,y\n1,2\n")
    written(tmp_path, "b.csv", "x,z\n1,2\n")
    with pytest.raises(VicinalError, match=r"differ in their columns .y, z."):
        read_frames(tmp_path)


@pytest.mark.parametrize("names", [("train", "dev"), ("train", "eval"), ("trn", "hold-out")])
def test_every_word_for_a_part_is_known(tmp_path, names):
    for name in names:
        written(tmp_path, f"{name}.tsv", f"x\ty\n1\t{name}\n")
    frames = read_frames(tmp_path)
    assert [frame["y"].tolist() for frame in frames.values()] == [[name] for name in names]


def test_folders_may_name_the_parts(tmp_path):
    for name in ("train", "dev"):
        (tmp_path / name).mkdir()
        for i in range(2):
            written(tmp_path / name, f"{i}.csv", f"x,y\n{i},{name}\n")
    frames = read_frames(tmp_path)
    assert {part: frame["x"].tolist() for part, frame in frames.items()} == {
        "train": [0, 1],
        "dev": [0, 1],
    }


def test_files_that_are_no_part_are_left_out_with_a_note(tmp_path):
    written(tmp_path, "train.csv", "x,y\n1,a\n")
    written(tmp_path, "test.csv", "x\n3\n")
    written(tmp_path, "sample_submission.csv", "x,y\n3,a\n")
    written(tmp_path, "stores.csv", "store,town\n3,Rome\n")
    written(tmp_path, "more.csv", "x,y\n2,b\n")
    written(tmp_path, "train.jsonl", '{"x": 1, "y": "a"}\n')
    written(tmp_path, "._train.csv", "no table")
    frames = read_frames(tmp_path)
    assert frames["train"]["x"].tolist() == [2, 1]
    assert list(frames) == ["train", "test"]
    assert frames.notes == [
        "left out: sample_submission.csv, a form for predictions",
        "left out: train.jsonl, of the same name as train.csv",
        "left out: stores.csv, which has other columns",
    ]


def test_the_files_of_a_part_are_judged_together(tmp_path):
    written(tmp_path, "a.csv", "code;n\n01;1,018\n")
    written(tmp_path, "b.csv", "code;n\nA2;0,5\n")
    frame = read_frames(tmp_path)["train"]
    assert frame["code"].tolist() == ["01", "A2"]
    assert frame["n"].tolist() == [1.018, 0.5]


def test_other_parts_and_new_files_are_read_as_the_training_part(tmp_path):
    written(tmp_path, "train.csv", "n;m\n980;A\n1,018;1\n")
    written(tmp_path, "valid.csv", "n;m\n1,500;1\n")
    frames = read_frames(tmp_path)
    assert frames["valid"].iloc[0].tolist() == [1500, "1"]
    reading = json.loads(json.dumps(frames.reading))
    new = read_frame(tmp_path / "valid.csv", reading=reading)
    assert new.iloc[0].tolist() == [1500, "1"]
    assert new.attrs["notes"] == []  # as in training, whose notes say so
    assert read_frame(tmp_path / "valid.csv")["n"].tolist() == [1.5]


def test_frames_keep_how_they_are_written(tmp_path):
    written(tmp_path, "train.csv", "x,level\n1e5,mild\n2e5,None\n")
    kept = read_frames(tmp_path).written["train"]
    assert {values.name: values.tolist() for values in kept.values()} == {
        "x": ["1e5", "2e5"],
        "level": ["mild", "None"],
    }


def test_frames_of_another_origin_are_cleaned_alike():
    frames = cleaned_frames(
        {
            "test": pd.DataFrame({"n": ["3"], 0: ["1"]}),
            "train": pd.DataFrame({"n": ["1", "A"], 0: [" 1", "?"]}),
        }
    )
    assert frames["test"]["n"].tolist() == ["3"]
    assert frames["train"]["0"].tolist()[:1] == [1]


@pytest.mark.parametrize("name", ["a.CSV", "a.Parquet", "a.jsonl", "a.ndjson", "a.XLSX"])
def test_tables_are_known_by_their_names(name):
    assert is_table(Path(name))
    assert not is_table(Path(f"~${name}"))


def test_parquet_in_upper_case_is_read(tmp_path):
    pd.DataFrame({"n": [1]}).to_parquet(tmp_path / "A.PARQUET")
    assert read_frame(tmp_path / "A.PARQUET")["n"].tolist() == [1]
