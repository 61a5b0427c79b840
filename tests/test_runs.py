"""Runs that are killed, resumed, or meet a full disk: nothing is lost, and nothing changes."""

import json
import math
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, replace

import pytest
import torch

from killed_runs import finish, kill_and_resume, start
from run_folders import assert_same, left, silent
from vicinal import VicinalError, runs
from vicinal.cli import run
from vicinal.tasks import TrainOptions
from vicinal.tasks.images import ImageTask

pytestmark = pytest.mark.usefixtures("blank_pictures")

OPTIONS = {
    "bf16": TrainOptions("digits", epochs=2, precision="bf16", mix="mixup", seed=1),
    "fp32": TrainOptions("digits", epochs=2, precision="fp32", mix="mixup+cutmix", seed=2),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_that_is_killed_at_any_moment_ends_as_if_it_were_not(tmp_path, name):
    kill_and_resume(tmp_path, OPTIONS[name], kills=10, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_that_is_killed_often(tmp_path, name):
    kill_and_resume(tmp_path, replace(OPTIONS[name], epochs=4), kills=50, seed=1)


def stopped(monkeypatch, folder, epochs=3, **options):
    """A run that was stopped after its first epoch."""

    def stop(self, learn):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            runs.Run,
            "before_train",
            lambda run, learn: learn.epoch and stop(run, learn),
            raising=False,
        )
        with pytest.raises(KeyboardInterrupt):
            runs.train(TrainOptions("digits", epochs=epochs, **options), folder, log=silent)
    return folder


@pytest.mark.usefixtures("few_digits")
class TestResuming:
    def test_a_stopped_run_resumes_with_its_options(self, tmp_path, monkeypatch, capsys):
        folder = stopped(monkeypatch, tmp_path / "run", seed=4, mix="cutmix")
        assert run(["train", "digits", "--out", "run", "--resume"]) == 0
        said = capsys.readouterr().out
        assert "after epoch 1, from run/checkpoint.safetensors" in said.replace("\n", "")
        runs.train(
            TrainOptions("digits", epochs=3, seed=4, mix="cutmix"), tmp_path / "a", log=silent
        )
        assert_same(left(folder), left(tmp_path / "a"))

    def test_what_was_chosen_is_not_chosen_anew(self, tmp_path, monkeypatch):
        monkeypatch.setattr(ImageTask, "_epochs", lambda task: (3, "the machine of then"))
        folder = stopped(monkeypatch, tmp_path / "run", epochs=None)
        before = json.loads((folder / "config.json").read_text())
        for choice in ("_epochs", "_batch_size", "_learning_rate"):
            monkeypatch.setattr(ImageTask, choice, lambda task, *_: (7, "another machine"))
        monkeypatch.setattr(
            "vicinal.tasks.task.choose_precision",
            lambda requested, device: (
                "fp32" if requested == "auto" else requested,
                "another machine",
            ),
        )
        lines = []
        runs.train(
            TrainOptions("digits"), folder, resume=True, log=lambda *line: lines.append(line)
        )
        after = json.loads((folder / "config.json").read_text())
        for config in (before, after):
            del config["chosen"]["images"]  # what of the memory is free
        for settings in ("options", "resolved", "chosen"):
            assert after[settings] == before[settings]
        assert after["epochs_done"] == 3
        assert set(before["chosen"].items()) <= set(lines)

    @pytest.mark.parametrize("data", ["photos", "photos/", "./photos"])
    def test_a_folder_may_be_spelt_otherwise(self, data):
        assert TrainOptions(data).merged_with(asdict(TrainOptions("photos/"))) == TrainOptions(
            "photos/"
        )
        with pytest.raises(VicinalError, match="begun with photos/, not pictures"):
            TrainOptions("pictures").merged_with(asdict(TrainOptions("photos/")))

    def test_the_last_run_of_the_data_is_found(self, monkeypatch, capsys):
        assert run(["train", "digits", "--epochs", "1"]) == 0
        stopped(monkeypatch, None)
        assert run(["train", "digits", "--resume"]) == 0
        assert "saved to runs/digits-2" in capsys.readouterr().out

    @pytest.mark.slow
    def test_what_is_not_there_is_begun(self, tmp_path):
        runs.train(TrainOptions("digits", epochs=1), tmp_path / "run", resume=True, log=silent)
        assert (tmp_path / "run" / "model.safetensors").exists()

    def test_one_killed_before_its_first_picture_gets_it(self, tmp_path, monkeypatch):
        folder = stopped(monkeypatch, tmp_path / "run")
        for name in ("checkpoint.safetensors", "mixed_batch.png", "metrics.csv"):
            (folder / name).unlink()
        runs.train(TrainOptions("digits"), folder, resume=True, log=silent)
        assert (folder / "mixed_batch.png").exists()

    def test_a_finished_run_stays_as_it_is(self, tmp_path, capsys):
        assert run(["train", "digits", "--epochs", "1", "--out", "run"]) == 0
        before = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
        assert run(["train", "digits", "--out", "run", "--resume"]) == 0
        assert "nothing is left to do" in capsys.readouterr().out
        assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        ("changed", "sentence"),
        [
            ({"epochs": 5}, "the run was begun with --epochs 3, not with --epochs 5"),
            ({"mix": "cutmix"}, "the run was begun with --mix none, not with --mix cutmix"),
            ({"flip": False}, "the run was begun without --flip, not with --no-flip"),
            (
                {"batch_size": 32},
                "the run was begun without --batch-size, not with --batch-size 32",
            ),
        ],
    )
    def test_other_settings_are_refused(self, tmp_path, monkeypatch, changed, sentence):
        folder = stopped(monkeypatch, tmp_path / "run")
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        with pytest.raises(VicinalError, match=sentence):
            runs.train(TrainOptions("digits", **changed), folder, resume=True, log=silent)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    def test_what_is_typed_counts_also_where_it_is_the_default(self, tmp_path, capsys):
        assert run(["train", "digits", "--epochs", "1", "--seed", "5", "--out", "run"]) == 0
        assert run(["train", "digits", "--out", "run", "--resume", "--seed", "0"]) == 2
        assert "the run was begun with --seed 5, not with --seed 0" in capsys.readouterr().err
        assert run(["train", "digits", "--out", "run", "--resume", "--seed", "5"]) == 0

    def test_a_damaged_checkpoint_is_refused(self, tmp_path, monkeypatch):
        folder = stopped(monkeypatch, tmp_path / "run")
        checkpoint = folder / "checkpoint.safetensors"
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
        with pytest.raises(VicinalError, match=r"checkpoint.safetensors cannot be read"):
            runs.train(TrainOptions("digits"), folder, resume=True, log=silent)
        assert (folder / "metrics.csv").exists()

    def test_resuming_and_overwriting_exclude_each_other(self):
        with pytest.raises(VicinalError, match="--overwrite and --resume exclude each other"):
            runs.train(TrainOptions("digits"), None, overwrite=True, resume=True, log=silent)


