"""A run as a node does it: the same result, from the same data, or one sentence."""

import os
import pickle

import pandas as pd
import pytest
import torch

from vicinal import VicinalError
from vicinal.progress import progress_bar
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.ray_worker import Job, Reporter, do_run, try_run
from vicinal.study.runner import Runner
from vicinal.study.store import ResultStore
from vicinal.tasks import TrainOptions


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"a": range(200), "b": [i % 7 for i in range(200)]})
    frame["label"] = ["yes" if i % 7 > 3 else "no" for i in range(200)]
    frame.to_csv("rows.csv", index=False)
    options = TrainOptions("rows.csv", batch_size=32)
    return Experiment(ExperimentConfig(options, ("none", "mixup"), (), (2,)))


@pytest.fixture
def job(experiment, tmp_path):
    (tmp_path / "results").mkdir()
    return Job.of(experiment, tmp_path / "results", threads=1, gpu=False)


def run(job, begin=lambda shared: True, report=lambda text, epochs: None):
    return do_run(pickle.dumps(job), "a (10.0.0.1)", "mixup-0.4-2", 1, begin, report)


@pytest.mark.parametrize("shared", [True, False])
def test_the_result_is_that_of_the_local_way(experiment, job, shared, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    arm = experiment.arms[1]
    (tmp_path / "local").mkdir()
    store = experiment.store(tmp_path / "local")
    (local,) = Runner([(arm, 1)], experiment.prepare, store, bar=progress_bar()).run()
    if shared:
        (job.results / job.token).touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")  # a node's processes are in some folder of its own
    begun, told = [], []
    monkeypatch.setattr("vicinal.study.ray_worker.REPORTED", 0.0)
    content = run(job, lambda shared: begun.append(shared) or True, lambda *each: told.append(each))
    assert begun == [shared]
    assert told[-1] == ("mixup α = 0.4, seed 1, measuring", pytest.approx(2.0))
    here = {file.name for file in job.results.glob("*.result")}
    assert here == ({"mixup-0.4-2-seed1.result"} if shared else set())
    store = ResultStore(tmp_path, experiment.store(tmp_path).settings)
    store.file(arm, 1, ".result").write_bytes(content)
    found = store.load(arm, 1)
    assert found.values.keys() == local.values.keys()
    assert all(found.values[name].equal(value) for name, value in local.values.items())
    rows = zip(found.history, local.history, strict=True)
    assert all(a | {"seconds": 0} == b | {"seconds": 0} for a, b in rows)


def test_without_time_nothing_is_trained(job):
    assert run(job, lambda shared: False) is None
    assert not list(job.results.iterdir())


def test_a_trial(job):
    cost = try_run(pickle.dumps(job), "a", "mixup-0.4-2")
    assert cost.once > 0
    assert cost.training > 0


def test_other_data(job, tmp_path):
    text = (tmp_path / "rows.csv").read_text()
    (tmp_path / "rows.csv").write_text(text.replace("yes", "yea"))
    sentence = r"^node a \(10\.0\.0\.1\) has other data in /.*rows\.csv: make them the same on all"
    with pytest.raises(VicinalError, match=sentence):
        run(job)


def test_no_data(job, tmp_path):
    os.remove("rows.csv")
    with pytest.raises(VicinalError, match=r"^on node a \(10\.0\.0\.1\): .*/rows\.csv"):
        run(job)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="this machine has one")
def test_no_gpu(experiment, tmp_path):
    job = Job.of(experiment, tmp_path, threads=1, gpu=True)
    with pytest.raises(VicinalError, match=r"torch sees no GPU on node a \(10\.0\.0\.1\)"):
        run(job)


def test_names_that_are_no_paths_stay(experiment, tmp_path):
    (tmp_path / "digits").mkdir()
    (tmp_path / "resnet9").mkdir()
    experiment.config = ExperimentConfig(TrainOptions("digits", model="resnet9"))
    options = Job.of(experiment, tmp_path, threads=1, gpu=False).config.options
    assert (options.data, options.model) == ("digits", "resnet9")


def test_reports_are_not_sent_for_every_batch():
    told = []
    reporter = Reporter(lambda *each: told.append(each))
    for _ in range(1000):
        reporter.advance(0, 0.001)
    assert len(told) == 1
