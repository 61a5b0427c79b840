"""Series in tables, wide and long, and in arrays: how they are found, and what is wrong."""

import numpy as np
import pandas as pd
import pytest

from series_files import waves
from vicinal import VicinalError
from vicinal.data.series_long import long_series
from vicinal.data.series_tables import plainly_wide
from vicinal.data.sources import load_split


def wide(count=10, prefix="t", **how):
    series = waves(count, **how)
    columns = {f"{prefix}{step}": [float(v[0, step]) for v, _ in series] for step in range(12)}
    return pd.DataFrame({**columns, "label": [name for _, name in series]})


def long(count=8, channels=2, steps=5):
    rows = []
    for number, (values, name) in enumerate(waves(count, channels=channels, steps=steps)):
        for step in range(steps):
            sensors = {f"s{place}": float(row[step]) for place, row in enumerate(values)}
            rows.append({"id": f"p{number}", "t": step, **sensors, "label": name})
    return pd.DataFrame(rows)


def saved(frame, tmp_path, name="data.csv"):
    frame.to_csv(tmp_path / name, index=False)
    return tmp_path / name


def note_of(split, name):
    return [note for note in split.notes if note.startswith(f"{name}: ")]


# ---- one series a row ---------------------------------------------------------------------------


def test_plain_names_are_steps_and_can_be_columns(tmp_path):
    file = saved(wide(), tmp_path)
    split = load_split(file)
    assert split.kind == "series"
    assert note_of(split, "steps") == [
        "steps: 12 columns, t0 to t11, by their names (--no-series learns them as columns)"
    ]
    assert split.train.series[0].shape == (1, 12)
    assert load_split(file, series=False).kind == "rows"


@pytest.mark.parametrize("prefix", ["pixel", "x"])
def test_other_names_are_columns_unless_asked(tmp_path, prefix):
    file = saved(wide(prefix=prefix), tmp_path)
    assert load_split(file).kind == "rows"
    split = load_split(file, series=True)
    assert split.kind == "series"
    assert note_of(split, "steps") == [f"steps: 12 columns, {prefix}0 to {prefix}11"]


def test_words_in_a_step_are_no_series_unless_asked(tmp_path):
    frame = wide().assign(t3=["red", "blue"] * 5)
    assert load_split(saved(frame, tmp_path)).kind == "rows"
    assert load_split(saved(frame, tmp_path), series=True).kind == "series"


def test_an_index_that_was_saved_is_left_out(tmp_path):
    wide().to_csv(tmp_path / "data.csv")
    assert load_split(tmp_path / "data.csv").channels == ["t"]
    frame = wide().rename(
        columns=lambda name: name.translate(str.maketrans("0123456789", "abcdefghij"))
    )
    frame.to_csv(tmp_path / "data.csv")
    split = load_split(tmp_path / "data.csv", series=True)
    assert split.train.lengths == [12] * 8


def test_a_step_without_values_is_a_gap(tmp_path):
    split = load_split(saved(wide().assign(t5=np.nan), tmp_path))
    assert split.train.lengths == [12] * 8
    first = split.train.series[0][0]
    assert first[5] == pytest.approx((first[4] + first[6]) / 2)
    other = wide(prefix="u").drop(columns="label").assign(u11=np.nan)
    split = load_split(saved(wide().join(other), tmp_path), series=True)
    assert split.channels == ["t", "u"]


def test_series_of_the_test_part_may_be_longer(tmp_path):
    long, short = wide(), wide().drop(columns=["t10", "t11"])
    saved(short, tmp_path, "train.csv")
    saved(long, tmp_path, "test.csv")
    split = load_split(tmp_path)
    assert ({*split.train.lengths}, {*split.valid.lengths}) == ({10}, {12})
    assert split.layout["longer"] is True


def test_a_label_that_goes_on_from_the_steps_is_no_step(tmp_path):
    frame = wide().drop(columns="label")
    saved(frame, tmp_path, "train.csv")
    saved(frame, tmp_path, "test.csv")
    split = load_split(tmp_path, series=True, label="t11")
    assert {*split.train.lengths, *split.valid.lengths} == {11}
    assert split.layout["longer"] is False


