"""What a table is taken for, end to end: its label, columns, parts, and the options for them."""

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal import VicinalError
from vicinal.data.frames import read_frame
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.request import DataRequest
from vicinal.data.rows import RowSplit, TextSplit, split_of_rows
from vicinal.data.sources import load_split
from vicinal.data.table_finders import row_split

N = 60
TEXTS = [f"what is the number {i} ?" for i in range(N)]
SIZES = [i * 0.5 for i in range(N)]
CODES = [2100 + i % 7 for i in range(N)]
LABELS = ["a", "b"] * (N // 2)
MISSING = [None if i % 20 == 3 else label for i, label in enumerate(LABELS)]


def split_of(columns, label="label", **options):
    """The split of a table of one part; ``label`` is a column of two classes unless given."""
    frame = pd.DataFrame({"label": LABELS, **columns})
    return split_of_rows({"train": frame}, DataRequest("t.csv", label=label, **options))


def refused(columns, **options):
    with pytest.raises(VicinalError) as error:
        split_of(columns, **options)
    return str(error.value)


class TestTexts:
    @pytest.mark.parametrize(
        "beside",
        [
            {},
            {"id": range(100, 100 + 3 * N, 3)},
            {"n": range(N), "source": ["web"] * N, "user": [f"u{i}" for i in range(N)]},
            {"label_text": ["no", "yes"] * (N // 2)},
            {"comment": [*TEXTS[:9], *[None] * (N - 9)]},
        ],
    )
    def test_texts_beside_nothing_to_learn_from_are_texts(self, beside):
        split = split_of({"text": TEXTS, **beside})
        assert isinstance(split, TextSplit)
        assert split.column == "text"
        assert {*beside} == {*split.kinds.left_out}

    def test_texts_beside_columns_are_asked_about(self):
        said = refused({"name": TEXTS, "size": SIZES, "sex": ["f", "m"] * (N // 2)})
        assert said == (
            "column name holds texts, and others can be learned from, too (size, sex): use "
            "--columns all to learn from both, --text name to learn from the texts alone, or "
            "--drop name to leave them out"
        )
        assert "--text 'full name' to learn" in refused({"full name": TEXTS, "size": SIZES})

    def test_either_can_be_said(self):
        columns = {"name": TEXTS, "size": SIZES}
        texts = split_of(columns, text="name")
        assert isinstance(texts, TextSplit)
        assert texts.kinds.left_out == {"size": "beside the texts in name"}
        rows = split_of(columns, drop=("name",))
        assert not isinstance(rows, TextSplit)
        assert rows.kinds.numeric == ["size"]
        assert "left out: name (--drop)" in rows.notes
        assert split_of(columns, categorical=("name",)).kinds.categorical == ["name"]

    def test_one_of_several_texts_can_be_said(self):
        columns = {"title": TEXTS, "description": [f"{text} Why ?" for text in TEXTS]}
        assert "the columns title, description hold texts" in refused(columns)
        assert "--text title" in refused(columns)
        assert split_of(columns, text="description").column == "description"
        assert split_of(columns, drop=("title",)).column == "description"

    def test_a_column_of_comments_makes_no_texts(self):
        columns = {"size": SIZES, "note": [*TEXTS[:9], *[None] * (N - 9)]}
        split = split_of(columns)
        assert split.kinds.numeric == ["size"]
        assert split.kinds.left_out["note"].startswith("texts in only 1")
        assert "note are missing or not text, first" in refused(columns, text="note")

    def test_any_column_can_be_learned_from_as_text(self):
        split = split_of({"code": CODES, "word": ["yes", "no", "so"] * (N // 3)}, text="code")
        assert {*split.texts(split.train)} <= {str(code) for code in CODES}
        assert split_of({"word": ["yes", "no", "so"] * (N // 3)}, text="word").column == "word"

    def test_a_missing_text_has_the_number_of_its_row(self):
        texts = [*TEXTS[:33], None, *TEXTS[34:]]
        assert "1 of 60 texts in column text are missing or not text, first nan in row 33" in (
            refused({"text": texts}).replace("None", "nan")
        )


class TestColumns:
    def test_numbers_of_rows_are_left_out_of_what_is_learned(self):
        split = split_of({"Id": range(1, N + 1), "time": range(N), "size": SIZES})
        assert split.kinds.numeric == ["size"]
        assert {*split.kinds.left_out} == {"Id", "time"}
        decimals = split_of({"time": [float(i) for i in range(N)], "size": SIZES})
        assert decimals.kinds.numeric == ["time", "size"]
        assert split_of({"Id": range(N)}, categorical=("Id",)).kinds.categorical == ["Id"]

    def test_what_is_all_there_is_is_kept(self):
        split = split_of({"x": range(N)})
        assert split.kinds.numeric == ["x"]
        assert "taken as numbers, though they may only count the rows: x" in split.notes

    def test_numbers_of_rows_may_go_on_in_another_part(self):
        ids = [i * 7 % N for i in range(N)]
        frame = pd.DataFrame({"n": ids, "size": SIZES, "label": LABELS})
        frames = {"train": frame[:40], "test": frame[40:].reset_index(drop=True)}
        split = split_of_rows(frames, DataRequest("t.csv"))
        assert split.kinds.numeric == ["size"]
        frames["test"] = frames["test"].assign(label=None)
        assert split_of_rows(frames, DataRequest("t.csv")).kinds.numeric == ["size"]

    def test_ids_that_repeat_are_learned_from_and_named(self):
        split = split_of({"shop_id": [i % 7 for i in range(N)], "size": SIZES})
        assert split.kinds.numeric == ["shop_id", "size"]
        assert any(note.startswith("ids that repeat: shop_id; --group") for note in split.notes)
        alone = split_of({"id": range(N)})
        assert not any(note.startswith("ids") for note in alone.notes)

    def test_codes_can_be_categories(self):
        split = split_of({"zip": CODES, "size": SIZES}, categorical=("zip",))
        assert (split.kinds.numeric, split.kinds.categorical) == (["size"], ["zip"])

    @pytest.mark.parametrize(
        ("codes", "names"),
        [
            (["1.1", "1.10", "2.0"], ["1.1", "1.10", "2.0"]),
            (["2100.0", "", "2110.0"], ["2100", "2110"]),  # as pandas writes whole numbers
            (["02100", "2100", "2110"], ["02100", "2100", "2110"]),
        ],
    )
    def test_codes_in_a_file_keep_their_spelling(self, tmp_path, codes, names):
        rows = [f"{codes[i % 3]},{SIZES[i]},{LABELS[i]}\n" for i in range(N)]
        (tmp_path / "t.csv").write_text("code,size,label\n" + "".join(rows))
        split = load_split(tmp_path / "t.csv", categorical=["code"])
        preprocessing = TablePreprocessing.fit(split.train.frame, split.kinds)
        assert preprocessing.categories == {"code": names}
        again = read_frame(tmp_path / "t.csv", reading=split.reading)
        assert preprocessing.unknown(again) == []

    def test_options_are_named_for_a_number_that_is_none(self):
        said = refused({"family": [f"{i}" if i != 7 else "136A" for i in range(N)]})
        assert "column family holds '136A' in row 7, where a number is needed" in said
        assert said.endswith("or say --categorical family or --drop family")

    def test_another_name_of_the_label_is_not_learned_from(self):
        columns = {"label_text": ["no", "yes"] * (N // 2), "sex": ["f", "m"] * (N // 2)}
        split = split_of(columns)
        assert split.kinds.categorical == ["sex"]
        assert split.kinds.left_out == {"label_text": "another name of label"}

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"drop": ("sise",)}, "--drop: there is no column sise among label, size, did you"),
            ({"categorical": ("q",)}, "--categorical: there is no column q among label, size"),
            ({"text": "q"}, "--text: there is no column q"),
            ({"group": "q"}, "--group: there is no column q"),
            ({"split_column": "q"}, "--split-column: there is no column q"),
            ({"label": "q"}, "there is no label column q"),
            ({"drop": ("label",)}, "--label and --drop both name the column label"),
        ],
    )
    def test_options_that_name_no_column_are_refused(self, options, said):
        assert said in refused({"size": SIZES}, **options)

    def test_a_name_alone_is_a_list_of_one(self, tmp_path):
        frame = pd.DataFrame({"size": SIZES, "zip": CODES, "label": LABELS})
        frame.to_csv(tmp_path / "t.csv", index=False)
        split = load_split(tmp_path / "t.csv", drop="size", categorical="zip")
        assert split.kinds.categorical == ["zip"]
        assert "size" not in split.train.frame

    def test_a_label_that_is_dropped_is_not_found(self):
        split = split_of({"y": LABELS, "size": SIZES}, label=None, drop=("label",))
        assert split.label == "y"


class TestParts:
    def test_a_column_that_names_parts_is_the_split(self):
        split = split_of({"size": SIZES, "split": ["train"] * 40 + ["test"] * 5 + ["valid"] * 15})
        assert (len(split.train), len(split.valid)) == (40, 15)
        assert split.valid.frame.index.tolist() == list(range(45, 60))
        assert "parts: by column split (train, test, valid)" in split.notes
        assert "left alone: the part test, 5 rows" in split.notes
        assert "split" not in split.train.frame

    def test_all_columns_about_parts_are_set_aside(self):
        kinds, folds = ["train", "eval", "train"] * (N // 3), [i % 3 for i in range(N)]
        split = split_of({"size": SIZES, "split": kinds, "fold": folds})
        assert (len(split.train), len(split.valid)) == (40, 20)
        assert split.kinds.numeric == ["size"]
        assert [*split.kinds.left_out] == ["fold"]
        split = split_of({"size": SIZES, "split": kinds, "fold": folds}, split_column="fold")
        assert split.kinds.left_out == {"split": "it names parts of the data"}
        assert (len(split.train), len(split.valid)) == (40, 20)

    def test_it_can_be_named_or_called_a_category(self):
        kinds = ["training", "eval"] * (N // 2)
        assert "are these parts of the data?" in refused({"size": SIZES, "kind": kinds})
        split = split_of({"size": SIZES, "kind": kinds, "y": SIZES}, split_column="kind", label="y")
        assert len(split.train) == len(split.valid) == N // 2
        learned = split_of({"size": SIZES, "kind": kinds}, categorical=("kind",))
        assert learned.kinds.categorical == ["kind"]
        assert len(learned.train) == 48

    def test_data_with_parts_need_no_column_for_them(self):
        frame = pd.DataFrame({"size": SIZES, "label": LABELS, "fold": [i % 3 for i in range(N)]})
        frames = {"train": frame, "valid": frame}
        split = split_of_rows(frames, DataRequest("t.csv"))
        assert "fold" in split.kinds.left_out
        with pytest.raises(VicinalError, match="have the parts train, valid already, so --split-c"):
            split_of_rows(frames, DataRequest("t.csv", split_column="fold"))
        with pytest.raises(VicinalError, match="size 0 is in both parts of the data, train and"):
            split_of_rows(frames, DataRequest("t.csv", group="size"))

    def test_rows_of_a_part_without_labels_validate_nothing(self):
        labels = [*LABELS[:40], *[None] * 20]
        columns = {"size": SIZES, "is_test": [i >= 40 for i in range(N)], "label": labels}
        split = split_of(columns)
        assert (len(split.train), len(split.valid)) == (32, 8)
        assert "left alone: the part test, 20 rows without labels" in split.notes

    @pytest.mark.parametrize("label", [None, "label"])
    def test_a_part_without_labels_validates_nothing(self, label):
        frame = pd.DataFrame({"size": SIZES, "label": LABELS})
        for test in (frame.drop(columns="label"), frame.assign(label=None)):
            split = split_of_rows({"train": frame, "test": test}, DataRequest("t", label=label))
            assert (len(split.train), len(split.valid)) == (48, 12)
            assert "left alone: the part test, 60 rows without labels" in split.notes

    def test_groups_are_held_out_whole(self):
        patients = [f"p{i % 12}" for i in range(N)]
        split = split_of({"size": SIZES, "patient": patients}, group="patient")
        held = {*split.valid.frame["patient"]}
        assert not held & {*split.train.frame["patient"]}
        assert 8 <= len(split.valid) <= 16
        assert f"{len(held)} of 12 groups (patient) held out" in " ".join(split.notes)
        assert split.kinds.left_out == {"patient": "it groups the rows"}
        assert split.kinds.numeric == ["size"]

    def test_a_row_without_a_group_is_named(self):
        patients = ["p", "q", None, *["r"] * 57]
        assert "patient names no group in row 2" in refused({"patient": patients}, group="patient")
        assert "are of the one group" in refused({"patient": ["p"] * N}, group="patient")


class TestLabels:
    def test_missing_labels_are_refused_or_dropped_and_counted(self):
        columns = {"size": SIZES, "label": MISSING}
        said = refused(columns)
        assert "3 of 60 labels in column label are missing, first in row 3" in said
        assert "--drop-missing" in said
        split = split_of(columns, drop_missing=True)
        assert len(split.train) + len(split.valid) == 57
        assert not {3, 23, 43} & {*split.train.frame.index, *split.valid.frame.index}
        assert "left out: 3 of 60 rows in the part train, which have no label" in split.notes
        assert split.vocab == ["a", "b"]

    def test_a_label_that_hardly_any_row_has_is_another_mistake(self):
        assert "drop-missing" not in refused({"size": SIZES, "label": ["a", "b", *[None] * 58]})
        said = refused({"size": SIZES, "label": [None] * N}, drop_missing=True)
        assert "all 60 labels in column label are missing: name another" in said

    def test_whole_numbers_can_be_classes_or_values(self):
        stars, intents = [i % 5 for i in range(N)], [i % 30 for i in range(N)]
        assert split_of({"size": SIZES, "label": stars}).vocab == ["0", "1", "2", "3", "4"]
        assert split_of({"size": SIZES, "label": stars}, label_kind="values").vocab is None
        assert split_of({"size": SIZES, "label": intents}).vocab is None
        classes = split_of({"size": SIZES, "label": intents}, label_kind="classes")
        assert classes.vocab == [str(i) for i in range(30)]

    def test_plus_and_minus_one_are_two_classes(self):
        split = split_of({"size": SIZES, "label": [1, -1] * (N // 2)})
        assert split.vocab == ["-1", "1"]

    def test_rows_without_labels_do_not_hide_numbers_of_rows(self):
        columns = {"n": range(N), "size": SIZES, "label": MISSING}
        assert "n" in split_of(columns, drop_missing=True).kinds.left_out


def test_a_table_of_the_hub_is_cleaned_as_a_file_is():
    datasets = pytest.importorskip("datasets")
    columns = {"size": [f" {i * 0.5} " for i in range(N)], "work": ["a ", "?", "b"] * (N // 3)}
    columns["label"] = ["no", "yes ", "yes"] * (N // 3)
    request = DataRequest("hf:somebody/something", label="label")
    tables = datasets.DatasetDict(train=datasets.Dataset.from_dict(columns))
    vars(request)["hub_tables"] = tables  # as if they had been downloaded
    split = row_split(request)
    assert split.vocab == ["no", "yes"]
    assert (split.kinds.numeric, split.kinds.categorical) == (["size"], ["work"])
    assert split.train.frame["work"].dropna().unique().tolist() in (["a", "b"], ["b", "a"])


class Frames(dict):
    """Tables with their cells as they are written, as the reader of files gives them."""

    written: dict
    notes = ("numbers: with decimal commas",)


def read(numbers, texts, name="label", **columns):
    frames = Frames(train=pd.DataFrame({"size": SIZES, "label": LABELS, **columns, name: numbers}))
    frames.written = {"train": {name: pd.Series(texts)}}
    return frames


class TestAsWritten:
    @pytest.mark.parametrize(
        ("numbers", "texts", "vocab"),
        [
            ([1e5, 2e5, 1e6], ["1e5", "2e5", "1e6"], ["1e5", "1e6", "2e5"]),
            ([1.1, 1.1, 1.2], ["1.1", "1.10", "1.2"], ["1.1", "1.10", "1.2"]),
        ],
    )
    def test_classes_keep_their_spelling(self, numbers, texts, vocab):
        frames = read(numbers * 20, texts * 20)
        split = split_of_rows(frames, DataRequest("t.csv"))
        assert split.vocab == vocab
        assert [split.vocab[i] for i in split.train.y] == [
            texts[row % 3] for row in split.train.frame.index
        ]
        assert "numbers: with decimal commas" in split.notes
        assert split_of_rows(frames, DataRequest("t.csv", label_kind="values")).vocab is None

    def test_a_word_that_may_be_none_is_asked_about(self):
        labels, texts = ["mild", None, "severe"] * 20, ["mild", "None", "severe"] * 20
        frames = read(labels, texts)
        with pytest.raises(VicinalError, match=r"20 of 60 .* missing, first 'None' in row 1:"):
            split_of_rows(frames, DataRequest("t.csv"))
        split = split_of_rows(frames, DataRequest("t.csv", label_kind="classes"))
        assert split.vocab == ["None", "mild", "severe"]
        split = split_of_rows(frames, DataRequest("t.csv", drop_missing=True))
        assert split.vocab == ["mild", "severe"]
        frames = read(["mild", None, None] * 20, ["mild", "NA", np.nan] * 20)
        with pytest.raises(VicinalError, match="20 of 60 labels in column label are missing, firs"):
            split_of_rows(frames, DataRequest("t.csv", label_kind="classes"))

    def test_a_text_may_be_a_word_for_nothing(self):
        texts = [*TEXTS[:5], "None", *TEXTS[6:]]
        frames = read([None if text == "None" else text for text in texts], texts, "text")
        frames["train"] = frames["train"].drop(columns="size")
        split = split_of_rows(frames, DataRequest("t.csv"))
        for part in (split.train, split.valid):
            assert split.texts(part) == [texts[row] for row in part.frame.index]


def test_a_subset_of_few_rows_leaves_out_what_is_always_the_same():
    split = split_of({"x": range(N)})
    assert isinstance(split, RowSplit)
    few = split.subset(torch.tensor([0]))
    assert (few.kinds.numeric, few.kinds.numbering) == ([], [])
