"""An image column gives the rows of its table, whichever of them the table has."""

import pickle

import datasets
import pytest

from vicinal.data.column import Column

from .pictures import encoded, noise

FILES = [encoded(noise(seed=seed)) for seed in range(6)]


@pytest.fixture
def table():
    stored = [{"bytes": file, "path": f"{i}.png"} for i, file in enumerate(FILES)]
    stored[4] = None
    made = datasets.Dataset.from_dict({"image": stored, "label": range(6)})
    return made.cast_column("image", datasets.Image(decode=False))


@pytest.mark.parametrize(
    "some",
    [
        lambda table: table,
        lambda table: table.shuffle(seed=0),
        lambda table: table.select([5, 4, 0]),
        lambda table: table.select(range(2, 5)),
        lambda table: datasets.concatenate_datasets([table, table]),
    ],
)
def test_rows_are_those_of_the_table(table, some):
    table = some(table)
    column = Column(table, "image")
    assert list(column) == [row["image"] for row in table]
    assert column.subset([2, 0])[1] == table[0]["image"]
    stored = [0 if image is None else len(image["bytes"]) for image in column]
    assert column.sizes() == stored
    assert column.subset([2, 0]).sizes() == [stored[2], stored[0]]


def test_what_is_stored_is_not_pickled(table, tmp_path):
    table.save_to_disk(tmp_path)
    column = Column(datasets.load_from_disk(tmp_path), "image")
    assert column[0]["bytes"] == FILES[0]
    content = pickle.dumps(column)
    assert FILES[0] not in content
    assert pickle.loads(content)[1]["bytes"] == FILES[1]
