"""Trainings and comparisons that a cluster or a shell asks to end, at any moment."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_wine

from run_folders import assert_same, left
from vicinal import runs
from vicinal.cli import run
from vicinal.learner import resume
from vicinal.study import command, runner
from vicinal.study.store import ResultStore

pytestmark = pytest.mark.usefixtures("blank_pictures")

EPOCHS = 3
TRAIN = [
    "train",
    "wine.csv",
    "--label",
    "target",
    "--epochs",
    str(EPOCHS),
    "--mix",
    "mixup",
    "--out",
]
COMPARE = ["compare", "wine.csv", "--label", "target", "--epochs", "1", "--seeds", "2"]
COMPARED = [*COMPARE, "--mix", "none,mixup", "--out", "out"]


@pytest.fixture(autouse=True)
def _wine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_wine(as_frame=True).frame.to_csv("wine.csv", index=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a training leaves that is not asked to end."""
    folder = tmp_path_factory.mktemp("whole")
    load_wine(as_frame=True).frame.to_csv(folder / "wine.csv", index=False)
    with contextlib.chdir(folder):
        assert run([*TRAIN, "run"]) == 0
    return left(folder / "run")


SLOW = pytest.mark.slow
numbers = pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=SLOW),
        signal.SIGINT,
    ],
)


class Killed(BaseException):
    """In place of SIGKILL, which would end the tests, too."""