def test_numbers_beside_steps_are_no_series_unless_asked(tmp_path):
    frame = wide().assign(age=[float(n % 7) for n in range(10)], name=[*"abcdefghij"])
    file = saved(frame, tmp_path)
    assert load_split(file).kind == "rows"
    split = load_split(file, series=True)
    assert note_of(split, "left out") == ["left out: age, name, which are no steps of the series"]
    assert split.train.series[0].shape == (1, 12)


def test_several_names_are_channels(tmp_path):
    first, second = wide(prefix="x"), wide(prefix="y", seed=3).drop(columns="label")
    split = load_split(saved(pd.concat([second, first], axis=1), tmp_path), series=True)
    assert note_of(split, "steps") == ["steps: 24 columns, y0 to x11, in 2 channels (y, x)"]
    assert split.channels == ["y", "x"]
    every = [*split.train.series, *split.valid.series]
    both = np.vstack([waves(10, seed=3)[4][0], waves(10)[4][0]])
    assert any(np.allclose(each, both) for each in every)


def test_yes_and_no_are_numbers(tmp_path):
    frame = long().assign(open=[step % 2 == 0 for step in range(40)])
    split = load_split(saved(frame, tmp_path), series_id="id")
    assert split.channels == ["s0", "s1", "open"]
    assert {*np.unique(split.train.series[0][2])} == {0, 1}


def test_columns_that_are_dropped_may_differ_from_row_to_row(tmp_path):
    frame = long().assign(note=[f"n{row}" for row in range(40)], s2=range(0, 80, 2))
    split = load_split(saved(frame, tmp_path), series_id="id", drop=["note", "s2"])
    assert split.channels == ["s0", "s1"]
    kept = load_split(saved(frame, tmp_path), series_id="id")
    assert kept.channels == ["s0", "s1", "s2"]
    assert note_of(kept, "left out") == ["left out: note (it holds no numbers)"]


def test_numbers_of_folds_are_no_steps(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(10, 3)), columns=[*"abc"])
    frame = frame.assign(fold=[0, 1] * 5, label=[*"xy"] * 5)
    split = load_split(saved(frame, tmp_path), series=True)
    assert note_of(split, "steps") == ["steps: 3 columns, a to c"]


def test_rows_without_times_come_in_their_order(tmp_path):
    frame = long().drop(columns="t")
    mixed = pd.concat([frame[step::5] for step in range(5)])  # the rows of all series by turns
    split = load_split(saved(mixed, tmp_path), series_id="id", valid_pct=0.2)
    assert note_of(split, "times") == [
        "times: none, so that rows come in the order of the file (--time names a column)"
    ]
    every = [*split.train.series, *split.valid.series]
    assert any(np.allclose(each, waves(8, 2, 5)[0][0]) for each in every)


def test_steps_are_in_the_order_of_their_numbers(tmp_path):
    frame = wide()
    shuffled = frame[[*sorted(frame.columns[:12]), "label"]]  # t0, t1, t10, t11, t2, …
    split = load_split(saved(shuffled, tmp_path), valid_pct=0.1)
    every = [*split.train.series, *split.valid.series]
    assert any(np.allclose(each, waves(10)[0][0]) for each in every)


def test_a_row_ends_where_nothing_follows(tmp_path):
    frame = wide()
    frame.loc[0, [f"t{step}" for step in range(7, 12)]] = np.nan
    frame.loc[1, "t3"] = np.nan
    split = load_split(saved(frame, tmp_path))
    assert sorted([*split.train.lengths, *split.valid.lengths])[:2] == [7, 12]
    assert note_of(split, "gaps")[0].startswith("gaps: 1 of 115 values are missing, in 1 of 10")


def test_text_among_numbers_is_named_and_left_out_where_asked(tmp_path):
    frame = wide(20).astype(object)
    frame.loc[3, "t5"] = "broken"
    file = saved(frame, tmp_path)
    sentence = "1 of 20 series cannot be used, first row 3 of the part .*, which has 'broken' in"
    with pytest.raises(VicinalError, match=sentence):
        load_split(file, series=True)
    split = load_split(file, series=True, skip_bad=True)
    assert len(split.train) + len(split.valid) == 19


