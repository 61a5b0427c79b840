"""Parquet files of images that are read without the datasets library."""

import io
import pickle
import subprocess
import sys

import datasets
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from vicinal import VicinalError
from vicinal.data import local_table
from vicinal.data.local_table import local_tables
from vicinal.data.sources import load_split


def picture(value):
    file = io.BytesIO()
    Image.new("L", (4, 4), value).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": f"{value}.png"}


def store(folder, name="train", classes=("cat", "dog"), **columns):
    """Images and columns as ``datasets`` writes them, with names of classes."""
    folder.mkdir(exist_ok=True)
    count = len(columns["label"])
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(classes))}
    held = {
        "huggingface": '{"info": {"features": {"image": {"_type": "Image"}, "label": '
        f'{{"names": {list(classes)}, "_type": "ClassLabel"}}}}}}}}'.replace("'", '"')
    }
    image = pa.array([picture(i) for i in range(count)], datasets.Features(features).type[0].type)
    table = pa.table({"image": image, **columns}).replace_schema_metadata(held)
    pyarrow.parquet.write_table(table, folder / f"{name}.parquet", row_group_size=4)
    return folder


def contents(samples):
    return [*samples.images], samples.labels


@pytest.mark.parametrize("options", [{}, {"group": "patient"}, {"split_column": "fold"}])
def test_a_split_is_as_the_library_would_give(tmp_path, monkeypatch, options):
    path = store(
        tmp_path / "pets",
        label=[0, 1] * 6,
        patient=["a", "b", "c"] * 4,
        fold=["train", "train", "val"] * 4,
    )
    ours = load_split(path, **options)
    monkeypatch.setattr(local_table, "LIMIT", 0)
    theirs = load_split(path, **options)
    assert type(ours.train.images.table) is not type(theirs.train.images.table)
    assert (ours.vocab, ours.notes) == (["cat", "dog"], theirs.notes)
    for part in ("train", "valid"):
        assert contents(getattr(ours, part)) == contents(getattr(theirs, part))


def test_parts_of_several_files(tmp_path):
    store(tmp_path / "pets", "train-0", label=[0, 1] * 3)
    store(tmp_path / "pets", "train-1", label=[1, 1])
    split = load_split(store(tmp_path / "pets", "validation-0", label=[0, 1]))
    assert split.train.labels == [0, 1, 0, 1, 0, 1, 1, 1]
    assert [image["path"] for image in split.train.images][5:] == ["5.png", "0.png", "1.png"]
    assert split.valid.labels == [0, 1]


def test_images_are_pickled_by_the_names_of_their_files(tmp_path):
    images = load_split(store(tmp_path / "pets", label=[0, 1] * 50)).train.images
    pickled = pickle.dumps(images)
    assert len(pickled) < 2000
    assert [*pickle.loads(pickled)] == [*images]


def test_a_class_without_a_name_is_refused(tmp_path):
    with pytest.raises(VicinalError, match="column label holds 2 in row 2, but the data name 2"):
        load_split(store(tmp_path / "pets", label=[0, 1, 2] * 4))


@pytest.mark.parametrize(
    "columns",
    [
        {"box": [[1, 2]] * 4},  # lists
        {"day": pa.array([1] * 4, pa.date32())},
        {"kind": pa.array(["a"] * 4).dictionary_encode()},
    ],
)
def test_other_columns_are_left_to_the_library(tmp_path, columns):
    path = store(tmp_path / "pets", label=[0, 1] * 2, **columns)
    assert local_tables({"train": [str(path / "train.parquet")]}) is None
    assert len(load_split(path, label="label").train) == 3


def test_the_library_is_not_imported(tmp_path):
    path = store(tmp_path / "pets", label=[0, 1] * 4)
    code = (
        "import sys; from vicinal.data.sources import load_split; "
        f"print(len(load_split({str(path)!r}).train), 'datasets' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "False"]