def ask(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
    time.sleep(0.001)  # the handler has run


def at(patch, owner, name, number=signal.SIGTERM, *, call=1, raising=True):
    """Ask this process to end when a function is called for so many times."""
    original, calls = getattr(owner, name, None), []

    def asking(*arguments, **kwargs):
        calls.append(1)
        if len(calls) == call:
            ask(number)
        return original(*arguments, **kwargs) if original else None

    patch.setattr(owner, name, asking, raising=raising)


def stopped(monkeypatch, owner, name, number=signal.SIGTERM, *, folder="run", more=(), **when):
    with monkeypatch.context() as patch:
        at(patch, owner, name, number, **when)
        assert run([*TRAIN, folder, *more]) == 128 + number
    return Path(folder)


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def goes_on(folder, whole):
    """It ends as a training that was not asked to end."""
    assert run([*TRAIN, str(folder), "--resume"]) == 0
    assert_same(left(folder), whole)
    assert config_of(folder)["finished"]


class TestTrain:
    @numbers
    def test_saves_what_it_has(self, monkeypatch, capsys, whole, number):
        folder = stopped(monkeypatch, runs.Run, "before_train", number, call=3, raising=False)
        said = capsys.readouterr()
        assert "stopped:        after 2 epochs; saved to run: go on with --resume" in said.out
        assert said.err == ""
        config = config_of(folder)
        assert (config["finished"], config["epochs_done"]) == (False, 2)
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
        assert run(["predict", "run", "wine.csv", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 178
        goes_on(folder, whole)

    @pytest.mark.parametrize(
        ("owner", "name", "when"),
        [
            pytest.param(runs.Run, "before_validate", {"call": 2, "raising": False}, marks=SLOW),
            pytest.param(runs.Run, "after_batch", {"call": 9, "raising": False}, marks=SLOW),
            pytest.param(resume, "save_tree", {"call": 2}, marks=SLOW),
            (os, "fsync", {"call": 7}),  # of the second checkpoint
            pytest.param(os, "replace", {"call": 7}, marks=SLOW),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_goes_on_wherever_it_was(self, monkeypatch, whole, owner, name, when):
        folder = stopped(monkeypatch, owner, name, **when)
        assert not [file.name for file in folder.iterdir() if file.name.startswith(".c")]
        assert run(["predict", "run", "wine.csv"]) == 0
        goes_on(folder, whole)

    @pytest.mark.parametrize("more", [[], pytest.param(["--resume"], marks=SLOW)])
    def test_saves_a_network_also_in_the_first_epoch(self, monkeypatch, capsys, whole, more):
        folder = stopped(monkeypatch, runs.Run, "before_batch", call=3, raising=False, more=more)
        assert "after 0 epochs; saved to run" in capsys.readouterr().out
        assert run(["predict", "run", "wine.csv"]) == 0
        goes_on(folder, whole)

    @pytest.mark.parametrize(
        ("owner", "name"),
        [(runs, "find_split"), (runs.Run, "_take_folder"), (runs.Run, "before_fit")],
    )
    def test_leaves_nothing_where_nothing_was_trained(self, monkeypatch, owner, name):
        folder = stopped(monkeypatch, owner, name, raising=False)
        assert not folder.exists()

    @pytest.mark.parametrize(
        "number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=SLOW)], ids=str
    )
    def test_keeps_the_epoch_after_which_its_picture_is_drawn(self, monkeypatch, number, capsys):
        def ask_once(figure, file, save=runs._save_figure):
            monkeypatch.setattr(runs, "_save_figure", save)
            if number == signal.SIGKILL:
                raise Killed
            ask(number)

        train = ["train", "digits", "--epochs", "2", "--out", "run"]
        monkeypatch.setattr(runs, "_save_figure", ask_once)
        if number == signal.SIGKILL:
            with monkeypatch.context() as patch:
                patch.setattr(runs.Run, "_leave", lambda *_: None)  # nothing is saved after it
                with pytest.raises(Killed):
                    run(train)
        else:
            assert run(train) == 128 + number
            assert Path("run", "mixed_batch.png").exists()
        assert len(Path("run", "metrics.jsonl").read_text().splitlines()) == 1
        capsys.readouterr()
        assert run([*train, "--resume"]) == 0
        assert "after epoch 1, from run" in capsys.readouterr().out
        assert Path("run", "mixed_batch.png").exists()

    def test_saves_all_where_it_is_done_already(self, monkeypatch, capsys):
        folder = stopped(monkeypatch, runs, "save_weights")
        assert config_of(folder)["finished"]
        assert {"model.safetensors", "curves.png"} <= {file.name for file in folder.iterdir()}
        assert "saved to" not in capsys.readouterr().out
        assert run([*TRAIN, "run", "--resume"]) == 0
        assert "nothing is left to do" in capsys.readouterr().out

    def test_keeps_the_network_of_before_where_it_had_not_begun_again(self, monkeypatch):
        folder = stopped(monkeypatch, runs.Run, "before_train", call=3, raising=False)
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        stopped(monkeypatch, runs.Run, "_begin", more=["--resume"])
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_run_that_was_killed_says_how_to_go_on(monkeypatch, capsys, whole):
    folder = stopped(monkeypatch, runs.Run, "before_train", call=3, raising=False)
    (folder / "model.safetensors").unlink()  # as SIGKILL leaves it
    capsys.readouterr()
    assert run(["predict", "run", "wine.csv"]) == 2
    assert capsys.readouterr().err == (
        "vicinal: run holds a run that was killed before its network was saved: go on with "
        "vicinal train wine.csv --out run --resume\n"
    )
    goes_on(folder, whole)


class TestCompare:
    @numbers
    def test_writes_its_report(self, monkeypatch, capsys, number):
        with monkeypatch.context() as patch:
            at(patch, command._RunLogger, "__call__", number, call=3)
            assert run(COMPARED) == 128 + number
        printed = capsys.readouterr().out
        assert "not done:       1 of 4 runs: go on with --resume" in printed
        assert len(pd.read_csv("out/runs.csv")) == 3
        assert Path("out/answer.txt").read_text() in printed
        assert Path("out/report.html").exists()
        assert run([*COMPARED, "--resume"]) == 0
        assert len(pd.read_csv("out/runs.csv")) == 4

    @SLOW
    def test_writes_all_of_it_where_it_is_writing_already(self, monkeypatch):
        with monkeypatch.context() as patch:
            at(patch, command, "answer")
            assert run(COMPARED) == 128 + signal.SIGTERM
        assert Path("out/report.html").exists()
        assert run([*COMPARED, "--resume"]) == 0

    @pytest.mark.parametrize("owner", [ResultStore, pytest.param(runner.Runner, marks=SLOW)])
    def test_says_so_where_there_is_nothing_to_report(self, monkeypatch, capsys, owner):
        name = "checkpoint" if owner is ResultStore else "_finish"
        with monkeypatch.context() as patch:
            at(patch, owner, name)
            assert run(COMPARED) == 128 + signal.SIGTERM
        assert "stopped:        before a run had finished: go on with" in capsys.readouterr().out
        assert run([*COMPARED, "--resume"]) == 0

    def test_while_it_waits_for_other_processes(self, monkeypatch, capsys):
        monkeypatch.setattr(runner.time, "sleep", lambda seconds: ask())
        original = ResultStore.lock

        def taken(store, arm, seed):
            other = original(store, arm, seed)
            other.acquire()
            held.append(other)
            return original(store, arm, seed)

        held = []
        monkeypatch.setattr(ResultStore, "lock", taken)
        assert run(COMPARED) == 128 + signal.SIGTERM
        assert "before a run had finished" in capsys.readouterr().out
        for each in held:
            each.release()


def leader(*arguments, script=None):
    """A command as the leader of a group of processes of its own, all of which can be signalled."""
    start = ["-c", script] if script else ["-m", *arguments]
    return subprocess.Popen(
        [sys.executable, *start],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_epochs(process, folder):
    deadline = time.monotonic() + 200
    while not (folder / "checkpoint.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_saved(folder, capsys):
    assert not config_of(folder)["finished"]
    capsys.readouterr()
    assert run(["predict", str(folder), "wine.csv", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 178


TOGETHER = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
LONG = ["vicinal", *TRAIN, "run", "--epochs", "100000"]


@SLOW
@pytest.mark.parametrize("everyone", [False, True], ids=["the launcher", "all processes"])
def test_processes_that_train_together_end_together(capsys, everyone):
    process = leader(*TOGETHER, *LONG)
    wait_for_epochs(process, Path("run"))
    (os.killpg if everyone else os.kill)(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    with pytest.raises(ProcessLookupError):  # nobody is left of the group
        os.killpg(process.pid, 0)
    is_saved(Path("run"), capsys)


STREAMED = """
import sys
from vicinal import cli
from vicinal.data import cache, storage, vision
cache.LIMIT = storage.MEMORY_SHARE = 0
vision.processors = lambda: 2
sys.exit(cli.run("train photos --size 8 --batch-size 4 --epochs 10000 --out run".split()))
"""


@SLOW
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_workers_that_are_asked_as_well_do_not_disturb(number):
    for index in range(24):
        file = Path("photos", "ab"[index % 2], f"{index}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12), (10 * index, 0, 0)).save(file)
    process = leader(script=STREAMED)
    wait_for_epochs(process, Path("run"))
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "streamed through" in out
    assert "Traceback" not in err
    assert "saved to run: go on with --resume" in out
    assert run(["predict", "run", "photos/a/0.png"]) == 0
