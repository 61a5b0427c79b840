"""Runs that are killed by the system at random moments, and resumed by other processes."""

import os
import random
import signal
import time

from fresh import FRESH
from run_folders import assert_same, left, silent
from vicinal import runs


def train(folder, options):
    """What a process does that may be killed."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    runs.train(options, folder, resume=True, log=silent)


def start(folder, options):
    process = FRESH.Process(target=train, args=(folder, options), daemon=True)
    process.start()
    return process


def finish(folder, options):
    process = start(folder, options)
    process.join()
    assert process.exitcode == 0


def kill_and_resume(tmp_path, options, kills, seed):
    """Kill processes at random moments; all runs must end like the one that was not killed."""
    finish(tmp_path / "whole", options)
    expected = left(tmp_path / "whole")
    began = time.monotonic()
    finish(tmp_path / "timed", options)
    seconds = time.monotonic() - began
    chance, killed, number = random.Random(seed), 0, 0
    folder = tmp_path / "0"
    while killed < kills:
        process = start(folder, options)
        process.join(chance.uniform(0, seconds))
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += process.exitcode == -signal.SIGKILL
        if process.exitcode == 0:
            assert_same(left(folder), expected)
            number += 1
            folder = tmp_path / str(number)
        else:
            assert process.exitcode == -signal.SIGKILL
    finish(folder, options)
    assert_same(left(folder), expected)
    names = {file.name for file in folder.iterdir()}
    assert names == {file.name for file in (tmp_path / "whole").iterdir()}
