"""Summaries: what a person reads about data before anything is trained."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, Image
from PIL import Image as PIL

from vicinal.data.columns import ColumnKinds
from vicinal.data.row_summary import column_table
from vicinal.data.samples import Samples, Split
from vicinal.data.sources import load_split
from vicinal.data.split import DataSplit
from vicinal.data.summary import Summary, Table, class_table, value_table


@pytest.fixture(autouse=True)
def _width(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


def rows_of(split, title):
    """The rows of the table of a summary whose first column has this name."""
    return next(list(t.rows) for t in split.summary().tables if t.header[0] == title)


class TestClasses:
    def test_counts_of_each_part_and_the_classes_that_one_lacks(self):
        train, valid = [0, 0, 1, 0], torch.tensor([2, 0])
        lines, table = class_table(["cat", "dog", "fox"], {"training": train, "validation": valid})
        assert table.header == ("class", "training#", "validation#")
        assert table.rows == [("cat", "3", "1"), ("dog", "1", "0"), ("fox", "0", "1")]
        assert lines == [
            ("no training", "1 of 3 classes: fox"),
            ("no validation", "1 of 3 classes: dog"),
        ]

    def test_of_many_the_largest_and_the_smallest_are_shown(self):
        labels = np.repeat(np.arange(30), np.arange(1000, 1030))
        lines, table = class_table([f"c{i}" for i in range(30)], {"training": labels})
        names = [row[0] for row in table.rows]
        assert names[:2] == ["c29", "c28"]
        assert names[10] == "… 10 others …"
        assert names[-1] == "c0"
        assert table.rows[0] == ("c29", "1,029")
        assert (len(table.rows), lines) == (21, [])

    def test_a_note_is_cut_after_eight_classes(self):
        lines, _ = class_table([f"c{i}" for i in range(12)], {"training": [11]})
        assert lines == [("no training", "11 of 12 classes: c0, c1, c2, c3, c4, c5, c6, c7, …")]


def test_values_have_quantiles():
    table = value_table({"training": torch.arange(101.0)[:, None], "validation": [[-0.5]]})
    assert table.rows[0] == ("training", "0", "5", "25", "50", "75", "95", "100", "50")
    assert table.rows[1][1:] == ("-0.5",) * 8


class TestPrinting:
    def test_names_are_no_markup_and_move_no_cursor(self):
        summary = Summary([("left out", "a[bold]:cat: \x1b[2J")], [Table(("x",), [("\udcff",)])])
        assert str(summary).split("\n") == ["left out:       a[bold]:cat: �[2J", "", "x", "�"]

    @pytest.mark.parametrize("columns", [20, 70, 200])
    def test_no_line_is_wider_than_the_terminal(self, columns, monkeypatch):
        monkeypatch.setenv("COLUMNS", str(columns))
        summary = Summary([("columns", "word " * 100)], [Table(("a", "b#"), [("x" * 300, "1")])])
        lines = str(summary).split("\n")
        assert max(map(len, lines)) <= max(60, columns)
        assert all(line == line.rstrip() for line in lines)
        assert sum(line.count("x") for line in lines) == 300  # nothing is cut


class TestImages:
    @pytest.fixture
    def folder(self, tmp_path):
        for part, count in (("train", 3), ("valid", 1)):
            for name in ("cat", "dog"):
                (tmp_path / "p" / part / name).mkdir(parents=True)
                for number in range(count):
                    image = PIL.new("RGB" if name == "cat" else "L", (12, 8 + number))
                    image.save(tmp_path / "p" / part / name / f"{number}.png")
        return tmp_path / "p"

    def test_parts_classes_sizes_formats_and_where_classes_come_from(self, folder):
        summary = load_split(folder).summary()
        assert ("kind", "images") in summary.lines
        assert ("samples", "6 for training, 2 for validation, of 2 classes") in summary.lines
        assert ("validation", "the folder valid") in summary.lines
        sizes = "of 6 training images, width x height: 12x8 (2), 12x9 (2), 12x10 (2)"
        assert ("sizes", sizes) in summary.lines
        formats = "of 6 training images: PNG in colour (3), PNG in grey (3)"
        assert ("formats", formats) in summary.lines
        assert summary.tables[0].rows == [("cat", "3", "1"), ("dog", "3", "1")]
        first = dict(summary.tables[1].rows)
        assert {*first} == {"cat", "dog"}
        assert all(file.endswith(f"p/train/{name}/0.png") for name, file in first.items())

    def test_long_names_of_lines_leave_the_others_in_their_place(self):
        lines = str(Summary([("kind", "rows"), ("taken as numbers, though", "x")])).split("\n")
        assert lines == ["kind:           rows", " " * 16 + "taken as numbers, though: x"]

    def test_a_photo_that_lies_on_its_side_is_measured_upright(self, folder):
        exif = PIL.Exif()
        exif[0x0112] = 6
        for file in folder.glob("train/*/*.png"):
            file.unlink()
            PIL.new("RGB", (20, 10)).save(file.with_suffix(".jpg"), exif=exif)
        assert "width x height: 10x20 (6)" in str(load_split(folder).summary())

    def test_what_cannot_be_read_is_counted_and_named(self, folder):
        (folder / "train" / "cat" / "1.png").write_bytes(b"no image")
        lines = dict(load_split(folder).summary().lines)
        assert lines["cannot be read"].startswith("1 of 6 training images: ")
        assert "cat/1.png (cannot identify image file" in lines["cannot be read"]
        assert lines["sizes"].startswith("of 5 training images")

    def test_many_sizes_have_a_range(self):
        images = [PIL.new("RGB", (4 + i // 3, 9 - i // 3)) for i in range(15)]
        split = Split(Samples(images, [0, 1, 0] * 5), Samples(images, [0] * 15), ["a", "b"])
        sizes = dict(split.summary().lines)["sizes"]
        assert sizes.endswith("4x9 (3), 5x8 (3), 6x7 (3), 2 others; widths 4 to 8, heights 5 to 9")

    def test_sizes_that_are_all_different(self):
        images = [PIL.new("RGB", (4 + i, 9 - i)) for i in range(5)]
        split = Split(Samples(images, [0, 1, 0, 1, 0]), Samples(images, [0] * 5), ["a", "b"])
        sizes = dict(split.summary().lines)["sizes"]
        assert sizes.endswith("width x height: all different, widths 4 to 8, heights 5 to 9")

    def test_classes_without_validation_are_named_once(self):
        images = [PIL.new("RGB", (4, 4))] * 2
        split = Split(Samples(images, [0, 1]), Samples(images, [0, 0]), ["a", "b"])
        assert dict(split.summary().lines)["no validation"] == "1 of 2 classes: b"
        split.notes.append("untested: 1 of 2 classes has no validation images: b")
        assert str(split.summary()).count("no validation") == 1

    def test_only_some_headers_of_many_images_are_read(self, folder):
        class Counted(list):
            opened = 0

            def __getitem__(self, index):
                Counted.opened += 1
                return super().__getitem__(index)

        images = Counted([str(folder / "train" / "cat" / "0.png")] * 10_000)
        split = Split(Samples(images, [0, 1] * 5_000), Samples(images, [0, 1] * 5_000), ["a", "b"])
        assert "of 64 training images, width x height: 12x8 (64)" in str(split.summary())
        assert Counted.opened < 80

    def test_pixels_in_memory(self):
        images = torch.zeros(4, 3, 9, 7, dtype=torch.uint8)
        split = Split(Samples(images, [0, 1, 1, 1]), Samples(images[:1], [0]), ["a", "b"])
        assert dict(split.summary().lines)["sizes"] == "7x9 pixels (width x height)"
        assert rows_of(split, "class") == [("a", "1", "1"), ("b", "3", "0")]

    @pytest.fixture
    def shards(self, tmp_path):
        images = [PIL.new("RGB", (6, 4), (i, 0, 0)) for i in range(8)]
        table = Dataset.from_dict({"image": images, "label": [*"abababab"]})
        table.cast_column("image", Image()).to_parquet(str(tmp_path / "train.parquet"))
        return tmp_path / "train.parquet"

    def test_streamed_ones_have_no_counts_of_classes(self, shards):
        summary = load_split(shards, stream=True, valid_pct=0.5).summary()
        lines = dict(summary.lines)
        assert lines["kind"] == "streamed images"
        assert lines["counts"] == "of each class are not known yet: a, b"
        assert lines["reading"].startswith("streamed from 1 shard")
        assert "6x4" in lines["sizes"]

    def test_a_kind_of_ones_own_has_the_counts(self):
        class Other(DataSplit):
            kind = "tones"
            targets = torch.tensor([0, 1, 1])
            train, valid, vocab = range(3), range(2), ["low", "high"]
            notes = ("labels: the files' names",)
            subset = relabelled = None

        summary = Other().summary()
        assert summary.lines[:2] == [
            ("kind", "tones"),
            ("samples", "3 for training, 2 for validation, of 2 classes"),
        ]
        assert ("labels", "the files' names") in summary.lines
        assert summary.tables[0].rows == [("low", "1"), ("high", "2")]


class TestRows:
    def test_each_column_has_its_kind_and_what_it_holds(self):
        count = 200
        frame = pd.DataFrame(
            {
                "age": [None if i % 20 == 0 else 20 + i % 50 for i in range(count)],
                "work": ["state" if i % 4 == 0 else "self" for i in range(count)],
                "always": 7,
                "who": [f"K{i:03}" for i in range(count)],
                "price": [i / 4 for i in range(count)],
                "label": [*"ab"] * (count // 2),
            }
        )
        frame.to_csv("t.csv", index=False)
        rows = {row[0]: row for row in rows_of(load_split("t.csv"), "column")}
        assert list(rows) == ["age", "work", "always", "who", "price"]
        assert rows["age"][1] == "number"
        assert rows["age"][4] == "20 to 69"
        assert 3 < float(rows["age"][2].removesuffix("%")) < 7
        assert (rows["work"][1], rows["work"][3]) == ("category", "2")
        assert rows["work"][4].startswith("self (7")
        assert rows["always"][1:5] == ("left out", "0%", "1", "always 7")
        assert rows["who"][1] == "left out"
        assert "different" in rows["who"][4]

    def test_the_first_row_is_the_tables_own(self):
        """Rows are held out at random; of those that are left, the first in the file is shown."""
        pd.DataFrame({"x": range(500, 550), "label": [*"ab"] * 25}).to_csv("t.csv", index=False)
        split = load_split("t.csv", valid_pct=0.5)
        (row,) = rows_of(split, "column")
        assert row[-1] == str(split.train.frame["x"].min())

    def test_what_is_nearly_all_is_not_said_to_be_all(self):
        count = 4000
        frame = pd.DataFrame({"c": ["a", *"b" * (count - 1)], "n": [*[None] * (count - 1), 1]})
        kinds = ColumnKinds(["n"], ["c"], [], [], {})
        category, number = column_table(frame.astype({"n": "Int64"}), kinds).rows
        assert category[4] == "b (>99.9%), a (<0.1%)"
        assert (number[2], number[3], number[5]) == (">99.9%", "1", "")

    def test_of_many_columns_the_first_are_shown(self):
        frame = pd.DataFrame(np.arange(20_000.0).reshape(2, -1)).rename(columns=str)
        rows = column_table(frame, ColumnKinds([*frame], [], [], [], {})).rows
        assert (len(rows), rows[99][0], rows[100][0]) == (101, "99", "… 9,900 others …")

    def test_values(self):
        pd.DataFrame({"x": range(60), "price": [i + 0.5 for i in range(60)]}).to_csv("t.csv")
        split = load_split("t.csv", label="price")
        names = [row[0] for row in rows_of(split, "values")]
        assert names == ["training", "validation"]
        assert ("kind", "rows") in split.summary().lines

    def test_it_is_fast_and_linear(self):
        def seconds(count):
            rng = np.random.default_rng(0)
            frame = pd.DataFrame({"x": rng.random(count), "k": rng.integers(0, 9, count)})
            frame["c"] = pd.Series([*"abcd"] * (count // 4))
            frame["label"] = frame["k"] % 2
            frame.to_parquet("t.parquet")
            split = load_split("t.parquet", label="label")
            began = time.process_time()
            split.summary()
            return time.process_time() - began

        assert seconds(100_000) < 1


class TestTexts:
    @pytest.fixture
    def table(self):
        texts = [f"text {i} says: " + "so " * (i % 7) for i in range(30)]
        frame = pd.DataFrame({"text": texts, "label": [*"ab"] * 15})
        frame.loc[3, "text"] = "word " * 300
        frame.to_csv("t.csv", index=False)
        return frame

    def test_lengths_and_the_first_texts(self, table):
        split = load_split("t.csv", valid_pct=0.1, seed=1)
        lines = dict(split.summary().lines)
        assert lines["kind"] == "texts"
        assert lines["column text"].startswith("4 to 300 words, median ")
        assert "3.7% of them have more than 256 words" in lines["truncated"]
        rows = rows_of(split, "label")
        assert len(rows) == 5
        kept = split.train.frame.sort_index()["text"].head(5)
        assert [text[:12] for _, text in rows] == [text.strip()[:12] for text in kept]
        assert max(len(text) for _, text in rows) <= 70

    def test_columns_beside_them_are_shown(self, table):
        split = load_split("t.csv")
        frame = split.train.frame.assign(stars=1)
        kinds = replace(split.kinds, left_out={"stars": "beside the texts"})
        rows = rows_of(
            replace(split, train=replace(split.train, frame=frame), kinds=kinds), "column"
        )
        assert [row[:2] for row in rows] == [("text", "text"), ("stars", "left out")]