def test_parts_and_groups(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    saved(wide(10), folder, "train.csv")
    saved(wide(6, seed=1), folder, "test.csv")
    split = load_split(folder)
    assert (len(split.train), len(split.valid)) == (10, 6)
    frame = wide(12).assign(who=[*"aabbccddeeff"])
    grouped = load_split(saved(frame, tmp_path), group="who", series=True)
    assert note_of(grouped, "validation")[0].startswith("validation: 1 of 6 groups (who) held out")
    by_column = wide(12).assign(split=["train"] * 8 + ["test"] * 4)
    parted = load_split(saved(by_column, tmp_path))
    assert (parted.kind, len(parted.train), len(parted.valid)) == ("series", 8, 4)


def test_several_labels_of_each_series(tmp_path):
    frame = wide(12)
    frame["label"] = ["a|b", "a", "b", "a|b"] * 3
    split = load_split(saved(frame, tmp_path))
    assert (split.targets_are, split.vocab) == ("labels", ["a", "b"])


def test_names_of_rows_stay_as_they_are(tmp_path):
    """Lines say series where those of tables say rows, and names of the user's are left alone."""
    frame = wide().rename(columns={"label": "kind of rows"})
    split = load_split(saved(frame, tmp_path), label="kind of rows")
    assert note_of(split, "labels")[0].startswith("labels: column kind of rows, ")
    assert note_of(split, "validation") == ["validation: 2 series held out at random (20%)"]
    frame["kind of rows"] = frame["kind of rows"].map({"fast": "two rows", "slow": "1 row"})
    frame.loc[0, "kind of rows"] = None
    split = load_split(saved(frame, tmp_path), label="kind of rows", drop_missing=True)
    assert split.vocab == ["1 row", "two rows"]
    assert note_of(split, "left out") == [
        "left out: 1 of 10 series in the part train, which have no label"
    ]
    with pytest.raises(VicinalError, match="the table has a single series: training and"):
        load_split(saved(frame[1:2], tmp_path), label="kind of rows")


def test_copies_on_both_sides_are_said(tmp_path):
    split = load_split(saved(pd.concat([wide(), wide(3).iloc[:0]]), tmp_path), label="label")
    assert note_of(split, "duplicates") == []
    frame = pd.concat([wide().assign(part="train"), wide(3).assign(part="valid")])
    split = load_split(saved(frame, tmp_path), label="label", split_column="part")
    (note,) = note_of(split, "duplicates")
    assert note.startswith("duplicates: 3 series of the validation part with the same values as")


def test_plainly_wide_needs_a_label(tmp_path):
    from vicinal.data.request import DataRequest

    frame = wide().rename(columns={"label": "outcome"})
    assert not plainly_wide(DataRequest("x.csv"), {"train": frame})
    assert plainly_wide(DataRequest("x.csv", label="outcome"), {"train": frame})


# ---- one row a step -----------------------------------------------------------------------------


def test_a_long_table_is_asked_for(tmp_path):
    file = saved(long(), tmp_path)
    assert load_split(file).kind == "rows"
    split = load_split(file, series_id="id")
    assert (split.kind, split.channels, split.vocab) == ("series", ["s0", "s1"], ["fast", "slow"])
    assert note_of(split, "times") == ["times: column t"]
    every = [*split.train.series, *split.valid.series]
    assert any(np.allclose(each, waves(8, channels=2, steps=5)[3][0]) for each in every)
    assert split.layout["id"] == "id"


def test_rows_are_sorted_by_their_times_and_it_is_said(tmp_path):
    frame = long()
    shuffled = frame.sample(frac=1, random_state=0)
    split = load_split(saved(shuffled, tmp_path), series_id="id", time="t", valid_pct=0.2)
    found = {each.tobytes() for each in (*split.train.series, *split.valid.series)}
    plain = load_split(saved(frame, tmp_path), series_id="id", time="t", valid_pct=0.2)
    assert found == {each.tobytes() for each in (*plain.train.series, *plain.valid.series)}
    assert "were not in order, and are sorted" in note_of(split, "times")[0]


def test_dates_are_times(tmp_path):
    frame = long()
    frame["t"] = [f"2024-01-{31 - step:02d}" for step in frame["t"]]
    split = load_split(saved(frame, tmp_path), series_id="id", time="t", valid_pct=0.2)
    every = [*split.train.series, *split.valid.series]
    assert any(np.allclose(each[:, ::-1], waves(8, 2, 5)[0][0]) for each in every)
    frame.loc[7, "t"] = "soon"
    with pytest.raises(VicinalError, match="column t holds 'soon' in row 7, which is no time"):
        load_split(saved(frame, tmp_path), series_id="id", time="t")


def dated(spell, days=28):
    """A table of series whose values are the number of the day, which begin in January."""
    days = pd.date_range("2020-01-05", periods=days)
    rows = [(who, spell(day), place) for who in "ab" for place, day in enumerate(days)]
    return pd.DataFrame(rows, columns=["id", "date", "x"])


@pytest.mark.parametrize(
    "spelling", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%Y-%m-%d", "%d-%m-%Y %H"]
)
def test_dates_begin_with_the_day_or_the_month(spelling):
    found, notes = long_series(dated(lambda day: day.strftime(spelling)), "id", "date", ["x"])
    assert found.series[0].ravel().tolist() == [*range(28)]
    assert notes == []


def test_iso_dates_stay_beside_dates_that_begin_with_the_day():
    spell = lambda day: day.strftime("%d/%m/%Y" if day.day % 2 else "%Y-%m-%d")  # noqa: E731
    found, _ = long_series(dated(spell), "id", "date", ["x"])
    assert found.series[0].ravel().tolist() == [*range(28)]


def test_dates_that_may_begin_with_either_are_said():
    _, notes = long_series(dated(lambda day: day.strftime("%d/%m/%Y"), 6), "id", "date", ["x"])
    assert notes[0] == "times: dates such as 05/01/2020 are taken to begin with the month"
    found, notes = long_series(
        dated(lambda day: day.strftime("%d/%m/%Y"), 6), "id", "date", ["x"], day_first=True
    )
    assert notes == []
    assert found.series[0].ravel().tolist() == [*range(6)]


@pytest.mark.parametrize(
    ("dates", "known", "sentence"),
    [
        (["13/1/2020", "1/13/2020"], None, "13/1/2020 begins with the day, and 1/13/2020 with the"),
        (["1/13/2020", "1/2/2020"], True, "other dates begin with the day, and 1/13/2020 with the"),
        (["13/1/2020", "1/2/2020"], False, "13/1/2020 begins with the day, and other dates with"),
        (["20-01-05", "20-01-13"], None, "20-01-05 may begin with the year or the day"),
    ],
)
def test_dates_that_contradict_each_other(dates, known, sentence):
    frame = pd.DataFrame({"id": "a", "date": dates, "x": [1, 2]})
    with pytest.raises(VicinalError, match=sentence):
        long_series(frame, "id", "date", ["x"], day_first=known)


def test_the_dates_of_all_parts_are_read_alike(tmp_path):
    spell = lambda day: day.strftime("%d/%m/%Y")  # noqa: E731
    for name, count in (("train", 28), ("test", 6)):
        saved(dated(spell, count).assign(label="a"), tmp_path, f"{name}.csv")
    frame = pd.read_csv(tmp_path / "train.csv")
    saved(frame.assign(label=frame["id"]), tmp_path, "train.csv")
    split = load_split(tmp_path, series_id="id")
    assert split.layout["day_first"] is True
    assert split.valid.series[0].ravel().tolist() == [*range(6)]


def test_numbers_of_rows_and_folds_are_no_channels(tmp_path):
    frame = long(count=10)
    frame.insert(0, "number", range(1, 51))
    frame["fold"] = [place % 3 for place in range(10) for _ in range(5)]
    frame.to_csv(tmp_path / "data.csv")
    split = load_split(tmp_path / "data.csv", series_id="id")
    assert split.channels == ["s0", "s1"]
    (left,) = note_of(split, "left out")
    assert left.startswith("left out: Unnamed: 0 (it has no name), number (it numbers the rows")


def test_uneven_steps_are_counted():
    frame = pd.DataFrame({"id": [*"aaabbb"], "t": [0, 1, 5, 0, 1, 2], "x": range(6)})
    _, notes = long_series(frame, "id", "t", ["x"])
    assert notes == ["times: 1 of 2 series have uneven steps, which are taken as even"]


def change(frame, row, **cells):
    frame = frame.astype(object)
    for name, value in cells.items():
        frame.loc[row, name] = value
    return frame


@pytest.mark.parametrize(
    ("row", "cells", "reason"),
    [
        (6, {"t": 0}, "first id p1, which has the t 0 twice (rows 5 and 6)"),
        (6, {"label": "fast"}, "first id p1, which has several values in column label: fast, slow"),
        (6, {"s1": "x"}, "first id p1, which has 'x' in column s1, which is no number (row 6)"),
        (6, {"t": None}, "first id p1, which has no t in row 6"),
    ],
)
def test_what_is_wrong_with_a_series_of_rows(tmp_path, row, cells, reason):
    file = saved(change(long(), row, **cells), tmp_path)
    with pytest.raises(VicinalError) as raised:
        load_split(file, series_id="id", time="t")
    assert f"1 of 8 series cannot be used, {reason}: repair it, or leave such" in str(raised.value)
    split = load_split(file, series_id="id", time="t", skip_bad=True)
    assert len(split.train) + len(split.valid) == 7


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"series_id": "idd"}, "--series-id: there is no column idd among id, t, s0, s1, label"),
        ({"series_id": "id", "time": "when"}, "--time: there is no column when among"),
        ({"time": "t"}, "--time t orders the rows of each series: name the column"),
        ({"series_id": "id", "series": True}, "--series is for one series a row"),
        ({"series_id": "id", "text": "label"}, "holds series, and no texts, so --text label does"),
        ({"series_id": "id", "label": "t", "time": "t"}, "both name the column t"),
    ],
)
def test_options_that_contradict_each_other(tmp_path, how, sentence):
    with pytest.raises(VicinalError, match=sentence):
        load_split(saved(long(), tmp_path), **how)


