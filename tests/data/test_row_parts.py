"""The training and validation part of a table."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.data.row_parts import split_frames
from vicinal.data.sources import load_split


@settings(deadline=None)
@given(count=st.integers(2, 50), valid_pct=st.floats(0.01, 0.9), seed=st.integers(0, 99))
def test_every_row_is_in_one_part(count, valid_pct, seed):
    frame = pd.DataFrame({"x": range(count)})
    train, valid, note = split_frames({"train": frame}, valid_pct, seed)
    assert sorted([*train["x"], *valid["x"]]) == list(range(count))
    assert len(valid) == max(1, round(valid_pct * count))
    assert train.index.tolist() == train["x"].tolist()
    assert f" {len(valid):,} row" in note
    again, _, _ = split_frames({"train": frame}, valid_pct, seed)
    assert again.equals(train)


def test_the_own_validation_part_is_taken():
    frames = {name: pd.DataFrame({"x": [name]}) for name in ("test", "train", "valid")}
    train, valid, note = split_frames(frames, 0.2, 0)
    assert (train["x"].tolist(), valid["x"].tolist()) == (["train"], ["valid"])
    assert note == "validation: the data's part valid, 1 row"


@pytest.mark.parametrize(
    ("frames", "valid_pct", "message"),
    [
        ({"train": pd.DataFrame({"x": [1]})}, 0.2, "single row"),
        ({"train": pd.DataFrame({"x": [1, 2]})}, 1.5, "between 0 and 1, not 1.5"),
        (
            {"train": pd.DataFrame({"x": [1], "y": [2]}), "test": pd.DataFrame({"x": [1]})},
            0.2,
            "the part test lacks columns of the part train: y: add them, or .* --drop y",
        ),
    ],
)
def test_what_cannot_be_split_is_one_sentence(frames, valid_pct, message):
    with pytest.raises(VicinalError, match=message):
        split_frames(frames, valid_pct, 0)


def test_the_same_seed_holds_out_the_same_rows_as_ever():
    _, valid, _ = split_frames({"train": pd.DataFrame({"x": range(12)})}, 0.25, 3)
    assert valid["x"].tolist() == [10, 9, 1]


@pytest.mark.parametrize("seed", [0, 1])  # which hold the last row out, were it not alone
def test_each_class_keeps_a_row_in_training(tmp_path, seed):
    labels = ["a", "b"] * 20 + ["rare"]
    rows = "\n".join(f"{i % 7},{label}" for i, label in enumerate(labels))
    (tmp_path / "t.csv").write_text(f"x,label\n{rows}\n")
    split = load_split(tmp_path / "t.csv", seed=seed)
    assert split.vocab == ["a", "b", "rare"]
    assert (len(split.train), len(split.valid)) == (33, 8)
    assert "untested: no validation row of 1 of 3 classes: rare" in split.notes
