"""Names of classes in the schema of Parquet files that Hugging Face writes."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal import VicinalError
from vicinal.data.class_names import class_names, read_parquet, with_class_names
from vicinal.data.rows import TextSplit
from vicinal.data.sources import load_split

NAMES = [f"intent_{i:02}" for i in range(30)]


def written(folder, columns, names, name="a.parquet"):
    features = {column: {"names": held, "_type": "ClassLabel"} for column, held in names.items()}
    features["text"] = {"dtype": "string", "_type": "Value"}
    table = pa.table(columns)
    held = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": held}), folder / name)
    return folder / name


def test_more_classes_than_whole_numbers_have_keep_their_names(tmp_path):
    texts = [f"do the thing number {i} for me" for i in range(60)]
    numbers = [i % 30 for i in range(60)]
    file = written(tmp_path, {"text": texts, "label": numbers}, {"label": NAMES})
    split = load_split(str(file))
    assert isinstance(split, TextSplit)
    assert split.vocab == NAMES
    for part in (split.train, split.valid):
        rows = [int(text.split()[4]) for text in split.texts(part)]
        assert [split.vocab[i] for i in part.y] == [NAMES[row % 30] for row in rows]


def test_minus_one_is_no_label(tmp_path):
    file = written(tmp_path, {"x": [1.5, 2.5], "label": [1, -1]}, {"label": ["neg", "pos"]})
    assert read_parquet(file)["label"].astype(object).where(lambda y: y.notna(), None).tolist() == [
        *("pos", None)
    ]
    with pytest.raises(VicinalError, match="1 of 2 labels in column label are missing, first in"):
        load_split(str(file))


def test_a_part_without_labels_is_left_alone(tmp_path):
    columns = {"x": [i / 7 for i in range(20)], "label": [i % 2 for i in range(20)]}
    written(tmp_path, columns, {"label": ["neg", "pos"]}, "train.parquet")
    written(tmp_path, {**columns, "label": [-1] * 20}, {"label": ["neg", "pos"]}, "test.parquet")
    split = load_split(str(tmp_path))
    assert (len(split.train), len(split.valid), split.vocab) == (16, 4, ["neg", "pos"])
    assert "left alone: the part test, 20 rows without labels" in split.notes


def test_a_number_without_a_name_is_named():
    with pytest.raises(VicinalError, match="column y holds 2 in row 1, but the data name 2"):
        with_class_names(pd.DataFrame({"y": [0, 2]}), {"y": ["neg", "pos"]})


@pytest.mark.parametrize("held", [None, "{", "[]", '{"info": {"features": {"y": "string"}}}'])
def test_other_schemas_name_no_classes(held):
    metadata = None if held is None else {"huggingface": held}
    assert class_names(pa.schema([("y", "int64")], metadata=metadata)) == {}
