"""Hidden mixing of images from the command line; the rest of images is in test_cli.py."""

import pytest

from vicinal.cli import run
from vicinal_cli import fails, rows_of


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["resnet9", "resnet10t"])
def test_mixing_inside_of_a_network(model, tmp_path, capsys):
    options = ["--model", model, "--no-pretrained", "--epochs", "1", "--out", "run"]
    assert run(["train", "digits", "--mix", "manifoldmixup", *options]) == 0
    said = capsys.readouterr().out
    assert "ManifoldMixUp(mixer=MixUp(alpha=2.0" in said
    assert "'input'" in said
    assert rows_of("run")[-1]["valid_accuracy"] > 0.2
    assert not (tmp_path / "run" / "mixed_batch.png").exists()  # it would show no mix


def test_a_network_whose_layers_nobody_knows(capsys, tmp_path):
    options = ["--model", "whitennet", "--size", "32"]
    assert "does not know the layers of whitennet" in fails(
        capsys, "train", "digits", "--mix", "manifoldmixup", *options
    )
    assert not (tmp_path / "runs").exists()
