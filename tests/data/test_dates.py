"""add_datepart, beside what is compared with fastai's."""

import pandas as pd
import pytest

from vicinal import VicinalError, add_datepart


def test_texts_are_read_and_the_table_itself_changes():
    frame = pd.DataFrame({"date": ["2004-03-26", None], "value": [1, 2]})
    assert add_datepart(frame, "date") is frame
    assert [*frame.columns[:3]] == ["value", "Year", "Month"]
    assert frame["Dayofweek"][0] == 4
    assert frame["Elapsed"].tolist()[0] == pd.Timestamp("2004-03-26").timestamp()
    assert frame["Elapsed"].isna().tolist() == [False, True]


def test_zones_count_from_the_same_moment():
    date = pd.Timestamp("2004-03-26", tz="Asia/Tokyo")
    frame = add_datepart(pd.DataFrame({"date": [date]}), "date")
    assert frame["Elapsed"][0] == date.timestamp()


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        (["2004-03-26"], "day", "no column 'day': it has date"),
        (["a day"], "date", "column date holds what is no date"),
    ],
)
def test_what_is_no_date(values, name, message):
    with pytest.raises(VicinalError, match=message):
        add_datepart(pd.DataFrame({"date": values}), name)
