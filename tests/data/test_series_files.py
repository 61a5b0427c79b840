"""Series in .ts files: the format, the parts, and what is wrong with them."""

import shutil

import numpy as np
import pytest
import torch

from series_files import waves, write_parts, write_ts
from vicinal import VicinalError
from vicinal.data.sources import load_split
from vicinal.data.ts_file import is_ts, read_ts


def write(tmp_path, text, name="X_TRAIN.ts"):
    file = tmp_path / name
    file.write_text(text)
    return file


HEAD = "@problemName x\n@classLabel true a b\n@data\n"


def test_what_is_written_is_read(tmp_path):
    series = waves(4, channels=2)
    found = read_ts(write_ts(tmp_path / "a.ts", series))
    assert found.labels == [name for _, name in series]
    assert found.lines == [5, 6, 7, 8]
    for (values, _), again in zip(series, found.series, strict=True):
        assert np.array_equal(values, again)


@pytest.mark.parametrize(
    ("end", "is_cut"), [("a", False), ("1.0", False), ("slo", True), ("slo\n", False)]
)
def test_a_file_that_ends_within_a_class_is_cut_off(tmp_path, end, is_cut):
    file = write(tmp_path, f"@classLabel true A slow 1\n@data\n1,2:slow\n1,2:{end}")
    found = read_ts(file)
    assert found.labels == ["slow", end.strip()]
    assert isinstance(found.series[1], str) == is_cut
    if is_cut:
        assert found.series[1] == "ends with 'slo', no class that @classLabel names: it is cut off"


@pytest.mark.parametrize(
    ("line", "values", "label"),
    [
        ("1,2,3:a", [[1, 2, 3]], "a"),
        ("1, 2 ,3 : 4,?,NaN :b", [[1, 2, 3], [4, np.nan, np.nan]], "b"),
        ("-1e-3,+2:?", [[-1e-3, 2]], None),
    ],
)
def test_a_line(tmp_path, line, values, label):
    found = read_ts(write(tmp_path, f"% a comment\n{HEAD.upper()}\n# another\n{line}\n"))
    assert np.array_equal(found.series[0], values, equal_nan=True)
    assert found.labels == [label]
    assert found.label == "class"


def test_times_of_values_are_left_out(tmp_path):
    stamped = "@timeStamps true\n@classLabel true 1 2\n@data\n"
    line = "(2007-01-01 00:00:00,241.97),(2007-01-01 00:01:00,?):(0,1),(1,-2e1):1\n"
    found = read_ts(write(tmp_path, stamped + line))
    assert np.array_equal(found.series[0], [[241.97, np.nan], [1, -20]], equal_nan=True)
    assert found.stamped


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,two,3:a", "has 'two' among its values, which is no number"),
        ("1,2:3,x:a", "has 'x' among its values in channel 2, which is no number"),
        ("1,,3:a", "has '' among its values, which is no number"),
        ("1,2:3:a", "has channels of 1 to 2 values, not as many in each"),
        ("a", "has no values, only a label"),
    ],
)
def test_what_is_wrong_with_a_line(tmp_path, line, reason):
    assert read_ts(write(tmp_path, f"{HEAD}{line}\n")).series == [reason]


def test_other_files_of_that_ending_are_none(tmp_path):
    assert not is_ts(write(tmp_path, "import { Component } from '@angular/core';\n", "app.ts"))
    (tmp_path / "film.ts").write_bytes(bytes([0x47, 0x40, 0x11]) * 100)
    assert not is_ts(tmp_path / "film.ts")
    with pytest.raises(VicinalError, match="has no line @data"):
        read_ts(write(tmp_path, "@classLabel true a b\n1,2:a\n"))


# ---- data sets ----------------------------------------------------------------------------------


def test_a_folder_has_a_training_and_a_test_part(tmp_path):
    split = load_split(write_parts(tmp_path / "w", channels=2))
    assert (len(split.train), len(split.valid), split.kind) == (12, 8, "series")
    assert (split.vocab, split.channels) == (["fast", "slow"], ["1", "2"])
    assert split.train.y.tolist() == [0, 1] * 6
    assert "validation: the data's part test, 8 series" in split.notes
    assert "series: 2 channels, 12 steps of time" in split.notes
    values, _ = waves(1, channels=2)[0]
    assert np.array_equal(split.train.series[0], values)


def test_the_training_file_names_the_test_file(tmp_path):
    folder = write_parts(tmp_path / "w")
    shutil.copy(folder / "Waves_TRAIN.ts", folder / "Waves_eq_TRAIN.ts")
    with pytest.raises(VicinalError, match=r"series of 2 data sets \(Waves, Waves_eq\): give one"):
        load_split(folder)
    split = load_split(folder / "Waves_TRAIN.ts")
    assert (len(split.train), len(split.valid)) == (12, 8)
    alone = load_split(folder / "Waves_TEST.ts", valid_pct=0.25)
    assert (len(alone.train), len(alone.valid)) == (6, 2)


