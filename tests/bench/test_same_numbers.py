"""benchmarks/same_numbers.py, the check that a refactoring changes no number."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vicinal
from vicinal import MixedTarget, as_tensors

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "same_numbers.py"
SOURCE = Path(vicinal.__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("same_numbers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digest(script, value):
    digests = script.Digests()
    digests.add("draws", value)
    return digests.result()


def test_the_smallest_difference_shows(script):
    x = torch.ones(3)
    target = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.5, 0.7]))
    other = MixedTarget(target.own, target.partner.flip(0), target.weight)
    values = [
        x,
        torch.nextafter(x, 2 * x),
        x.double(),
        x[None],
        torch.tensor(1.0),
        -torch.zeros(3),
        torch.zeros(3),
        {"x": x},
        target,
        other,
        (as_tensors(target),),
        (as_tensors(other),),
    ]
    assert len({str(digest(script, value)) for value in values}) == len(values)
    assert digest(script, x) == digest(script, x.clone())


def test_seconds_and_names_do_not_count(script, tmp_path):
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("arm,loss,told,seconds,samples_per_second\nnone,0.25,True,3.1,10\n")
    new.write_text("method,train_loss,significant,seconds,samples_per_second\nNone,.25,,4,9\n")
    assert script.numbers(old) == script.numbers(new) == [[0.25]]


def test_a_difference_an_error_and_a_missing_case_are_named(script):
    old = {"a": {"draws": "1", "losses": "2"}, "b": {"draws": "1"}, "c": {"error": "E"}}
    new = {"a": {"draws": "1", "losses": "3"}, "c": {"error": "E"}}
    lines = list(script.differences(old, new))
    assert [same for _, same in lines] == [True, False, False, False, False]
    assert all(line.endswith("DIFFERS") != same for line, same in lines)


def compared(old, new, *only):
    command = [sys.executable, str(SCRIPT), str(old), str(new), "--only", *only]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())


@pytest.mark.slow
def test_a_tree_is_like_itself_and_unlike_one_with_other_seeds(tmp_path):
    other = tmp_path / "src"
    shutil.copytree(SOURCE / "vicinal", other / "vicinal")
    with (other / "vicinal" / "rng.py").open("a") as file:
        file.write("\n\nof_seed = derive_seed\nderive_seed = lambda *args: of_seed(*args) ^ 1\n")
    done = compared(SOURCE, other, "MixUp p")
    assert done.returncode == 1, done.stderr
    assert "3 digests of 1 cases, 3 different" in done.stdout
    done = compared(SOURCE, SOURCE, "MixUp p")
    assert done.returncode == 0, done.stderr
    assert "3 digests of 1 cases, 0 different" in done.stdout
