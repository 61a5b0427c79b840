"""fastai's names for recommendations say what to give instead, and that runs."""

import pandas as pd
import pytest

from vicinal import (
    Categorify,
    CollabDataLoaders,
    RegressionBlock,
    TabularDataLoaders,
    VicinalError,
    collab_learner,
    tabular_learner,
)
from vicinal.absent import RECOMMEND as INSTEAD

RATINGS = pd.DataFrame(
    {"user": [1, 2, 3, 4] * 5, "title": ["a", "b", "c", "d", "e"] * 4, "rating": [1.0, 5.0] * 10}
)


@pytest.mark.parametrize(
    "call", [CollabDataLoaders.from_df, CollabDataLoaders.from_csv, collab_learner]
)
def test_they_say_so(call):
    with pytest.raises(VicinalError) as error:
        call(RATINGS, item_name="title", bs=4)
    assert str(error.value) == INSTEAD


def test_what_they_say_runs():
    for part in ("procs=[Categorify]", "y_block=RegressionBlock()", "y_range=(0, 5.5)"):
        assert part in INSTEAD
    dls = TabularDataLoaders.from_df(
        RATINGS, cat_names=["user", "title"], cont_names=[], procs=[Categorify],
        y_names="rating", y_block=RegressionBlock(), bs=4, device="cpu",
    )  # fmt: skip
    learn = tabular_learner(dls, layers=[4], y_range=(0, 5.5))
    with learn.no_logging():
        learn.fit(1)
    (rating,) = learn.predict(RATINGS.iloc[0])[0]
    assert 0 < rating < 5.5
