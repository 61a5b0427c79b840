"""The files that hold what a run gave."""

import math
from contextlib import suppress

import pytest
import torch
from analyses import MIXUP, NONE, result
from safetensors import safe_open
from safetensors.torch import save_file

from vicinal import VicinalError
from vicinal.learner.tensor_file import read_tensors
from vicinal.study.calibration import Reliability
from vicinal.study.result import Result

DIAGRAM = Reliability([5], [0.5], [0.25])


def small():
    """A result whose file is small."""
    values = {"accuracy": torch.tensor([1.0, 0.0, 1.0]).double()}
    history = [{"epoch": 1, "valid_loss": 0.5}]
    return Result("none-5", 3, "", history, 2.0, 9.0, values, [DIAGRAM], "a", "b", 0.6)


def saved(file, **changes):
    Result(**{**vars(small()), **changes}).save(file)
    return file


def without_digest(file):
    """As early versions wrote it."""
    tensors, _ = read_tensors(file)
    save_file(tensors, file, {"format": "pt"})


def test_what_is_loaded_is_what_was_saved(tmp_path):
    found = Result.load(saved(tmp_path / "a.result"))
    assert found.values.pop("accuracy").tolist() == [1.0, 0.0, 1.0]
    assert vars(found) == {**vars(small()), "values": {}}
    with safe_open(tmp_path / "a.result", "pt") as opened:
        assert opened.metadata()["digest"]


@pytest.mark.parametrize("every", [31, pytest.param(1, marks=pytest.mark.slow)])
def test_no_flipped_bit_changes_a_number(tmp_path, every):
    file = saved(tmp_path / "a.result")
    content = file.read_bytes()
    for bit in range(0, 8 * len(content), every):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(bytes(changed))
        with pytest.raises(VicinalError, match=r"a\.result (is damaged|cannot be read).*remove it"):
            Result.load(file)


@pytest.mark.parametrize("every", [31, pytest.param(1, marks=pytest.mark.slow)])
def test_a_flipped_bit_of_an_early_version_is_no_traceback(tmp_path, every):
    file = saved(tmp_path / "a.result")
    without_digest(file)
    assert Result.load(file).mean("accuracy") == pytest.approx(2 / 3)
    content = file.read_bytes()
    for bit in range(0, 8 * len(content), every):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(bytes(changed))
        with suppress(VicinalError):
            found = Result.load(file)
            assert all(math.isfinite(found.mean(name)) for name in found.values)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("accuracy", math.nan, "its accuracy is not a finite number for each sample"),
        ("accuracy", -math.inf, "its accuracy is not a finite number for each sample"),
        ("accuracy", 4.1, "its accuracy is 1.37, which is not from 0 to 1"),
        ("nll", -9.0, "its nll is -3, which is not from 0 to inf"),
        ("brier", 6.1, "its brier is 2.03, which is not from 0 to 2"),
        ("ece_unbiased", -3.3, "its ece_unbiased is -1.1, which is not from -1 to 1"),
    ],
)
def test_values_that_cannot_be_are_damage(tmp_path, name, value, reason):
    values = {name: torch.tensor([0.0, value, 0.0]).double()}
    file = saved(tmp_path / "a.result", values=values)
    without_digest(file)
    with pytest.raises(VicinalError) as caught:
        Result.load(file)
    sentence = f"{file} is damaged, as {reason}: remove it, and the run is done again"
    assert str(caught.value) == sentence


def test_values_that_can_be_are_none(tmp_path):
    """Single values may be outside of the measure's range, rounding too, and unknown measures."""
    values = {
        "accuracy": torch.tensor([1.5, 0.5]),
        "nll": torch.tensor([-1e-6]),
        "ece": torch.tensor([-0.2, 0.4]),
        "ece_unbiased": torch.tensor([-0.1, 0.0]),
        "of_a_later_version": torch.tensor([-9.0]),
    }
    file = saved(tmp_path / "a.result", values={k: v.double() for k, v in values.items()})
    assert set(Result.load(file).values) == set(values)
    for arm in (NONE, MIXUP):
        result(arm, 0, 0.7).save(file)
        assert Result.load(file).mean("accuracy") == pytest.approx(0.7)


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": "long"},
        {"values": {"accuracy": [1.0]}},
        {"values": {"accuracy": torch.ones(2, 2)}},
        {"values": {"accuracy": torch.ones(2, dtype=torch.int64)}},
        {"history": [3]},
        {"arm": None},
    ],
)
def test_other_types_are_no_result(tmp_path, changes):
    file = saved(tmp_path / "a.result", **changes)
    with pytest.raises(VicinalError, match="holds no result of this version: remove it, and"):
        Result.load(file)


def test_a_time_that_is_not_finite_is_damage(tmp_path):
    with pytest.raises(VicinalError, match="its seconds is nan"):
        Result.load(saved(tmp_path / "a.result", seconds=math.nan))