def test_series_are_looked_for_in_tables(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("a text")
    with pytest.raises(VicinalError, match="--series-id is for series in a table"):
        load_split(tmp_path / "a", series_id="id")


def test_rows_without_a_series(tmp_path):
    frame = change(long(), 3, id=None)
    with pytest.raises(VicinalError, match="1 of 40 rows have no id, first row 3"):
        load_split(saved(frame, tmp_path), series_id="id")


# ---- arrays -------------------------------------------------------------------------------------


def arrays(tmp_path, **named):
    np.savez(tmp_path / "data.npz", **named)
    return tmp_path / "data.npz"


def test_arrays_of_parts(tmp_path):
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(8, 2, 6)), rng.normal(size=(4, 2, 6))
    train[0, :, 4:] = np.nan
    labels = {"y_train": np.array([0, 1] * 4), "y_test": np.array(["0", "1"] * 2).astype(int)}
    file = arrays(tmp_path, X_train=train, X_test=test, **labels)
    split = load_split(file, series=True)
    assert (len(split.train), len(split.valid), split.vocab) == (8, 4, ["0", "1"])
    assert split.train.lengths == [4, *[6] * 7]
    assert np.array_equal(split.valid.series[1], test[1])
    assert not note_of(split, "axes")


def test_arrays_that_are_called_series_need_no_option(tmp_path):
    series = np.random.default_rng(0).normal(size=(10, 6))
    split = load_split(arrays(tmp_path, series=series, labels=[*"ab"] * 5))
    assert (split.kind, split.channels, split.vocab) == ("series", ["1"], ["a", "b"])


