"""Several labels of each sample: how columns, folders and files say so, and what is refused."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from vicinal import ImageDataLoaders
from vicinal.data.request import DataRequest
from vicinal.data.several import joined_columns, sets_of, single_names
from vicinal.data.sources import load_split
from vicinal.errors import VicinalError

from .pictures import write

TAGS = ["a|b", "a", "b", "", "b|c"] * 8
SETS = [{*filter(None, text.split("|"))} for text in TAGS]


def of_table(tmp_path, text, name="t.csv", **options):
    file = tmp_path / name
    file.write_text(text)
    return load_split(file, **{"label": "tags", **options})


def csv(tags=TAGS, quote=""):
    rows = (f"{i},{i % 7},{quote}{text}{quote}" for i, text in enumerate(tags))
    return "\n".join(["n,x,tags", *rows, ""])


def sets(split):
    """The labels of all rows, in the order of the file."""
    found = {}
    for part in (split.train, split.valid):
        for row, y in zip(part.frame.index, part.y, strict=True):
            found[row] = {split.vocab[i] for i in y.nonzero().flatten()}
    return [found[row] for row in sorted(found)]


def note(split, name):
    (text,) = [each for each in split.notes if each.startswith(f"{name}: ")]
    return text


def images(split):
    return {
        file.name: {split.vocab[i] for i, on in enumerate(row) if on}
        for part in (split.train, split.valid)
        for file, row in zip(part.images, part.labels, strict=True)
    }


# ---- columns ------------------------------------------------------------------------------------


def test_vertical_bars_join_labels_and_it_is_said(tmp_path):
    split = of_table(tmp_path, csv())
    assert split.targets_are == "labels"
    assert sets(split) == SETS
    assert split.targets.dtype == torch.float32
    assert split.targets.shape == (len(split.train), 3)
    assert note(split, "labels") == (
        "labels: column tags, several of 3 classes (a, b, c), separated by |; 1.2 of each row on "
        "average, 2 at most"
    )
    assert note(split, "no label") == "no label: 8 rows have none, which is learned, too"


def test_each_combination_may_be_a_class_instead(tmp_path):
    split = of_table(tmp_path, csv([t or "b" for t in TAGS]), label_kind="classes")
    assert (split.targets_are, split.vocab) == ("classes", ["a", "a|b", "b", "b|c"])


@pytest.mark.parametrize("separator", [";", ",", "/", " and "])
def test_another_separator_is_named_by_the_user(tmp_path, separator):
    text = csv([t.replace("|", separator) for t in TAGS], '"')
    assert sets(of_table(tmp_path, text, label_sep=separator)) == SETS


@pytest.mark.parametrize("separator", [";", ","])
def test_other_separators_are_found_where_several_labels_are_asked_for(tmp_path, separator):
    text = csv([t.replace("|", separator) for t in TAGS], '"')
    split = of_table(tmp_path, text, label_kind="labels")
    assert sets(split) == SETS
    assert f"separated by {separator}" in note(split, "labels")


@pytest.mark.parametrize("separator", [";", ","])
def test_other_separators_are_asked_about_and_never_taken(tmp_path, separator):
    tags = [t.replace("|", separator) or "a" for t in TAGS]
    with pytest.raises(VicinalError, match="may be several labels of one row: name what joins"):
        of_table(tmp_path, csv(tags, '"'))


def test_names_with_blanks_and_commas_stay_one_label(tmp_path):
    tags = ["Paris, France", "Lyon, France", "new york"] * 9
    split = of_table(tmp_path, csv(tags, '"'))
    assert (split.targets_are, len(split.vocab)) == ("classes", 3)


def test_a_separator_that_no_label_holds_is_refused(tmp_path):
    with pytest.raises(VicinalError, match=r"no label in column tags holds ';', such as 'a\|b'"):
        of_table(tmp_path, csv(), label_sep=";")


@pytest.mark.parametrize("separator", ["", "x", "7"])
def test_what_is_no_separator_is_refused(tmp_path, separator):
    with pytest.raises(VicinalError, match="--label-sep must be what stands between labels"):
        of_table(tmp_path, csv(), label_sep=separator)


def test_a_separator_contradicts_classes(tmp_path):
    with pytest.raises(VicinalError, match="leave out one of them"):
        of_table(tmp_path, csv(), label_sep="|", label_kind="classes")


def test_lists_of_json_lines_and_of_parquet_are_labels(tmp_path):
    rows = [{"x": i % 7, "tags": sorted(each)} for i, each in enumerate(SETS)]
    text = "\n".join(map(json.dumps, rows))
    split = of_table(tmp_path, text, "t.jsonl")
    assert sets(split) == SETS
    assert "lists; " in note(split, "labels")
    pd.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    assert sets(load_split(tmp_path / "t.parquet", label="tags")) == SETS


def test_lists_that_a_csv_file_holds_as_text_are_lists(tmp_path):
    rows = (f'{i},{i % 7},"{sorted(each)}"' for i, each in enumerate(SETS))
    assert sets(of_table(tmp_path, "\n".join(["n,x,tags", *rows, ""]))) == SETS


def test_lists_need_no_separator(tmp_path):
    rows = [{"x": i % 7, "tags": sorted(each)} for i, each in enumerate(SETS)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = (f'{i},{i % 7},"{sorted(each)}"' for i, each in enumerate(SETS))
    (tmp_path / "t.csv").write_text("\n".join(["n,x,tags", *lines, ""]))
    for file in ("t.jsonl", "t.csv"):
        with pytest.raises(VicinalError, match=r"column tags holds lists, .* --label-sep ,: leave"):
            load_split(tmp_path / file, label="tags", label_sep=",")


def test_lists_of_one_label_each_are_classes_and_it_is_said(tmp_path):
    rows = [{"x": i % 7, "tags": ["ab"[i % 2]]} for i in range(20)]
    split = of_table(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")
    assert (split.targets_are, split.vocab) == ("classes", ["a", "b"])
    assert "labels: column tags holds lists of one label each, taken for classes" in split.notes
    asked = load_split(tmp_path / "t.jsonl", label="tags", label_kind="labels")
    assert asked.targets_are == "labels"


def test_names_of_hugging_face_are_those_of_its_lists(tmp_path):
    place = {"a": 0, "b": 1, "c": 2}
    lists = [[place[name] for name in sorted(each)] for each in SETS]
    for number, kind in enumerate(("List", "Sequence")):
        inner = {"_type": "ClassLabel", "names": ["a", "b", "c"]}
        features = {"tags": {"_type": kind, "feature": inner}}
        held = {"huggingface": json.dumps({"info": {"features": features}})}
        table = pa.table({"x": [i % 7 for i in range(40)], "tags": lists})
        file = tmp_path / f"{number}.parquet"
        pyarrow.parquet.write_table(table.replace_schema_metadata(held), file)
        assert sets(load_split(file, label="tags")) == SETS


def test_zeros_and_ones_in_lists_are_labels_by_their_numbers(tmp_path):
    rows = [{"x": i % 7, "tags": [i % 2, i % 3 // 2, 0]} for i in range(30)]
    split = of_table(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")
    assert (split.targets_are, split.vocab) == ("labels", ["0", "1"])


def test_a_missing_list_stays_missing():
    lists = pd.Series([["a"], None, ["b"]], index=[0, 0, 1])
    found = single_names(lists)
    assert found.isna().tolist() == [False, True, False]
    assert found.dropna().tolist() == ["a", "b"]


def test_one_hot_lists_of_two_positions_are_zeros_and_ones_too(tmp_path):
    rows = [{"x": i % 7, "tags": [1 - i % 2, i % 2]} for i in range(30)]
    text = "\n".join(map(json.dumps, rows))
    split = of_table(tmp_path, text, "t.jsonl", label_kind="labels")
    assert (split.targets_are, split.vocab) == ("labels", ["0", "1"])
    assert split.targets.sum(1).eq(1).all()
    assert split.targets.amax(0).equal(torch.ones(2))


@pytest.mark.parametrize("positions", [2, 3, 12])
def test_one_hot_lists_are_classes_by_their_positions(tmp_path, positions):
    rows = [{"x": i % 7, "tags": [int(i % positions == p) for p in range(positions)]}
            for i in range(10 * positions)]  # fmt: skip
    split = of_table(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl", label_kind="classes")
    assert (split.targets_are, split.vocab) == ("classes", [str(p) for p in range(positions)])
    assert split.targets.equal(torch.tensor(split.train.frame.index.to_numpy()) % positions)


def test_numbers_are_labels_in_the_order_of_numbers(tmp_path):
    rows = [{"x": i % 7, "tags": [9, 10] if i % 2 else [10.0]} for i in range(30)]
    assert of_table(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl").vocab == ["9", "10"]


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ([0.5], "holds 0.5 in a list in row 3, which is no label"),
        ([float("nan")], "is missing in the list of row 3"),
        ([None, "a"], "is missing in the list of row 3"),
        ([["a"]], "in a list in row 3, which is no label"),
        ("a", "holds lists, but 'a' in row 3"),
    ],
)
def test_lists_that_hold_no_labels_are_refused(tmp_path, odd, message):
    tags = [sorted(each) for each in SETS]
    tags[3] = odd
    text = "\n".join(json.dumps({"x": i % 7, "tags": t}) for i, t in enumerate(tags))
    with pytest.raises(VicinalError, match=message):
        of_table(tmp_path, text, "t.jsonl")


# ---- columns of zeros and ones ------------------------------------------------------------------


def flags(names="abc", on="1", off="0"):
    rows = (f"{i % 7}," + ",".join(on if n in each else off for n in names)
            for i, each in enumerate(SETS))  # fmt: skip
    return "\n".join([f"x,{','.join(names)}", *rows, ""])


@pytest.mark.parametrize(
    ("on", "off"), [("1", "0"), ("1", "-1"), ("True", "False"), ("1.0", "0.0")]
)
def test_several_columns_of_zeros_and_ones_are_labels(tmp_path, on, off):
    split = of_table(tmp_path, flags(on=on, off=off), label="a,b, c")
    assert sets(split) == SETS
    assert split.vocab == ["a", "b", "c"]
    assert [*split.train.frame] == ["x"]
    assert note(split, "labels").startswith("labels: several of 3 classes (a, b, c), columns of ")


def test_columns_with_commas_in_their_names_are_quoted(tmp_path):
    text = flags().replace("x,a,b,c", 'x,"a, b",c,d')
    split = of_table(tmp_path, text, label='"a, b",c,d')
    assert split.vocab == ["a, b", "c", "d"]


def test_a_column_of_zeros_alone_is_named_and_left_out(tmp_path):
    split = of_table(tmp_path, flags("abcd"), label="a,d,b,c")
    assert split.vocab == ["a", "b", "c"]
    assert "unused: 1 label (d), which no row has: left out" in split.notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_kind": "classes"}, "--label names 2 columns, .* --label-kind classes is for one"),
        ({"label_kind": "values"}, "--label names 2 columns, .* --label-kind values is for one"),
        ({"label_sep": "|"}, r"--label-sep \| is for one column, and --label names 2"),
    ],
)
def test_options_for_one_column_are_refused_for_several(tmp_path, options, message):
    with pytest.raises(VicinalError, match=message):
        of_table(tmp_path, flags(), label="a,b", **options)
    rows = (f"{i:02}.png,{i % 2},{i % 3 % 2}" for i in range(20))
    folder = named(tmp_path, "\n".join(["file,a,b", *rows, ""]))
    with pytest.raises(VicinalError, match=message):
        load_split(folder, label="a,b", **options)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_lists_of_several_labels_are_no_classes(tmp_path, kind):
    text = "\n".join(json.dumps({"x": i % 7, "tags": sorted(s)}) for i, s in enumerate(SETS))
    with pytest.raises(VicinalError, match=f"lists of several labels, and --label-kind {kind} is"):
        of_table(tmp_path, text, "t.jsonl", label_kind=kind)


@pytest.mark.parametrize(("on", "off"), [("1", "0"), ("True", "False"), ("1.0", "0.0")])
def test_one_column_of_zeros_and_ones_is_one_label_where_that_is_asked_for(tmp_path, on, off):
    split = of_table(tmp_path, flags(on=on, off=off), label="a", label_kind="labels")
    assert (split.targets_are, split.vocab) == ("labels", ["a"])
    assert sets(split) == [each & {"a"} for each in SETS]
    assert note(split, "labels") == (
        "labels: several of 1 class (a), a column of 0 and 1; 0.4 of each row on average, 1 at most"
    )
    assert of_table(tmp_path, flags(on=on, off=off), label="a").targets_are == "classes"
    rows = (f"{i:02}.png,{on if 'a' in SETS[i] else off}" for i in range(20))
    images = load_split(
        named(tmp_path / "images", "\n".join(["file,a", *rows, ""])), label_kind="labels"
    )
    assert images.vocab == ["a"]


def test_numbers_with_decimals_are_labels_where_that_is_asked_for(tmp_path):
    tags = ["1.5|10", "10", "1.5"] * 10
    with pytest.raises(VicinalError, match=r"holds '1.5\|10', numbers with decimals .* labels"):
        of_table(tmp_path, csv(tags))
    for options in ({"label_kind": "labels"}, {"label_sep": "|"}):
        assert of_table(tmp_path, csv(tags), **options).vocab == ["1.5", "10"]
    assert of_table(tmp_path, csv([t.replace("10", "v10") for t in tags])).targets_are == "labels"


def test_a_column_may_be_called_with_a_comma(tmp_path):
    text = '"a,b",x\n' + "\n".join(f"{'pq'[i % 2]},{i % 5}" for i in range(20))
    assert of_table(tmp_path, text, label="a,b").targets_are == "classes"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("a,bb", "there is no label column bb among x, a, b, c"),
        ("a,a", "names the column a twice"),
        ("a,x", "column x holds 2 in row 2"),
    ],
)
def test_columns_that_are_no_labels_are_refused(tmp_path, label, message):
    with pytest.raises(VicinalError, match=message):
        of_table(tmp_path, flags(), label=label)


def test_an_empty_cell_is_neither_zero_nor_one(tmp_path):
    text = flags().replace("3,0,0,0", "3,0,,0", 1)
    with pytest.raises(VicinalError, match=r"column b is empty in row 3.*--drop-missing"):
        of_table(tmp_path, text, label="a,b,c")
    split = of_table(tmp_path, text, label="a,b,c", drop_missing=True)
    assert len(split.train) + len(split.valid) == 39


def test_minus_one_beside_zero_is_no_label():
    frame = pd.DataFrame({"a": [0, 1, -1], "b": [0, 1, 1]})
    with pytest.raises(VicinalError, match="column a holds -1 in row 2"):
        joined_columns(frame, ["a", "b"])


# ---- parts --------------------------------------------------------------------------------------


def test_rows_without_labels_are_left_out_where_that_is_asked_for(tmp_path):
    split = of_table(tmp_path, csv(), drop_missing=True)
    assert len(split.train) + len(split.valid) == 32
    assert any(each.startswith("left out: 8 of 40 rows") for each in split.notes)


@pytest.mark.parametrize("seed", range(3))
def test_a_share_of_each_label_is_held_out(tmp_path, seed):
    tags = [["a", "b", "a|b|c", "", "c|d"][i % 5] for i in range(200)] + ["e"] * 5
    split = of_table(tmp_path, csv(tags), seed=seed)
    both = torch.cat([split.train.y, split.valid.y]).sum(0)
    share = split.valid.y.sum(0) / both
    assert 0.15 < len(split.valid) / 205 < 0.25
    assert ((share - 0.2).abs() <= 0.05).all()


def test_a_label_of_validation_alone_is_named(tmp_path):
    (tmp_path / "train.csv").write_text(csv())
    (tmp_path / "valid.csv").write_text(csv(["a|d", "b"] * 4))
    split = load_split(tmp_path, label="tags")
    assert split.vocab == ["a", "b", "c"]
    assert split.valid.y.tolist() == [[1, 0, 0], [0, 1, 0]] * 4
    assert (
        "unknown: 1 label of the validation part (d), which no training row has: left out of the "
        "scores"
    ) in split.notes
    assert (
        "untested: no validation sample has 1 of 3 labels: c; means over the labels leave them out"
    ) in split.notes


def test_many_rare_labels_leave_rows_for_validation(tmp_path):
    tags = [f"l{i % 6}|l{i % 11}|rare {i}" for i in range(60)]
    split = of_table(tmp_path, csv(tags))
    assert len(split.valid) == 12
    # Rows are held out that take the fewest labels from training: here one each.
    assert note(split, "unknown").startswith("unknown: 12 labels of the validation part (rare ")
    assert len(split.vocab) == 6 + 5 + 48
    assert (split.train.y.sum(0) > 0).all()
    assert len(split.valid.y[0].unique()) == 2


def test_labels_that_are_on_one_row_each_cannot_be_tested(tmp_path):
    with pytest.raises(VicinalError, match=r"each of 40 labels in column tags .* on one row alone"):
        of_table(tmp_path, csv([f"{i}|x{i}" for i in range(20)]))


def test_labels_that_differ_in_case_alone_are_named(tmp_path):
    split = of_table(tmp_path, csv(["sea|sky", "Sea"] * 20))
    assert any("'Sea' and 'sea' are different labels" in each for each in split.notes)


def test_parts_without_a_common_label_are_refused(tmp_path):
    (tmp_path / "train.csv").write_text(csv())
    (tmp_path / "valid.csv").write_text(csv(["d|e", "e"] * 4))
    with pytest.raises(VicinalError, match=r"no label of the validation part \(d, e\)"):
        load_split(tmp_path, label="tags")


def test_a_test_part_without_labels_is_left_alone(tmp_path):
    (tmp_path / "train.csv").write_text(csv())
    (tmp_path / "test.csv").write_text(csv([""] * 8))
    split = load_split(tmp_path, label="tags")
    assert any(each.startswith("left alone: the part test") for each in split.notes)
    assert sets(split) == SETS


@pytest.mark.parametrize("tags", [["a|b"] * 20, ["a|b", "b|a"] * 10])
def test_the_same_labels_everywhere_teach_nothing(tmp_path, tags):
    with pytest.raises(VicinalError, match=r"have the same labels in column tags \(a, b\)"):
        of_table(tmp_path, csv(tags))


def test_the_summary_counts_each_label(tmp_path):
    (table, *_) = of_table(tmp_path, csv()).summary().tables
    assert [(row[0], sum(map(int, row[1:]))) for row in table.rows] == [
        ("a", 16),
        ("b", 24),
        ("c", 8),
    ]


def test_texts_may_have_several_labels(tmp_path):
    rows = (f"this is the text of number {i} of many,{text}" for i, text in enumerate(TAGS))
    split = of_table(tmp_path, "\n".join(["text,tags", *rows, ""]))
    assert (split.kind, split.targets_are) == ("texts", "labels")
    assert sets(split) == SETS


# ---- images -------------------------------------------------------------------------------------

NAMES = [f"images__{i:02}" for i in range(20)]
EXPECTED = {f"{i:02}.png": SETS[i] for i in range(20)}


def named(path, text):
    write(path, **dict.fromkeys(NAMES))
    (path / "labels.csv").write_text(text)
    return path


def test_a_table_names_images_with_several_labels(tmp_path):
    rows = (f"{i:02}.png,{TAGS[i]}" for i in range(20))
    split = load_split(named(tmp_path, "\n".join(["file,tags", *rows, ""])))
    assert (split.kind, split.targets_are) == ("images", "labels")
    assert images(split) == EXPECTED


def test_columns_of_zeros_and_ones_beside_file_names_are_labels(tmp_path):
    rows = (f"{i:02}.png," + ",".join(str(int(n in SETS[i])) for n in "abc") for i in range(20))
    folder = named(tmp_path, "\n".join(["file,a,b,c", *rows, ""]))
    with pytest.raises(VicinalError, match="learn all of them by --label-kind labels"):
        load_split(folder)
    assert images(load_split(folder, label_kind="labels")) == EXPECTED
    assert load_split(folder, label="c,a").vocab == ["c", "a"]
    assert load_split(folder, label="c").targets_are == "classes"


def test_rows_that_name_an_image_again_are_joined_where_that_is_asked_for(tmp_path):
    rows = [f"{i:02}.png,{name}" for i in range(20) for name in sorted(SETS[i]) or ["c"]]
    folder = named(tmp_path, "\n".join(["file,tags", *rows, ""]))
    with pytest.raises(VicinalError, match="learn all of them by --label-kind labels"):
        load_split(folder)
    split = load_split(folder, label_kind="labels")
    assert images(split) == {name: each or {"c"} for name, each in EXPECTED.items()}


def test_links_to_one_image_from_several_class_folders_are_several_labels(tmp_path):
    write(tmp_path / "all", **dict.fromkeys(f"{i:02}" for i in range(12)))
    for i in range(12):
        for name in SETS[i] or {"c"}:
            folder = tmp_path / "classes" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i:02}.png").symlink_to(tmp_path / "all" / f"{i:02}.png")
    split = load_split(tmp_path / "classes")
    assert images(split) == {f"{i:02}.png": SETS[i] or {"c"} for i in range(12)}
    assert "as 5 images lie in several class folders, by links" in note(split, "labels")
    assert load_split(tmp_path / "classes", label_kind="classes").targets_are == "classes"


def test_copies_in_several_class_folders_are_several_labels_where_that_is_asked_for(tmp_path):
    names = {f"{name}__{i:02}": i for i in range(12) for name in SETS[i] or {"c"}}
    write(tmp_path, **dict.fromkeys(names))
    for name, i in names.items():
        file = tmp_path / (name.replace("__", "/") + ".png")
        file.write_bytes((tmp_path / f"{min(SETS[i] or {'c'})}" / f"{i:02}.png").read_bytes())
    split = load_split(tmp_path)
    assert "--label-kind labels learns all of them" in note(split, "conflicts")
    split = load_split(tmp_path, label_kind="labels")
    assert sorted(map(sorted, images(split).values())) == sorted(
        sorted(SETS[i] or {"c"}) for i in range(12)
    )
    assert len(images(split)) == 12


def test_folders_of_which_no_image_is_in_two_have_one_label_each(tmp_path):
    write(tmp_path, **dict.fromkeys(f"{'ab'[i % 2]}__{i}" for i in range(10)))
    with pytest.raises(VicinalError, match="leave out --label-kind labels"):
        load_split(tmp_path, label_kind="labels")


def test_a_label_whose_images_cannot_be_read_is_named(tmp_path, capsys):
    rows = (f"{i:02}.png,{'a|b' if i % 2 else 'a' if i % 3 else ''}" for i in range(18))
    folder = named(tmp_path, "\n".join(["file,tags", *rows, "18.png,a|c", "19.png,b|c", ""]))
    for name in ("18.png", "19.png"):
        (folder / "images" / name).write_bytes(b"no image")
    ImageDataLoaders.from_split(load_split(folder), bs=4, device="cpu", skip_bad=True)
    assert "no training image can be read of 1 of 3 labels: c" in capsys.readouterr().out


def parquet(tmp_path):
    write(tmp_path, **dict.fromkeys(NAMES))
    files = sorted((tmp_path / "images").iterdir())
    rows = [
        {
            "image": {"bytes": file.read_bytes(), "path": file.name},
            "tags": sorted(SETS[i]),
            "a": i % 2,
            "b": i % 3 == 0,
        }
        for i, file in enumerate(files)
    ]
    (tmp_path / "data").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "data" / "train.parquet")
    return tmp_path / "data"


def test_images_in_parquet_files_have_lists_or_columns_of_labels(tmp_path):
    folder = parquet(tmp_path)
    for label, vocab in (("tags", ["a", "b", "c"]), ("a,b", ["a", "b"]), ("a", ["a"])):
        split = load_split(folder, label=label, label_kind="labels")
        assert (split.kind, split.targets_are, split.vocab) == ("images", "labels", vocab)


def test_streamed_images_have_one_class_each(tmp_path):
    folder = parquet(tmp_path)
    with pytest.raises(VicinalError, match=r"several labels of each image, .* leave out --stream"):
        load_split(folder, label="tags", stream=True)


def test_loaders_of_such_a_split_know_that_labels_are_several(tmp_path):
    rows = (f"{i:02}.png,{TAGS[i]}" for i in range(20))
    split = load_split(named(tmp_path, "\n".join(["file,tags", *rows, ""])))
    dls = ImageDataLoaders.from_split(split, bs=4, device="cpu")
    assert not dls.is_classes
    assert isinstance(dls.loss_func, torch.nn.BCEWithLogitsLoss)
    assert dls.one_batch()[1].shape == (4, 3)
    assert dls.label(torch.tensor([1.0, 0.0, 1.0])) == "a;c"


def test_a_column_without_any_label_is_refused_also_where_labels_are_asked_for(tmp_path):
    with pytest.raises(VicinalError, match="all 40 labels in column tags are missing"):
        of_table(tmp_path, csv([""] * 40), label_kind="labels")


@pytest.mark.parametrize("tags", [["a", "b"] * 20, ["0", "1"] * 20])
def test_plain_classes_are_not_called_lists(tmp_path, tags):
    assert not any("lists of one" in each for each in of_table(tmp_path, csv(tags)).notes)


@pytest.mark.parametrize(
    "cells",
    [
        ["['a' 'b']", "['b']", "[]"],  # NumPy, of which Python reads the first as ['ab']
        ["['a'\n 'b']", '["b"]', "[]"],
        ["[a, b]", "[b]", "[]"],
        ["{'b', 'a'}", "{'b'}", "set()"],
        ["('a', 'b')", "('b',)", "()"],
    ],
)
def test_lists_are_read_however_they_are_written(cells):
    found = sets_of(pd.Series(cells * 2, name="y"), DataRequest(""))
    assert found is not None
    assert [sorted(labels) for labels in found[0]] == [["a", "b"], ["b"], []] * 2


def test_arrays_of_true_and_false_are_flags():
    cells = [str(np.array(flags)) for flags in ([True, False, True], [False, True, False])]
    found = sets_of(pd.Series(cells, name="y"), DataRequest(""))
    assert found is not None
    assert [*found[0]] == [("0", "2"), ("1",)]


@pytest.mark.parametrize("array", [np.arange(2000) % 2, np.array(["a", "b"] * 1000)])
def test_an_array_that_numpy_has_cut_off_is_refused(array):
    with pytest.raises(VicinalError, match="is cut off by NumPy: write lists"):
        sets_of(pd.Series([str(array)] * 2, name="y"), DataRequest(""))


@pytest.mark.parametrize("cells", [["(0, 5]", "(5, 10]"], ["(1, 2)", "(2, 3)"], ["{a: b}", "[]"]])
def test_what_is_no_list_of_labels_stays_a_class(cells):
    assert sets_of(pd.Series(cells, name="y"), DataRequest("")) is None
