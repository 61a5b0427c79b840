"""The benchmark: fair timing, real peers, and a report that saves each part."""

import json

import pytest
import torch

from vicinal.bench import cases, peers, report
from vicinal.bench.cases import OURS, Row
from vicinal.bench.timing import Candidate, interleave
from vicinal.cli import run

CPU = torch.device("cpu")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(cases, "SHAPES", [(64, 3, 8, 8), (32, 3, 12, 12), (8, 3, 12, 12)])
    monkeypatch.setattr(cases, "CLASSES", (3, 10))


def test_candidates_take_turns_and_are_prepared_each_time():
    calls = []
    candidates = [
        Candidate(name, lambda name=name: calls.append(name), lambda: calls.append("prepared"))
        for name in ("a", "b")
    ]
    interleave(candidates, 0.01, CPU)
    assert calls[::2] == ["prepared"] * (len(calls) // 2)
    timed = calls[1::2][4:]  # after two calls of each to warm up
    rounds = [set(timed[i : i + 2]) for i in range(0, len(timed), 2)]
    assert all(names == {"a", "b"} for names in rounds)
    assert len(candidates[0].seconds) == len(candidates[1].seconds) == len(rounds) >= 5


@pytest.mark.parametrize("method", ["MixUp", "CutMix"])
def test_the_installed_peers_mix(method):
    calls, missing = peers.installed(method)
    assert set(calls) | set(missing) == set(peers.PEERS)
    for call in calls.values():
        assert call(torch.rand(4, 3, 8, 8), torch.arange(4)) is not None


def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mixup", None)
    assert peers.installed("MixUp")[1] == {"mixup (PyPI)": "mixup is not installed"}


def test_a_bound_is_met_or_missed():
    assert Row("apply", "case", "size", OURS, 1.0, 1.9, 2.0).is_met
    assert not Row("apply", "case", "size", OURS, 1.0, 2.1, 2.0).is_met
    assert Row("whole call", "case", "size", "peer", 1.0, 99.0).is_met


@pytest.mark.usefixtures("small")
def test_the_command_prints_tables_and_saves_json_and_a_chart(tmp_path, capsys):
    assert run(["bench", "--seconds", "0.01", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for part in cases.PARTS:
        assert part in printed
    result = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert result["versions"]["torch"] == torch.__version__.split("+")[0]
    ours = [row for row in result["rows"] if row["name"] == OURS]
    assert {row["part"] for row in ours} == set(cases.PARTS)
    bound = [row for row in ours if row["part"] != "methods"]
    assert all(row["seconds"] > 0 and row["bound"] is not None for row in bound)
    assert (tmp_path / "out" / "bench.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "warp"], "there is no device 'warp' here"),
        (["--seconds", "0"], "must be more than 0, not 0.0"),
        (["--seconds", "nan"], "must be more than 0, not nan"),
    ],
)
def test_an_error_is_one_sentence(arguments, message, capsys):
    assert run(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_table_is_markdown():
    rows = [Row("draw", "MixUp", "512", OURS, 1e-4, 100.0, 150.0)]
    lines = report.table(rows).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
    assert lines[2].split("|")[-2].strip() == "met"


def test_methods_that_look_at_the_batch_mix_what_is_timed(monkeypatch):
    monkeypatch.setattr(cases, "SHAPES", [(64, 3, 16, 16), (32, 3, 20, 20)])
    rows = list(cases.methods(CPU, 0.01))
    assert len(rows) == 14
    assert all(row.seconds > 0 and row.ratio > 0 and row.is_met for row in rows)
    x, y = torch.rand(64, 3, 16, 16), torch.arange(64) % 10
    for name, mixer in cases._that_look(x).items():
        mixed, _ = mixer(x, y)
        assert not torch.equal(mixed, x), name
