"""Tables by fastai's names: columns, targets, and other rows."""

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal import (
    Categorify,
    CategoryBlock,
    FillMissing,
    MultiCategoryBlock,
    Normalize,
    RandomSplitter,
    TabularDataLoaders,
    TabularPandas,
    VicinalError,
    cont_cat_split,
    range_of,
)
from vicinal.data.procs import Procs
from vicinal.stored import Misfit

ALL = [Categorify, FillMissing, Normalize]


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "age": [20.0, None, 40, 50, 60, 25, 33, 41] * 3,
            "rooms": [1, 2, 3, 4] * 6,
            "work": ["b", "a", None, "b", "c", "a", "a", "b"] * 3,
            "buys": ["no", "yes"] * 12,
            "price": [float(row) for row in range(24)],
        }
    )


def loaders(frame, **options):
    given = {"cat_names": ["work"], "cont_names": ["age", "rooms"], "y_names": "buys", "bs": 4}
    return TabularDataLoaders.from_df(frame, device="cpu", **(given | options))


def test_rows_become_numbers_and_categories(frame):
    dls = loaders(frame, procs=ALL, valid_idx=[22, 23])
    x, y = dls.one_batch()
    assert (x["numbers"].shape, x["categories"].shape) == ((4, 2), (4, 2))
    assert (dls.vocab, dls.c, y.dtype) == (["no", "yes"], 2, torch.int64)
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (22, 2)
    numbers = dls.train.dataset.x["numbers"]
    assert numbers.mean(0).abs().max() < 1e-6
    assert numbers.std(0, correction=0).tolist() == pytest.approx([1, 1])


def test_one_column_needs_no_list(frame):
    assert list(loaders(frame, cat_names="work").procs.table.categories) == ["work", "age_na"]


def test_a_splitter_gives_the_parts_as_the_tutorial_types_it(frame):
    splits = RandomSplitter(valid_pct=0.25)(range_of(frame))
    to = TabularPandas(
        frame, procs=ALL, cat_names=["work"], cont_names=["age"], y_names="buys", splits=splits
    )
    dls = to.dataloaders(bs=6, device="cpu")
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (18, 6)
    assert repr(to) == "TabularPandas(18 training and 6 validation rows of age, work, age_na)"


def test_rows_in_both_parts_are_said(frame):
    with pytest.warns(UserWarning, match="2 rows are in the training and in the validation part"):
        TabularPandas(frame, cont_names="rooms", y_names="buys", splits=([0, 1, 2], [1, 2, 3]))


def test_a_column_with_the_name_of_a_category_of_missing_numbers_is_refused(frame):
    with pytest.raises(VicinalError, match="age_na is what FillMissing calls"):
        loaders(frame.assign(age_na="own"))


def test_a_missing_column_is_named_as_it_was_given(frame):
    dls = loaders(frame)
    with pytest.raises(VicinalError, match="this table lacks age, from which"):
        dls.test_batch([{"work": "a", "rooms": 2}])


def test_the_validation_part_is_the_rows_that_are_named(frame):
    dls = loaders(frame, y_names="price", valid_idx=[3, 0])
    assert dls.valid.dataset.y.flatten().tolist() == [3.0, 0.0]
    assert dls.train.dataset.y.flatten().tolist() == [1.0, 2.0, *range(4, 24)]


def test_a_fifth_is_held_out_where_none_are_named(frame):
    parts = [loaders(frame, y_names="price", seed=seed).valid.dataset.y for seed in (0, 0, 1)]
    assert len(parts[0]) == 5
    assert parts[0].equal(parts[1])
    assert not parts[0].equal(parts[2])


def test_numbers_without_normalize_stay_in_their_units(frame):
    dls = loaders(frame, procs=[Categorify(), FillMissing()], valid_idx=[0])
    assert dls.train.dataset.x["numbers"][:, 1].tolist() == frame["rooms"].tolist()[1:]


