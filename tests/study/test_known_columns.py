"""Smaller training parts whose columns hold a single value are refused before any run."""

import pandas as pd
import pytest
import torch

from vicinal import VicinalError
from vicinal.data.request import DataRequest
from vicinal.data.rows import split_of_rows
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.known_columns import check_columns
from vicinal.tasks import TrainOptions


def table():
    return pd.DataFrame({"x": [1, 1, 1, 2] * 5, "sex": [*"ffff", "m"] * 4, "label": [*"ab"] * 10})


def test_a_part_of_one_value_is_named():
    train = table()[["x", "sex", "label"]]
    frames = {"train": train, "valid": train.head(4)}
    split = split_of_rows(frames, DataRequest("t.csv", label="label"))
    check_columns(split, [(3, 0, torch.tensor([0, 1, 3]))])
    with pytest.raises(VicinalError, match=r"with 3 .* and seed 1, each column .*\(x, sex\) has"):
        check_columns(split, [(3, 0, torch.tensor([2, 3, 4])), (3, 1, torch.tensor([0, 1, 2]))])


def test_a_comparison_asks_before_its_runs(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    options = TrainOptions(str(tmp_path / "t.csv"), label="label", epochs=1, batch_size=2)
    made = Experiment(ExperimentConfig(options, ("none", "mixup"), epochs=(1,), train_sizes=(2.0,)))
    with pytest.raises(VicinalError, match="take more by --train-size"):
        made.check_subsets(range(20))