def test_images_in_arrays_stay_images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, size=(10, 6, 6), dtype=np.uint8)
    file = arrays(tmp_path, x_train=pixels, y_train=np.arange(10) % 2)
    assert load_split(file).kind == "images"
    assert load_split(file, series=True).kind == "series"
    with pytest.raises(VicinalError, match="so --no-series does not apply: leave it out"):
        load_split(file, series=False)


def test_time_that_comes_second_is_refused_where_it_is_plain(tmp_path):
    with pytest.raises(VicinalError, match="30 channels of one step of time: store"):
        load_split(arrays(tmp_path, series=np.zeros((4, 30, 1)), labels=[0, 1] * 2))


def test_time_that_comes_second_is_said(tmp_path):
    series = np.random.default_rng(0).normal(size=(10, 9, 2))
    split = load_split(arrays(tmp_path, series=series, y=np.arange(10) % 2))
    assert note_of(split, "axes") == [
        "axes: (10, 9, 2) is taken as (series, channels, time); if time comes second, swap the "
        "other two"
    ]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"series": np.zeros((4, 3))}, r"data.npz holds series \(4, 3\): name arrays x_train and"),
        ({"series": np.zeros((4, 3)), "y": [0, 1]}, "4 series in series and 2 labels in y"),
        ({"series": np.zeros(4), "y": [0, 1] * 2}, "which are no series: store numbers"),
        ({"x": np.zeros((4, 3)), "y": [0, 1] * 2}, "which are no images: .* by --series"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, named, sentence):
    with pytest.raises(VicinalError, match=sentence):
        load_split(arrays(tmp_path, **named))
