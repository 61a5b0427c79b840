"""Trainings on the real sets in ../shared/data; minutes long, so run by hand with -m slow."""

import json
from pathlib import Path

import pytest

from vicinal.cli import run

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is not there")
@pytest.mark.parametrize(
    ("name", "options", "at_least"),
    [
        ("cifar10", ["--epochs", "2"], 0.5),
        ("imagenette", ["--epochs", "3", "--size", "64"], 0.4),
        ("imagenette", ["--epochs", "3", "--size", "64", "--label", "label_noise_50"], 0.2),
    ],
)
def test_a_real_set_trains(tmp_path, name, options, at_least):
    assert run(["train", str(DATA / name), *options, "--out", str(tmp_path / "run")]) == 0
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["valid_accuracy"] > at_least