def test_where_a_number_was_missing_is_a_category(frame):
    x = loaders(frame, valid_idx=[23]).train.dataset.x
    assert x["categories"][:, 1].tolist() == [2 if row % 8 == 1 else 1 for row in range(23)]
    median = frame["age"][:23].median()
    filled = loaders(frame, procs=[Categorify, FillMissing], valid_idx=[23]).train.dataset.x
    assert filled["numbers"][1, 0] == median


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"procs": [Categorify, Normalize]}, "age lacks numbers: put FillMissing"),
        ({"procs": [FillMissing, Normalize]}, "such as work need Categorify"),
        ({"procs": [Categorify, str]}, "procs are Categorify, FillMissing, Normalize, and not str"),
        ({"cat_names": ["job"]}, "no column 'job'.*it has age, rooms"),
        ({"y_names": "bys"}, "y_names must be a column of age, .*not bys"),
        ({"y_names": None}, "y_names must be a column"),
        ({"y_names": ["buys", "work"]}, "several columns of classes.*name one"),
        ({"y_names": "age"}, "nan for row 1"),
        ({"valid_idx": [24]}, "the validation part holds row 24, and there are 24, from 0"),
        ({"valid_idx": [-1]}, "the validation part holds row -1"),
        ({"valid_idx": []}, "the validation part is empty"),
        ({"valid_idx": [0.5]}, "two lists of row numbers"),
        ({"valid_idx": range(24)}, "the training part is empty"),
        ({"cat_names": [], "cont_names": []}, "no column to learn from"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(frame, options, message):
    with pytest.raises(VicinalError, match=message):
        loaders(frame, **options)


def test_what_is_no_data_frame_is_refused():
    with pytest.raises(VicinalError, match=r"must be a data frame, not 'adult.csv'"):
        TabularPandas("adult.csv", y_names="buys")


def test_numbers_are_values_unless_a_block_says_otherwise(frame):
    values, classes = (
        loaders(frame, y_names="rooms", cont_names=["age"]),
        loaders(frame, y_names="rooms", cont_names=["age"], y_block=CategoryBlock()),
    )
    assert (values.vocab, values.c, values.one_batch()[1].shape) == (None, 1, (4, 1))
    assert (classes.vocab, classes.c) == ([1, 2, 3, 4], 4)
    ((_, y),) = classes.test_dl(frame[:4], with_labels=True)
    assert y.tolist() == [0, 1, 2, 3]


def test_several_values_are_one_target(frame):
    dls = loaders(frame, cont_names=["age"], y_names=["rooms", "price"], valid_idx=[0])
    assert dls.c == 2
    assert dls.train.dataset.y[0].tolist() == [2.0, 1.0]


def test_columns_of_zeros_and_ones_are_several_labels(frame):
    frame["cheap"], frame["large"] = [0, 1] * 12, [1, 1, 0] * 8
    block = MultiCategoryBlock(encoded=True, vocab=["cheap", "large"])
    dls = loaders(frame, y_names=["cheap", "large"], y_block=block, valid_idx=[0])
    assert (dls.vocab, dls.train.dataset.y[0].tolist()) == (["cheap", "large"], [1.0, 1.0])
    assert isinstance(dls.loss_func, torch.nn.BCEWithLogitsLoss)


def test_all_columns_are_taken_where_none_are_named(frame):
    dls = loaders(frame, cat_names=None, cont_names=None)
    assert set(dls.procs.table.mean) == {"age", "rooms", "price"}
    assert set(dls.procs.table.categories) == {"work", "age_na"}


def test_a_csv_file_is_read_with_blanks_after_its_commas(frame, tmp_path):
    text = frame.to_csv(index=False).replace(",", ", ")
    (tmp_path / "rooms.csv").write_text(text)
    dls = TabularDataLoaders.from_csv(
        tmp_path / "rooms.csv",
        path=tmp_path,
        y_names="buys",
        cat_names=["work"],
        cont_names=["age"],
        procs=ALL,
        bs=4,
        device="cpu",
    )
    assert dls.vocab == ["no", "yes"]
    with pytest.raises(VicinalError, match=r"none.csv cannot be read"):
        TabularDataLoaders.from_csv(tmp_path / "none.csv", y_names="buys")


def test_other_rows_are_read_as_validation_was(frame):
    dls = loaders(frame, valid_idx=[16, 17, 18])
    of_training = dls.valid.dataset.x
    for rows in (frame.iloc[16:19], [frame.iloc[row] for row in (16, 17, 18)]):
        ((x, y),) = dls.test_dl(rows)
        assert y is None
        assert all(x[name].equal(of_training[name]) for name in x)
    ((_, y),) = dls.test_dl(frame.iloc[16:19], with_labels=True)
    assert y.equal(dls.valid.dataset.y)
    assert dls.test_batch([frame.iloc[16]])["numbers"].equal(of_training["numbers"][:1])
    with pytest.raises(VicinalError, match="3 is no row"):
        dls.test_batch([3])


def test_rows_are_shown_in_their_units(frame):
    dls = loaders(frame, valid_idx=[1, 2])
    ((x, _),) = dls.valid
    assert dls.described(x) == [
        {"work": "a", "age_na": "True", "age": "40", "rooms": "2"},
        {"work": "#na#", "age_na": "False", "age": "40", "rooms": "3"},
    ]
    shown = dls.show_batch(2)
    assert len(shown.rows) == 2
    assert set(shown.columns) == {"work", "age_na", "age", "rooms", "target"}
    assert {row["target"] for row in shown.rows} <= {"no", "yes"}


def test_what_is_done_to_rows_is_kept_as_json(frame):
    dls = loaders(frame)
    kept = TabularDataLoaders.from_json(dls.to_json(), "cpu")
    one, other = (each.test_batch([frame.iloc[1]]) for each in (dls, kept))
    assert all(one[name].equal(other[name]) for name in one)
    assert (kept.vocab, kept.c) == (dls.vocab, dls.c)


@pytest.mark.parametrize(
    "damage",
    [
        {"missing": ["rooms", "job"]},
        {"table": {}},
        {"table": {"mean": {"age": 1.0}, "median": {}, "std": {"age": 1.0}, "categories": {}}},
        {"table": {"mean": {"a": 1.0}, "median": {"a": 0.0}, "std": {"a": 0.0}, "categories": {}}},
    ],
)
def test_damaged_json_is_refused(frame, damage):
    with pytest.raises(Misfit):
        Procs.from_json({**loaders(frame).procs.to_json(), **damage})


def test_columns_of_numbers_and_of_categories():
    table = pd.DataFrame(
        {
            "many": np.arange(30),
            "few": np.arange(30) % 3,
            "share": np.arange(30) / 7,
            "city": ["a", "b"] * 15,
            "flag": [True, False] * 15,
            "y": np.arange(30),
        }
    )
    assert cont_cat_split(table, dep_var="y") == (["many", "share"], ["few", "city", "flag"])
    assert cont_cat_split(table, 1, dep_var=["y", "city"])[0] == ["many", "few", "share"]
