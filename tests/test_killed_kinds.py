"""Trainings of each kind of data, killed by the system at random moments and resumed."""

import pandas as pd
import pytest

from killed_runs import kill_and_resume
from mask_folders import many
from series_files import write_parts
from sound_folders import tones
from vicinal.tasks import TrainOptions


def sounds(folder):
    return {"data": str(tones(folder, count=12)), "augment": "light"}


def series(folder):
    return {"data": str(write_parts(folder, counts=(40, 8), channels=2))}


def labels(folder):
    folder.mkdir()
    rows = [{"x": row, "labels": "|".join("ab"[: row % 3])} for row in range(60)]
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return {"data": str(folder / "table.csv")}


def masks(folder):
    values = [[1] * 4 + [2] * 4] * 8
    return {"data": str(many(folder, values, count=12)), "pretrained": False}


KINDS = {
    "sounds, waves": (sounds, "betweenclass"),
    "sounds, spectrograms": (sounds, "mixup+cutmix"),
    "series": (series, "mixup+cutmix"),
    "series, inside": (series, "manifoldmixup"),
    "masks": (masks, "cutmix"),
    "several labels": (labels, "mixup:labels=union"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_run_that_is_killed_at_any_moment_ends_as_if_it_were_not(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    make, mix = KINDS[name]
    options = TrainOptions(**make(tmp_path / "data"), mix=mix, epochs=3, batch_size=4, seed=3)
    kill_and_resume(tmp_path, options, kills=4, seed=0)