class TestTwoAtOnce:
    @pytest.mark.usefixtures("few_digits")
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_run_that_ended_while_data_were_read_stays(self, tmp_path, monkeypatch, overwrite):
        folder, prepare = tmp_path / "run", runs._prepare

        def slowly(*arguments):
            monkeypatch.setattr(runs, "_prepare", prepare)
            runs.train(TrainOptions("digits", epochs=2, seed=7), folder, log=silent)
            return prepare(*arguments)

        monkeypatch.setattr(runs, "_prepare", slowly)
        refused = pytest.raises(VicinalError, match="already holds a run")
        with nullcontext() if overwrite else refused:
            runs.train(TrainOptions("digits", epochs=1), folder, overwrite=overwrite, log=silent)
        seed = json.loads((folder / "config.json").read_text())["options"]["seed"]
        assert seed == (0 if overwrite else 7)

    @pytest.mark.slow
    def test_are_refused_and_the_first_goes_on(self, tmp_path):
        folder, options = tmp_path / "run", TrainOptions("digits", epochs=60)
        first = start(folder, options)
        while not (folder / "checkpoint.safetensors").exists():
            assert first.exitcode is None
            time.sleep(0.05)
        for how in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(VicinalError, match="is in use by another training"):
                runs.train(options, folder, **how, log=silent)
        assert first.exitcode is None
        first.kill()
        first.join()
        # The operating system has taken the lock back.
        with pytest.raises(VicinalError, match="begun with --epochs 60, not with --epochs 61"):
            runs.train(TrainOptions("digits", epochs=61), folder, resume=True, log=silent)


@pytest.mark.usefixtures("few_digits")
def test_metrics_are_json_also_where_one_is_no_number(tmp_path, monkeypatch):
    def unknown(pred, target):
        return torch.tensor(math.nan)

    monkeypatch.setattr(ImageTask, "metric", staticmethod(unknown))
    runs.train(TrainOptions("digits", epochs=1), tmp_path / "run", log=silent)
    text = (tmp_path / "run" / "metrics.jsonl").read_text()
    row = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert row["valid_unknown"] is None
    assert "nan" in (tmp_path / "run" / "metrics.csv").read_text()


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from vicinal.learner.events import Callback
from vicinal import cli, runs

class FullDisk(Callback):
    def before_train(self, learn):
        if learn.epoch == 2:  # from now on no file can grow beyond a few bytes
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

begin = runs.Run._begin
def begin_with_disk(self):
    self.learn.add_cbs(FullDisk())
    begin(self)
runs.Run._begin = begin_with_disk
sys.exit(cli.run(["train", "digits", "--epochs", "4", "--out", "run"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit of file sizes here")
def test_a_full_disk_is_one_sentence_and_the_last_good_state_stays(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr
    assert (tmp_path / "run" / "metrics.csv").read_text().count("\n") == 3
    assert not [f for f in (tmp_path / "run").iterdir() if f.name.startswith(".metrics")]
    for folder in ("run", "whole"):
        finish(tmp_path / folder, TrainOptions("digits", epochs=4))
    assert_same(left(tmp_path / "run"), left(tmp_path / "whole"))
