"""What shows that a step lives: in terminals, in narrow ones, and where nobody looks."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys

import pandas as pd
import pytest
import torch
from rich.console import Console
from rich.progress import TextColumn

from vicinal import progress
from vicinal.bench.timing import Candidate, interleave
from vicinal.cli import run
from vicinal.progress import progress_bar, pulse, status
from vicinal.study.runner import Advance

LONG = "mixup α = 0.4 of a method with a very long name, seed 0, epoch 3/20"


@pytest.fixture
def terminal(monkeypatch):
    """Lets what is shown go to a terminal of a width; returns the frames that were drawn."""

    def make(width):
        written = io.StringIO()
        monkeypatch.setattr(
            progress,
            "_console",
            lambda: Console(file=written, force_terminal=True, width=width, _environ={}),
        )
        return lambda: frames(written.getvalue())

    return make


def frames(written):
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


class TestBar:
    @pytest.mark.parametrize("width", [40, 60, 100])
    def test_it_keeps_the_count_and_the_time_in_one_line(self, terminal, width):
        drawn = terminal(width)
        with progress_bar(TextColumn("{task.fields[loss]}")) as bar:
            task = bar.add_task(LONG, total=1563, completed=99, loss="loss 2.345")
            bar.refresh()
            bar.advance(task)
        for frame in drawn()[1:]:
            assert len(frame) <= width
            assert re.search(r"mixup.*… .* *(99|100)/1563 [-\d:]{7} loss 2.345", frame)
        assert ("━" in drawn()[1]) == (width >= 80)

    def test_a_description_is_no_markup(self, terminal):
        drawn = terminal(80)
        with progress_bar() as bar:
            bar.add_task("[bold]photos[/bold]", total=2)
        assert "[bold]photos[/bold]" in drawn()[-1]

    def test_an_inner_one_takes_the_place_of_the_outer_one(self, terminal):
        drawn = terminal(80)
        with status("outer"):
            with contextlib.suppress(KeyError), progress_bar() as bar:
                bar.add_task("inner", total=2)
                assert len(progress._shown) == 2
                assert not progress._shown[0].live.is_started
                raise KeyError
            assert progress._shown[0].live.is_started
        assert progress._shown == []
        names = [re.search("outer|inner", frame)[0] for frame in drawn() if "er" in frame]
        assert names[0] == names[-1] == "outer"
        assert "inner" in names

    def test_it_may_be_stopped_twice_and_out_of_turn(self, terminal):
        terminal(80)
        outer, inner = progress_bar(), progress_bar()
        outer.start()
        inner.start()
        outer.stop()
        inner.stop()
        inner.stop()
        assert progress._shown == []


class TestStatus:
    def test_it_says_what_is_done_and_for_how_long(self, terminal):
        drawn = terminal(40)
        with status("reading photos and then a lot of other things") as say:
            say("reading labels")
        assert re.fullmatch(r"\S reading photos and then .*… 0:00:00", drawn()[0])
        assert "reading labels 0:00:00" in drawn()[-1]

    def test_pulses_draw_it_without_a_thread(self, terminal, monkeypatch):
        drawn = terminal(80)
        monkeypatch.setattr(progress, "OFTEN", 0.0)
        calls = []
        candidate = Candidate("", lambda: calls.append(1))
        with status("timing", by_pulses=True):
            before = len(drawn())
            interleave([candidate], 0.0, torch.device("cpu"))
            assert len(drawn()) >= before + len(calls)
        with status("with a thread"):
            before = len(drawn())
            pulse()
            assert progress._shown[-1].live.auto_refresh


class TestNobodyLooks:
    @pytest.mark.parametrize("rank", [None, "1"])
    def test_nothing_is_written(self, monkeypatch, rank):
        written = io.StringIO()
        console = Console(file=written, force_terminal=rank is not None, _environ={})
        monkeypatch.setattr(progress, "_console", lambda: console)
        if rank is not None:
            monkeypatch.setenv("LOCAL_RANK", rank)
        with status("reading") as say, progress_bar() as bar:
            say("more")
            bar.add_task("batches", total=3)
            pulse()
        assert written.getvalue() == ""


class TestSteps:
    """Those that take long with much data name what they do."""

    def test_a_table_that_is_read_is_named(self, terminal, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        rows = 64
        frame = pd.DataFrame({"a": range(rows), "kind": ["x", "y"] * (rows // 2)})
        frame.to_csv("million.csv", index=False)
        drawn = terminal(60)
        assert run(["advise", "million.csv", "--label", "kind"]) == 0
        text = "\n".join(drawn())
        for step in ("starting", "reading million.csv", "choosing the network", "counting its"):
            assert step in text
        assert "reading" not in capsys.readouterr().out

    def test_measures_are_named_after_a_run(self, terminal):
        terminal(80)
        bar = progress_bar()
        task = bar.add_task("", total=1)
        advance = Advance(bar, task, "mixup, seed 0", work=1.0)
        advance.after_fit(None)
        assert bar.tasks[task].description == "mixup, seed 0, measuring"


@pytest.mark.slow
def test_a_real_terminal_shows_it_before_torch_is_imported(tmp_path):
    main, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vicinal", "advise", "digits"],
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env={**os.environ, "COLUMNS": "40", "TERM": "xterm"},
        cwd=tmp_path,
    )
    os.close(secondary)
    written = b""
    while True:
        try:
            some = os.read(main, 4096)
        except OSError:  # the terminal is closed
            break
        written += some
    os.close(main)
    assert process.wait() == 0
    drawn = frames(written.decode())
    assert "starting" in drawn[0]
    assert any("reading digits" in frame for frame in drawn)
    assert any(frame.startswith("To measure it: vicinal compare digits") for frame in drawn)
