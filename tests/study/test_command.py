"""``vicinal compare``, ``advise`` and the board of ``show``, from the command line."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields

import pandas as pd
import pytest
import torch
from filelock import FileLock
from PIL import Image

from vicinal import Learner
from vicinal.cli import run
from vicinal.errors import VicinalError
from vicinal.study.board import board_images
from vicinal.study.budget import Cost
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.folder import ComparisonFolder
from vicinal.tasks import TrainOptions
from vicinal.tasks.images import ImageTask
from vicinal_cli import fails

TIMES = ["seconds", "samples_per_second"]
FAST = ["--recipe", "cifar10-fast", "--size", "32"]
blank = pytest.mark.usefixtures("blank_figures")
QUICK = ["--epochs", "1", "--seeds", "2", "--train-size", "128"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def compared(capsys, *arguments):
    """What the command prints."""
    capsys.readouterr()
    assert run(["compare", *map(str, arguments)]) == 0
    return capsys.readouterr().out


@pytest.fixture
def rows(tmp_path):
    """200 rows, which train in less time than images."""
    frame = pd.DataFrame({"a": range(200), "b": [i % 7 for i in range(200)]})
    frame["label"] = ["yes" if i % 7 > 3 else "no" for i in range(200)]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return "rows.csv"


def test_from_the_command_to_a_report(capsys, tmp_path):
    printed = compared(capsys, "digits", *QUICK, "--out", "out")
    folder = tmp_path / "out"
    assert "compared:       cutmix α = 1 with none, 1 epoch" in printed
    assert "run 6 of 6:" in printed
    assert printed.strip().endswith("the report: out/report.html")
    assert "done before" not in printed
    assert printed.count((folder / "answer.txt").read_text()) == 1
    runs = pd.read_csv(folder / "runs.csv")
    assert runs["mix"].tolist() == ["none"] * 2 + ["mixup"] * 2 + ["cutmix"] * 2
    measures = {"accuracy", "nll", "brier", "ece", "ece_scaled", "nll_scaled", "noise", "blur"}
    assert measures | {"contrast", "fgsm", "seconds"} <= {*runs}
    differences = pd.read_csv(folder / "differences.csv")
    assert ((differences["low"] <= differences["difference"]) | differences["low"].isna()).all()
    assert "Does mixing help on digits?" in (folder / "report.html").read_text()


@blank
def test_methods_of_the_input_take_turns_with_those_inside(rows, capsys, tmp_path):
    mixes = "none,columnmix+manifoldmixup,multimix:n=30"
    printed = compared(capsys, rows, *QUICK, "--mix", mixes, "--jobs", "1", "--out", "out")
    assert "run 6 of 6:" in printed
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert {*runs["mix"]} == {*mixes.split(",")}
    sentence = fails(capsys, "compare", rows, "--mix", "none,mixup+manifoldmixup", "--out", "other")
    assert "mixup and manifoldmixup are applied to different layers of the network" in sentence


@blank
class TestCompare:
    @pytest.mark.slow
    def test_the_command_in_the_report_reproduces_it(self, rows, capsys, tmp_path):
        arguments = ["--mix", "none,mixup", "--alpha", "0.1,1", "--label-noise", "0.25"]
        compared(capsys, rows, *QUICK, *arguments, "--lr", "0.01", "--out", "first")
        page = (tmp_path / "first" / "report.html").read_text()
        command = re.search(r"<code>(.*)</code>", page).group(1).split()
        assert command[:3] == ["vicinal", "compare", rows]
        compared(capsys, *command[2:], "--out", "second")
        first, second = (
            pd.read_csv(tmp_path / name / "runs.csv").drop(
                columns=["seconds", "samples_per_second"]
            )
            for name in ("first", "second")
        )
        pd.testing.assert_frame_equal(first, second)
        assert first["memorised"].between(0, 1).all()
        assert first["alpha"].dropna().unique().tolist() == [0.1, 1.0]

    @pytest.mark.slow
    def test_mixes_with_settings_are_arms(self, rows, capsys, tmp_path):
        quick = [rows, "--epochs", "2", "--train-size", "64", "--out", "out"]
        mixes = ["none", "mixup:0.8:prob=0.5", "mixup:0.2+remix:1:mode=batch:off_epoch=1"]
        printed = compared(capsys, *quick, "--seeds", "1", "--mix", ",".join(mixes))
        for mix in mixes[1:]:
            assert f"compared:       {mix} with none, 2 epochs" in printed
        runs = pd.read_csv(tmp_path / "out" / "runs.csv")
        assert runs["mix"].unique().tolist() == mixes
        assert runs["alpha"].isna().all()
        page = (tmp_path / "out" / "report.html").read_text()
        assert f"--mix {','.join(mixes)}" in page
        files = [file.name for file in (tmp_path / "out" / "results").glob("*seed0*")]
        assert "mixup-0.2+remix-1-mode=batch-off_epoch=1-2-seed0.result" in files
        # In other words, and with an arm more: what is done is found again.
        again = ["none", "MixUp:mixup_prob=0.5:0.8", "mixup:0.2:per=batch+remix:1.0:off-epoch=1"]
        arguments = [rows, "--resume", "--out", "out", "--mix", ",".join([*again, "mixup"])]
        assert "done before:    3 of 4 runs in out" in compared(capsys, *arguments)

    def test_seeds_are_added_later(self, capsys, tmp_path):
        compared(capsys, "digits", *QUICK, "--mix", "none,mixup", "--out", "out")
        before = pd.read_csv(tmp_path / "out" / "runs.csv")
        printed = compared(capsys, "digits", "--resume", "--seeds", "3", "--out", "out")
        assert "done before:    4 of 6 runs in out" in printed
        assert "run 4 of 6" not in printed
        assert "learning rate:  0.003 (small images)" in printed
        for text in (printed, (tmp_path / "out" / "report.html").read_text()):
            assert "(as requested)" not in text  # but chosen by the first call
        assert "run 6 of 6" in printed
        after = pd.read_csv(tmp_path / "out" / "runs.csv")
        assert len(after) == 6
        same = after[after["seed"] < 2].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, before)
        # A third call finds all runs done.
        compared(capsys, "digits", "--resume", "--out", "out")
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "runs.csv"), after)

    @pytest.mark.slow
    def test_arms_are_added_later(self, rows, capsys, tmp_path):
        quick = [rows, "--seeds", "1", "--train-size", "64"]
        compared(capsys, *quick, "--epochs", "1", "--mix", "none,mixup", "--out", "out")
        before = pd.read_csv(tmp_path / "out" / "runs.csv")
        resume = [rows, "--resume", "--out", "out"]
        printed = compared(capsys, *resume, "--mix", "none,mixup,columnmix", "--epochs", "1,2")
        assert "done before:    2 of 6 runs in out" in printed
        after = pd.read_csv(tmp_path / "out" / "runs.csv")
        assert len(after) == 6
        columns = ["mix", "epochs", "seed"]
        same = before[columns].merge(after, on=columns)[before.columns]
        pd.testing.assert_frame_equal(same, before)
        sentence = fails(capsys, "compare", *resume, "--mix", "none,columnmix")
        assert "has mixup-0.4-1, mixup-0.4-2, too: arms may be added" in sentence
        # What is left open is taken from the last call; the results are those of one comparison.
        assert "6 of 6 runs" in compared(capsys, *resume)
        arms = ["--epochs", "1,2", "--mix", "none,mixup,columnmix"]
        compared(capsys, *quick, *arms, "--out", "whole")
        columns = list(after.columns.drop(["seconds", "samples_per_second"]))
        at_once = pd.read_csv(tmp_path / "whole" / "runs.csv")
        pd.testing.assert_frame_equal(at_once[columns], after[columns])

    @pytest.mark.slow
    def test_resume_finds_the_last_one_of_the_data(self, capsys, tmp_path):
        compared(capsys, "digits", *QUICK, "--mix", "none,mixup")
        assert (tmp_path / "runs" / "digits-compare" / "report.html").exists()
        printed = compared(capsys, "digits", "--resume")
        assert "the report: runs/digits-compare/report.html" in printed

    def test_other_data_have_their_own_arms(self, rows, capsys, tmp_path):
        printed = compared(capsys, rows, "--epochs", "2", "--seeds", "2", "--out", "out")
        assert "compared:       mixup α = 0.4 with none, 2 epochs" in printed
        assert "fgsm" not in pd.read_csv(tmp_path / "out" / "runs.csv")
        assert 'id="board"' not in (tmp_path / "out" / "report.html").read_text()

    def test_values_are_compared_by_their_error(self, capsys, tmp_path):
        frame = pd.DataFrame({"a": [i / 7 for i in range(200)], "b": [i % 7 for i in range(200)]})
        frame["label"] = frame["a"] + frame["b"] / 3
        frame.to_csv("table.csv", index=False)
        arguments = ["--mix", "none,mixup,cmixup", "--epochs", "2", "--seeds", "2", "--out", "out"]
        compared(capsys, "table.csv", *arguments)
        assert pd.read_csv(tmp_path / "out" / "differences.csv")["measure"].unique() == ["rmse"]

    def test_jobs_share_the_work(self, rows, capsys, tmp_path):
        compared(capsys, rows, *QUICK, "--mix", "none,mixup", "--jobs", "2", "--out", "out")
        compared(capsys, rows, *QUICK, "--mix", "none,mixup", "--out", "alone")
        together, alone = (
            pd.read_csv(tmp_path / name / "runs.csv").drop(
                columns=["seconds", "samples_per_second"]
            )
            for name in ("out", "alone")
        )
        pd.testing.assert_frame_equal(together, alone, rtol=0.2)

    def test_an_arm_that_diverges_is_reported(self, capsys, tmp_path):
        arguments = ["--mix", "none,mixup", "--lr", "1e30", "--seeds", "1", "--epochs", "1"]
        printed = compared(capsys, "digits", *arguments, "--out", "out")
        assert "mixup α = 0.4: its run diverged (the training loss became" in printed
        assert pd.read_csv(tmp_path / "out" / "runs.csv")["failed"].str.contains("loss").all()
        assert "diverged" in (tmp_path / "out" / "report.html").read_text()
        differences = pd.read_csv(tmp_path / "out" / "differences.csv")  # none, but their names
        assert not len(differences)
        assert {"mix", "against", "difference", "significant", "learnt"} <= {*differences}


class TestThreads:
    """The last bits of results depend on them."""

    @pytest.fixture
    def begun(self, rows, capsys, monkeypatch, tmp_path):
        """Begin or resume a comparison, without its runs; the threads of each, and those kept."""
        found = [8]
        monkeypatch.setattr("vicinal.study.command._run", lambda *_: None)
        monkeypatch.setattr(torch, "get_num_threads", lambda: found[-1])
        monkeypatch.setattr(torch, "set_num_threads", found.append)

        def call(*arguments, processors=4, kept=None):
            for module in ("command", "planning"):
                monkeypatch.setattr(f"vicinal.study.{module}.processors", lambda: processors)
            file = tmp_path / "out" / "comparison.json"
            if kept is not None:
                settings = json.loads(file.read_text()) | {"threads": kept}
                file.write_text(json.dumps({n: v for n, v in settings.items() if v}))
            found[:] = [8]
            compared(capsys, rows, "--out", "out", *arguments)
            return found[1:], json.loads(file.read_text())["threads"]

        return call

    def test_they_are_as_before_afterwards(self, begun):
        assert begun() == ([1, 8], 1)

    def test_a_comparison_goes_on_with_those_it_had(self, begun):
        begun()
        assert begun("--resume", kept=3) == ([3, 8], 3)

    def test_but_with_no_more_than_there_are_processors(self, begun):
        begun()
        assert begun("--resume", kept=3, processors=2) == ([2, 8], 3)

    def test_one_of_an_earlier_version_has_none(self, begun):
        begun()
        assert begun("--resume", kept=0) == ([1, 8], 1)


@blank
class TestBudget:
    def test_it_plans_what_fits_and_logs_it(self, capsys, tmp_path):
        arguments = ["--mix", "none,mixup", "--epochs", "1", "--train-size", "128"]
        printed = compared(
            capsys, "digits", *arguments, "--budget", "10m", "--seeds", "2", "--out", "out"
        )
        assert re.search(r"budget: +2 seeds of each arm, about ", printed)
        assert "of the" not in printed.partition("budget:")[2].splitlines()[0]

    def test_too_little_time_says_how_much_is_needed(self, capsys, tmp_path):
        sentence = fails(capsys, "compare", "digits", "--budget", "1s", "--out", "out")
        assert "--budget is too small: for one run of each of the 3 arms give about" in sentence
        assert not (tmp_path / "out").exists()

    def test_a_trial_has_as_many_threads_as_each_of_the_runs(self, capsys, monkeypatch):
        threads = []

        def trial(make, more, looks):
            threads.append(torch.get_num_threads())
            assert looks == 2
            raise VicinalError("enough")

        monkeypatch.setattr("vicinal.study.planning.measure_cost", trial)
        for module in ("command", "planning"):
            monkeypatch.setattr(f"vicinal.study.{module}.processors", lambda: 6)
        noisy = "--label-noise", "0.2"  # of which each point of a learning curve looks at some, too
        fails(capsys, "compare", "digits", "--budget", "1m", "--jobs", "2", "--out", "out", *noisy)
        assert threads == [3]

    def test_an_epoch_of_the_head_alone_counts(self, capsys, monkeypatch):
        cost = Cost(0.0, 6.0, 2.0)
        monkeypatch.setattr("vicinal.study.planning.measure_cost", lambda *_: cost)
        arguments = ["--epochs", "2", "--mix", "none,mixup", "--budget", "1s", "--out", "out"]
        for fit, seconds in ((Learner.fit_one_cycle, r"[45]\d s"), (Learner.fine_tune, "1 min")):
            monkeypatch.setattr(ImageTask, "fit", property(lambda task, fit=fit: fit))
            printed = fails(capsys, "compare", "digits", *arguments)
            assert re.search(f"one run of each of the 2 arms give about {seconds}", printed)

    def test_earlier_results_are_not_lost(self, rows, capsys, tmp_path):
        arguments = [rows, "--out", "out", "--resume"]
        compared(capsys, *arguments, *QUICK, "--mix", "none,mixup")
        before = pd.read_csv(tmp_path / "out" / "runs.csv")
        printed = compared(capsys, *arguments, "--seeds", "9", "--budget", "0.01s")
        assert "2 seeds of each arm" in printed
        assert "of the 9 that were asked for" in printed
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "runs.csv"), before)
        sentence = fails(capsys, "compare", *arguments, "--seeds", "1")
        assert "--seeds 1 is fewer than the 2 of the comparison in out" in sentence
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "runs.csv"), before)


@blank
class TestMap:
    MIX = "--mix", "none,mixup", "--seeds", "2", "--out", "out"

    @pytest.mark.slow
    def test_it_grows_from_a_comparison_of_one_size(self, rows, capsys, tmp_path):
        arguments = [rows, *self.MIX, "--epochs", "1"]
        compared(capsys, *arguments, "--train-size", "40")
        before = pd.read_csv(tmp_path / "out" / "runs.csv")
        file = tmp_path / "out" / "comparison.json"
        settings = json.loads(file.read_text())
        del settings["config"]["train_sizes"]
        settings["config"]["train_size"] = 40.0  # as earlier versions wrote it
        file.write_text(json.dumps(settings))
        printed = compared(capsys, *arguments, "--resume", "--train-size", "20,40,80")
        assert "done before:    4 of 12 runs" in printed
        assert "cells:          3: 20, 40 and 80 training samples; 1 epoch" in printed
        assert len(re.findall(r"cost: +\d+ training samples: .* for 1 epoch", printed)) == 3
        assert "the cheapest cells are done first" in printed
        assert len(re.findall("none, 20 training samples, 1 epoch, seed 0", printed)) == 1
        table = printed.partition("accuracy, points:\n")[2].splitlines()[:4]
        assert [line[:2] for line in table] == ["  ", "20", "40", "80"]
        after = pd.read_csv(tmp_path / "out" / "runs.csv")
        same = after[after["train_size"] == 40].drop(columns="train_size")
        pd.testing.assert_frame_equal(same.reset_index(drop=True), before)
        again = compared(capsys, rows, "--out", "out", "--resume")
        assert "cost:" not in again  # nothing is left to do
        assert "--train-size 40,20,80" in (tmp_path / "out" / "report.html").read_text()
        for sizes in ("20,80", "80"):
            sentence = fails(
                capsys, "compare", rows, "--out", "out", "--resume", "--train-size", sizes
            )
            assert (
                f"was begun with --train-size 40,20,80, not with --train-size {sizes}" in sentence
            )
        sentence = fails(
            capsys, "compare", rows, "--out", "out", "--resume", "--train-size", "40,80"
        )
        assert "has mixup-0.4-1-of-20, none-1-of-20, too" in sentence

    def test_all_samples_are_no_first_size(self, rows, capsys):
        compared(capsys, rows, *self.MIX, "--epochs", "1")
        sentence = fails(
            capsys, "compare", rows, "--out", "out", "--resume", "--train-size", "20,40"
        )
        assert "the comparison was begun without --train-size" in sentence

    @pytest.mark.slow
    def test_a_budget_plans_it_too(self, rows, capsys):
        printed = compared(
            capsys, rows, *self.MIX, "--epochs", "1,2", "--train-size", "20,40", "--budget", "5m"
        )
        assert re.search(r"budget: +2 seeds of each arm, about ", printed)


@pytest.mark.slow
@blank
def test_other_seeds_are_other_runs(rows, capsys, tmp_path):
    arguments = [rows, "--mix", "none,mixup", "--epochs", "1", "--train-size", "40"]
    compared(capsys, *arguments, "--seeds", "3", "--out", "all")
    compared(capsys, *arguments, "--seeds", "1", "--first-seed", "2", "--out", "last")
    every, last = (pd.read_csv(tmp_path / name / "runs.csv") for name in ("all", "last"))
    drop = [*TIMES, "failed"]
    chosen = every[every["seed"] == 2].reset_index(drop=True).drop(columns=drop)
    pd.testing.assert_frame_equal(last.drop(columns=drop), chosen)
    page = (tmp_path / "last" / "report.html").read_text()
    assert "--first-seed 2 --seeds 1" in page
    sentence = fails(
        capsys, "compare", *arguments, "--resume", "--first-seed", "1", "--out", "last"
    )
    assert "was begun with --first-seed 2, not with --first-seed 1" in sentence


@blank
class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["nowhere"], "nowhere"),
            (["digits", "--mix", "none"], "is one arm"),
            (["digits", "--mix", "none,mixpu"], "did you mean mixup?"),
            (["digits", "--mix", "none,cmixup"], "--mix cmixup does not go with images"),
            (["digits", "--mix", "none,columnmix"], "--mix columnmix does not go with images"),
            (
                ["digits", *FAST, "--mix", "none,manifoldmixup"],
                "--mix manifoldmixup does not know the layers of whitennet",
            ),
            (["digits", "--alpha", "strong"], "--alpha takes numbers, separated by commas"),
            (["digits", "--alpha", "-1"], "--alpha must be 0 or more, not -1"),
            (["digits", "--mix", "none,mixup:prob=2"], "--mix mixup:prob=2: prob must be a number"),
            (["digits", "--epochs", "2", "--mix", "none,mixup:off_epoch=2"], "the end of 2 epochs"),
            (["digits", "--epochs", "five"], "--epochs takes whole numbers, separated by commas"),
            (["digits", "--seeds", "0"], "--seeds must be 1 or more, not 0"),
            (["digits", "--jobs", "99999"], "is more than the"),
            (["digits", "--jobs", "0"], "--jobs must be 1 or more, not 0"),
            (["digits", "--ray", "auto", "--jobs", "2"], "--ray and --jobs exclude each other"),
            (["digits", "--budget", "soon"], "--budget takes a duration such as 20m"),
            (["digits", "--train-size", "5000"], "--train-size must be a share below 1"),
            (["digits", "--label-noise", "1"], "--label-noise must be 0 or more and below 1"),
            (["digits", "--resume", "--overwrite"], "exclude each other"),
        ],
    )
    def test_each_is_one_sentence_and_leaves_nothing(self, capsys, tmp_path, arguments, sentence):
        assert sentence in fails(capsys, "compare", *arguments, "--out", "out")
        assert not (tmp_path / "out").exists()

    def test_an_existing_comparison_is_not_overwritten(self, rows, capsys, tmp_path):
        arguments = [rows, *QUICK, "--mix", "none,mixup", "--out", "out"]
        compared(capsys, *arguments)
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        assert "already holds a comparison" in fails(capsys, "compare", *arguments)
        resume = ["compare", rows, "--resume", "--out", "out"]
        assert "has mixup-0.4-1, none-1, too" in fails(capsys, *resume, "--epochs", "2")
        other = fails(capsys, *resume, "--train-size", "64")
        assert "was begun with --train-size 128, not with --train-size 64" in other
        other = fails(capsys, *resume, "--lr", "0.5")
        assert "the run was begun without --lr, not with --lr 0.5" in other
        assert before == {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
        compared(capsys, *arguments, "--overwrite")

    def test_other_data_are_refused(self, capsys, tmp_path):
        frame = pd.DataFrame({"a": range(100), "label": [i % 2 for i in range(100)]})
        frame.to_csv("table.csv", index=False)
        arguments = ["table.csv", "--label", "label", "--epochs", "1", "--seeds", "2"]
        compared(capsys, *arguments, "--out", "out")
        frame["label"] = 1 - frame["label"]
        frame.to_csv("table.csv", index=False)
        sentence = fails(capsys, "compare", "table.csv", "--resume", "--seeds", "3", "--out", "out")
        assert "the data have changed since the comparison in out was begun" in sentence

    def test_a_comparison_in_use_is_not_replaced(self, rows, capsys, tmp_path):
        arguments = [rows, *QUICK, "--mix", "none,mixup", "--out", "out"]
        compared(capsys, *arguments)
        lock = next((tmp_path / "out" / "results").glob(".*.lock"))
        with FileLock(lock):
            sentence = fails(capsys, "compare", *arguments, "--overwrite")
        assert "is in use by another comparison" in sentence
        assert (tmp_path / "out" / "report.html").exists()

    def test_a_folder_with_other_files_is_not_written_to(self, capsys, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("dear")
        for more in ([], ["--overwrite"], ["--resume"]):
            sentence = fails(capsys, "compare", "digits", *QUICK, "--out", "out", *more)
            assert "holds other files: name a new folder" in sentence
        assert (tmp_path / "out" / "thesis.txt").read_text() == "dear"

    def test_bad_data_leave_nothing(self, capsys, tmp_path):
        for number in range(40):
            file = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (number, 90, 200 * (number % 2))).save(file)
        broken = tmp_path / "photos" / "cat" / "0.png"
        broken.write_bytes(broken.read_bytes()[:60])
        arguments = ["photos", "--epochs", "1", "--seeds", "1", "--mix", "none,mixup"]
        sentence = fails(capsys, "compare", *arguments, "--out", "out")
        assert "leave it out with skip_bad (--skip-bad)" in sentence
        assert not (tmp_path / "out").exists()
        both = fails(capsys, "compare", *arguments, "--skip-bad", "--label-noise", "0.5")
        assert "--skip-bad and --label-noise exclude each other" in both
        compared(capsys, *arguments, "--skip-bad", "--out", "out")

    def test_one_validation_sample_is_too_few(self, capsys, tmp_path):
        frame = pd.DataFrame({"a": range(6), "label": [0, 1] * 3})
        frame.to_csv("t.csv", index=False)
        sentence = fails(capsys, "compare", "t.csv", "--label", "label", "--out", "out")
        assert "one validation sample is too few to compare" in sentence
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("kind", ["classes", "values"])
    def test_validation_samples_that_are_all_alike_are_refused(self, capsys, kind):
        """Always predicting their target is perfect, and nothing can be better than chance."""
        label = [0, 1] * 15 if kind == "classes" else [0.5 * i for i in range(30)]
        frame = pd.DataFrame({"a": range(40), "label": label + [1] * 10})
        frame["split"] = ["train"] * 30 + ["valid"] * 10
        frame.to_csv("t.csv", index=False)
        arguments = ["--label", "label", "--label-kind", kind, "--epochs", "1", "--seeds", "1"]
        sentence = fails(capsys, "compare", "t.csv", *arguments, "--out", "out")
        assert "all validation samples have the same target" in sentence

    @pytest.mark.parametrize("seed", ["-1", str(2**62 + 1), "99999999999999999999"])
    def test_a_first_seed_is_in_range(self, capsys, seed):
        sentence = fails(capsys, "compare", "digits", "--first-seed", seed, "--out", "out")
        assert f"--first-seed must be between 0 and {2**62}, not {seed}" in sentence

    def test_damaged_settings_are_named(self, capsys, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "comparison.json").write_text("{")
        sentence = fails(capsys, "compare", "digits", "--resume", "--out", "out")
        assert "comparison.json cannot be read" in sentence


@pytest.mark.slow  # tests/test_asked_to_end.py interrupts one in this process
def test_interrupting_leaves_the_answer_so_far(tmp_path):
    command = [sys.executable, "-m", "vicinal", "compare", "digits", "--mix", "none,mixup"]
    process = subprocess.Popen(
        [*command, "--epochs", "1", "--seeds", "50", "--train-size", "128", "--out", "out"],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("run 4 of 100"):
            process.send_signal(2)
            break
    rest = process.stdout.read()
    assert process.wait() == 130
    assert "runs: go on with --resume" in rest
    assert len(pd.read_csv(tmp_path / "out" / "runs.csv")) >= 4
    assert (tmp_path / "out" / "report.html").exists()


class TestAdvise:
    def advice(self, capsys, *arguments):
        capsys.readouterr()
        assert run(["advise", *arguments]) == 0
        return capsys.readouterr().out

    def test_a_short_training_is_advised_against(self, capsys):
        printed = self.advice(capsys, "digits", "--epochs", "5")
        assert "against:" in printed
        assert "Yu et al., Mixup without hesitation (2021)" in printed
        assert printed.strip().endswith(
            "To measure it: vicinal compare digits --epochs 5,80 --mix none,mixup,mixup+cutmix"
        )
        assert "against:" in self.advice(capsys, "digits", "--epochs", "5", "--label-noise", "0.01")

    def test_a_long_one_with_wrong_labels_is_advised_for(self, capsys):
        printed = self.advice(capsys, "digits", "--epochs", "200", "--label-noise", "0.4")
        assert "Recommended: train with mixing." in printed
        assert "section 3.4" in printed
        short = self.advice(capsys, "digits", "--epochs", "20", "--label-noise", "0.4")
        assert "section 3.4" not in short
        assert "against:" not in printed
        assert printed.strip().endswith("--alpha 0.4,1,8")

    def test_what_it_looked_at_is_told(self, capsys):
        printed = self.advice(capsys, "digits")
        assert re.search(r"^size: +0.413 million parameters, 287 for each training", printed, re.M)
        assert re.search(r"^classes: +144 training images each on average, \d+ to ", printed, re.M)

    def test_values_get_their_method(self, capsys):
        pd.DataFrame({"a": range(50), "label": [i / 3 for i in range(50)]}).to_csv("t.csv")
        assert "--mix cmixup" in self.advice(capsys, "t.csv", "--label", "label")


class TestShow:
    def test_the_board_is_a_page(self, capsys, tmp_path, monkeypatch):
        opened = []
        monkeypatch.setattr("webbrowser.open", opened.append)
        assert run(["show", "digits", "--open"]) == 0
        assert opened == [(tmp_path / "mixed.html").as_uri()]
        assert run(["show", "digits", "--out", "board.html"]) == 0
        assert len(opened) == 1
        assert (tmp_path / "board.html").read_text() == (tmp_path / "mixed.html").read_text()

    def test_the_board_begins_with_the_first_method(self, capsys, tmp_path):
        mix = "cutmix:0.2+mixup:0.8:prob=0.5:off_epoch=3"
        assert run(["show", "digits", "--mix", mix, "--out", "board.html"]) == 0
        page = (tmp_path / "board.html").read_text()
        assert 'data-method="cutmix" data-alpha="0.2"' in page

    @pytest.mark.slow
    def test_a_picture_of_a_mix_that_ends(self, capsys, tmp_path):
        mix = "mixup:0.8+cutmix:1:until=0.5:mode=pair"
        assert run(["show", "digits", "--mix", mix, "--out", "a.png"]) == 0
        assert (tmp_path / "a.png").exists()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--mix", "nonsense", "--out", "a.html"], "--mix must be none, or some of"),
            (["--alpha", "-5", "--out", "a.html"], "--alpha must be 0 or more, not -5"),
            (["--mix", "mixup:50", "--out", "a.html"], "an --alpha from 0.05 to 10, not 50"),
            (["--mix", "mixup+fmix", "--out", "a.html"], "shows mixup and cutmix, not --mix fmix"),
            (["--alpha", "50", "--out", "a.html"], "an --alpha from 0.05 to 10, not 50"),
            (["--mix", "fmix", "--out", "a.html"], "shows mixup and cutmix, not --mix fmix"),
            (["--mix", "none", "--out", "a.html"], "shows mixup and cutmix, not --mix none"),
            (["--size", "16", "--out", "a.html"], "--size does not apply to the board"),
            (["--mix", "columnmix"], "--mix columnmix does not go with images"),
            (["--mix", "cmixup"], "--mix cmixup does not go with images"),
            (["--mix", "manifoldmixup"], "--mix manifoldmixup mixes inside the network"),
            (["--open", "--out", "a.png"], "give --out a name that ends in .html, not a.png"),
        ],
    )
    def test_mistakes_are_reported(self, capsys, tmp_path, arguments, sentence):
        assert sentence in fails(capsys, "show", "digits", *arguments)
        assert not any(tmp_path.iterdir())

    def test_data_without_images_are_refused(self, capsys):
        pd.DataFrame({"a": range(50), "label": [0, 1] * 25}).to_csv("t.csv")
        sentence = fails(capsys, "show", "t.csv", "--label", "label", "--open")
        assert "has no images" in sentence

    def test_each_class_comes_once_before_any_comes_twice(self):
        images = board_images(Experiment(ExperimentConfig(TrainOptions("digits"))).split)
        assert [image["label"] for image in images] == [*"0123456789", "0", "1"]
        assert all(image["src"].startswith("data:image/png;base64,") for image in images)


def test_a_command_has_all_digits():
    config = ExperimentConfig(
        TrainOptions("digits", lr=0.00123456789), alphas=(1.0,), train_sizes=(1234567.0,)
    )
    words = config.command().split()
    assert words[3:] == ["--lr", "0.00123456789", "--alpha", "1", "--train-size", "1234567"]


# An option of compare, and how the command that is printed says it.
TYPED = {
    "recipe": ("cifar10-fast", "--recipe cifar10-fast"),
    "model": ("hf:a/b", "--model hf:a/b"),
    "pretrained": (False, "--no-pretrained"),
    "batch_size": (32, "--batch-size 32"),
    "lr": (1e-7, "--lr 1e-07"),
    "size": (64, "--size 64"),
    "valid": (0.1 + 0.2, "--valid 0.30000000000000004"),
    "label": ("the class", "--label 'the class'"),
    "label_pattern": (r"^(\w+)_\d", r"--label-pattern '^(\w+)_\d'"),
    "label_kind": ("values", "--label-kind values"),
    "label_sep": (";", "--label-sep ';'"),
    "loss": ("asymmetric", "--loss asymmetric"),
    "legend": ("codes.txt", "--legend codes.txt"),
    "drop_missing": (True, "--drop-missing"),
    "text": ("review", "--text review"),
    "columns": ("age,the sex", "--columns 'age,the sex'"),
    "drop": ("Id,last name", "--drop 'Id,last name'"),
    "categorical": ("zip, month", "--categorical 'zip, month'"),
    "split_column": ("is_valid", "--split-column is_valid"),
    "group": (r"(\d+)-", r"--group '(\d+)-'"),
    "series": (False, "--no-series"),
    "series_id": ("the id", "--series-id 'the id'"),
    "time": ("t", "--time t"),
    "pixel_range": (4095, "--pixel-range 4095"),
    "resize": ("pad", "--resize pad"),
    "augment": ("none", "--augment none"),
    "flip": (False, "--no-flip"),
    "precision": ("fp32", "--precision fp32"),
    "skip_bad": (True, "--skip-bad"),
}
# Those that compare does not have, or sets for each of its trainings.
UNTYPED = {"data", "mix", "alpha", "epochs", "seed", "compile", "track", "stream"}


class TestTheCommandOfAnExperiment:
    @pytest.fixture
    def parsed(self, monkeypatch):
        """Give a command to the command line; what it asks for comes back, and is not run."""

        def parse(command):
            found = []
            monkeypatch.setattr(
                "vicinal.study.command.compare_data", lambda config, **_: found.append(config)
            )
            assert run(shlex.split(command)[1:]) == 0
            return found[0]

        return parse

    def test_each_option_is_here(self):
        assert {*TYPED} == {field.name for field in fields(TrainOptions)} - UNTYPED

    @pytest.mark.parametrize("name", TYPED)
    def test_says_each_option_as_it_is_parsed(self, parsed, name):
        value, words = TYPED[name]
        config = ExperimentConfig(TrainOptions("my photos", **{name: value}))
        assert config.command() == f"vicinal compare 'my photos' {words}"
        assert parsed(config.command()) == config

    def test_says_them_all_together(self, parsed):
        options = TrainOptions("data", **{name: value for name, (value, _) in TYPED.items()})
        config = ExperimentConfig(
            options,
            ("none", "mixup"),
            (0.1, 1.0),
            (5, 20),
            train_sizes=(0.5, 0.25),
            label_noise=0.2,
            ood="other photos",
            first_seed=3,
        )
        assert parsed(config.command()) == config

    def test_says_yes_where_that_is_not_the_default(self, parsed):
        config = ExperimentConfig(TrainOptions("data", flip=True, pretrained=True))
        assert config.command() == "vicinal compare data --pretrained --flip"
        assert parsed(config.command()) == config

    def test_of_advice_has_the_options_that_were_typed(self, parsed, capsys):
        pd.DataFrame({"a": range(50), "b": [*"xy"] * 25, "c": [0, 1] * 25}).to_csv("t.csv")
        typed = ["--label", "c", "--valid", "0.4"]
        assert run(["advise", "t.csv", *typed, "--epochs", "7"]) == 0
        printed = capsys.readouterr().out.partition("To measure it: ")[2]
        options = TrainOptions("t.csv", label="c", valid=0.4)
        mixes = ("none", "mixup", "manifoldmixup")
        assert parsed(printed) == ExperimentConfig(options, mixes, epochs=(7,))


def test_a_typed_setting_counts_even_where_it_is_the_default():
    stored = ExperimentConfig(TrainOptions("digits", valid=0.3), label_noise=0.2).to_json()
    again = ExperimentConfig(TrainOptions("digits"))
    assert again.merged_with(stored, typed=["mixes"]).label_noise == 0.2
    with pytest.raises(
        VicinalError, match=r"begun with --label-noise 0\.2, not with --label-noise 0:"
    ):
        again.merged_with(stored, typed=["label_noise"])
    with pytest.raises(VicinalError, match=r"begun with --valid 0\.3, not with --valid 0\.2:"):
        again.merged_with(stored, typed=["valid"])


def test_strengths_of_before_are_left_out_where_the_mixes_say_them():
    begun = ExperimentConfig(
        TrainOptions("digits"), mixes=("none", "mixup"), alphas=(0.1, 0.4)
    ).to_json()

    def strengths(*mixes, alphas=()):
        config = ExperimentConfig(TrainOptions("digits"), mixes, alphas)
        return config.merged_with(begun).alphas

    assert strengths("none", "mixup:0.1", "MixUp:0.4") == ()
    assert strengths() == strengths("none", "mixup", "cutmix") == (0.1, 0.4)
    assert strengths("none", "mixup:0.1", alphas=(0.2,)) == (0.2,)  # which is refused


def test_other_data_are_those_of_the_beginning():
    """Results without them cannot be measured again, as no weights are stored."""
    data = TrainOptions("digits")
    begun = ExperimentConfig(data, ood="photos").to_json()
    for same in ("photos/", "./photos", None):
        assert ExperimentConfig(data, ood=same).merged_with(begun).ood == "photos"
    with pytest.raises(VicinalError, match=r"begun with --ood photos, not with --ood others:"):
        ExperimentConfig(data, ood="others").merged_with(begun)
    # An early version had no such option.
    early = {name: value for name, value in begun.items() if name != "ood"}
    assert ExperimentConfig(data).merged_with(early).ood is None
    with pytest.raises(VicinalError, match=r"begun without --ood, not with --ood photos:"):
        ExperimentConfig(data, ood="photos").merged_with(early)


def test_the_config_is_stored_and_read_again(tmp_path):
    folder = ComparisonFolder(tmp_path / "out")
    config = ExperimentConfig(
        TrainOptions("digits", lr=0.1), mixes=("none", "mixup"), epochs=(5, 20)
    )
    folder.begin(Experiment(config), 3)
    settings = folder.settings()
    stored = settings["config"]
    assert TrainOptions(**settings["resolved"]).model == "resnet9"
    assert config.merged_with(stored) == config
    assert ExperimentConfig(TrainOptions("digits")).merged_with(stored) == config
    assert json.loads((folder.path / "comparison.json").read_text())["seeds"] == 3
    shutil.rmtree(folder.path)


@blank
def test_a_comparison_that_was_killed_as_it_began_leaves_nothing_in_the_way(rows, capsys, tmp_path):
    (tmp_path / "out" / "results").mkdir(parents=True)
    compared(capsys, rows, *QUICK, "--mix", "none,mixup", "--out", "out")
    (tmp_path / "other" / "results").mkdir(parents=True)
    (tmp_path / "other" / "results" / "thesis.txt").touch()
    assert "holds other files" in fails(capsys, "compare", rows, *QUICK, "--out", "other")
