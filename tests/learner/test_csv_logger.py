"""The history in a file."""

import pandas as pd
import pytest
from small_trainings import network

from vicinal import CSVLogger, Learner, VicinalError, accuracy


def test_the_file_is_the_history(dls, tmp_path):
    learn = Learner(dls, network(), metrics=accuracy, cbs=CSVLogger, path=tmp_path)
    learn.fit(2)
    learn.fit(1)
    found = pd.read_csv(tmp_path / "history.csv")
    pd.testing.assert_frame_equal(found, pd.DataFrame(learn.history))
    pd.testing.assert_frame_equal(found, learn.csv_logger.read_log())


def test_another_folder_is_made(dls, tmp_path):
    Learner(dls, network(), cbs=CSVLogger("logs/a.csv"), path=tmp_path).fit(1)
    assert (tmp_path / "logs" / "a.csv").read_text().startswith("epoch,train_loss,valid_loss,secon")


def test_it_replaces_or_appends(dls, tmp_path):
    for append, rows in ((False, 1), (True, 2), (True, 3), (False, 1)):
        logger = CSVLogger(append=append)
        Learner(dls, network(), cbs=logger, path=tmp_path).fit(1)
        assert logger.read_log()["epoch"].tolist() == [1] * rows


def test_other_columns_are_not_appended(dls, tmp_path):
    Learner(dls, network(), cbs=CSVLogger, path=tmp_path).fit(1)
    learn = Learner(dls, network(), metrics=accuracy, cbs=CSVLogger(append=True), path=tmp_path)
    before = (tmp_path / "history.csv").read_text()
    with pytest.raises(
        VicinalError, match=r"has the columns epoch, .* and this training .*: give an"
    ):
        learn.fit(1)
    assert (tmp_path / "history.csv").read_text() == before


def test_columns_that_come_later(dls, tmp_path):
    learn = Learner(dls, network(), cbs=CSVLogger, path=tmp_path)
    learn.fit(1)
    learn.metrics = accuracy
    learn.fit(1)
    found = learn.csv_logger.read_log()
    assert found["valid_accuracy"].isna().tolist() == [True, False]


def test_a_file_that_cannot_be_written(dls, tmp_path):
    (tmp_path / "a").write_text("")
    learn = Learner(dls, network(), cbs=CSVLogger("a/history.csv"), path=tmp_path)
    with pytest.raises(VicinalError, match="cannot be written"):
        learn.fit(1)