def test_lengths_may_differ(tmp_path):
    series = [(values[:, : 5 + number], name) for number, (values, name) in enumerate(waves(6))]
    split = load_split(write_ts(tmp_path / "w.ts", series), valid_pct=0.2)
    assert sorted([*split.train.lengths, *split.valid.lengths]) == [5, 6, 7, 8, 9, 10]
    assert any(note.startswith("series: 1 channel, ") for note in split.notes)


def test_gaps_are_interpolated_and_said(tmp_path):
    values = np.array([[0.0, np.nan, 2.0, np.nan]])
    series = [*waves(5, steps=4), (values, "fast")]
    split = load_split(write_ts(tmp_path / "w.ts", series), valid_pct=0.2)
    assert any(
        note == "gaps: 2 of 24 values are missing, in 1 of 6 series (first line 10 of w.ts); they "
        "are interpolated between their neighbours"
        for note in split.notes
    )
    every = [*split.train.series, *split.valid.series]
    assert any(np.array_equal(each, [[0, 1, 2, 2]]) for each in every)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,two,3:slow", "has 'two' among its values"),
        ("1,2,3:1,2,3:slow", "has 2 channels, and not 1"),
        ("1,inf,3:slow", "has an infinite value"),
        ("?,?,?:slow", "has no value"),
    ],
)
def test_what_cannot_be_used_is_named_and_left_out_where_asked(tmp_path, line, reason):
    folder = write_parts(tmp_path / "w")
    file = folder / "Waves_TRAIN.ts"
    file.write_text(f"{file.read_text()}{line}\n")
    first = f"1 of 13 series cannot be used, first line 17 of Waves_TRAIN.ts, which {reason}"
    with pytest.raises(VicinalError, match=f"{first}.*or leave such series out with --skip-bad"):
        load_split(folder)
    split = load_split(folder, skip_bad=True)
    assert len(split.train) == 12
    assert any(note.startswith("left out: 1 of 13 series that cannot") for note in split.notes)


@pytest.mark.parametrize("other", ["cleaned/Waves_TRAIN.ts", "Waves.ts"])
def test_two_files_of_one_part_are_refused(tmp_path, other):
    folder = write_parts(tmp_path / "w")
    write_ts(folder / other, waves(6))
    with pytest.raises(VicinalError, match=r"holds two files of one part, .*Waves.*: give one"):
        load_split(folder)


def test_a_header_may_have_tabs(tmp_path):
    file = write_ts(tmp_path / "w.ts", waves(8))
    file.write_text(file.read_text().replace("@classLabel true ", "@classLabel\ttrue\t"))
    assert load_split(file).vocab == ["fast", "slow"]


def test_a_class_of_the_test_part_alone_is_named(tmp_path):
    folder = write_parts(tmp_path / "w")
    file = folder / "Waves_TEST.ts"
    file.write_text(f"{file.read_text()}1,2,3:still\n")
    split = load_split(folder)
    assert split.vocab == ["fast", "slow", "still"]
    assert any("of a class that no training sample has: still" in note for note in split.notes)


def test_numbers_of_classes_are_in_their_order(tmp_path):
    series = [(values, str(number % 11)) for number, (values, _) in enumerate(waves(44, steps=3))]
    split = load_split(write_ts(tmp_path / "w.ts", series))
    assert split.vocab == [str(number) for number in range(11)]


def test_a_word_of_the_test_part_is_a_class_beside_numbers(tmp_path):
    numbered = [(values, {"fast": 1, "slow": 2}[name]) for values, name in waves(8)]
    write_ts(tmp_path / "w" / "W_TRAIN.ts", numbered)
    write_ts(tmp_path / "w" / "W_TEST.ts", [*numbered[:3], (numbered[0][0], "none")])
    assert load_split(tmp_path / "w").vocab == ["1", "2", "none"]


def test_targets_are_values(tmp_path):
    series = [(values, number) for number, (values, _) in enumerate(waves(8))]
    split = load_split(write_ts(tmp_path / "w.ts", series, label="target"))
    assert split.vocab is None
    assert split.train.y.dtype == torch.float64
    assert split.scale[0] == pytest.approx(float(split.train.y.mean()))


def test_labels_are_needed_and_columns_are_not_there(tmp_path):
    file = write_ts(tmp_path / "w.ts", waves(4), label=None)
    with pytest.raises(VicinalError, match="says by no @classLabel true or @targetLabel true"):
        load_split(file)
    with pytest.raises(VicinalError, match="holds series with a label each, and no columns, so"):
        load_split(write_ts(file, waves(4)), label="y")


def test_a_missing_label_is_named_and_left_out_where_asked(tmp_path):
    series = [*waves(6), (waves(1)[0][0], "?")]
    file = write_ts(tmp_path / "w.ts", series)
    with pytest.raises(VicinalError, match="1 of 7 labels in column class are missing"):
        load_split(file)
    split = load_split(file, drop_missing=True)
    assert len(split.train) + len(split.valid) == 6


def test_fewer_training_series(tmp_path):
    split = load_split(write_parts(tmp_path / "w"))
    fewer = split.subset(torch.tensor([1, 3, 5]))
    assert fewer.train.y.tolist() == [1, 1, 1]
    assert fewer.train.series[0] is split.train.series[1]
    other = split.relabelled(1 - split.train.y)
    assert other.train.y.tolist() == [1, 0] * 6
