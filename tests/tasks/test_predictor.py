"""Run folders that were damaged, and outputs that are no numbers: one sentence, no prediction."""

import json
import shutil

import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine

from run_folders import silent
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.tasks import TrainOptions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wine")
    wine = load_wine(as_frame=True)
    wine.frame.to_csv(folder / "wine.csv", index=False)
    options = TrainOptions(str(folder / "wine.csv"), label="target", epochs=1, precision="fp32")
    return runs.train(options, folder / "run", log=silent)


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def flip(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
def test_a_flipped_bit_in_the_weights_is_said(folder, share):
    weights = folder / "model.safetensors"
    flip(weights, int(share * weights.stat().st_size))
    with pytest.raises(VicinalError, match=r"model\.safetensors is damaged, .* restore it"):
        Predictor.load(folder)


def test_weights_without_a_digest_are_read(folder):
    """Those of earlier versions."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors")
    found = Predictor.load(folder).model.state_dict()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_changed_settings_are_refused_unless_the_digest_is_removed(folder):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    Predictor.load(folder)
    config["predict"]["how"]["vocab"] = ["a", "b", "c"]
    file.write_text(json.dumps(config))
    with pytest.raises(VicinalError, match=r"config\.json is damaged or was edited, .* remove its"):
        Predictor.load(folder)
    del config["digest"]
    file.write_text(json.dumps(config))
    assert Predictor.load(folder).preprocessing.vocab == ["a", "b", "c"]


def test_a_run_with_damaged_settings_can_be_replaced(folder, trained):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "epochs_done": 7}))
    options = TrainOptions(
        str(trained.parent / "wine.csv"), label="target", epochs=1, precision="fp32"
    )
    runs.train(options, folder, overwrite=True, log=silent)
    assert json.loads((folder / "config.json").read_text()) == config


def test_outputs_that_are_not_finite_are_refused(folder, trained, capsys):
    frame = pd.read_csv(trained.parent / "wine.csv").iloc[:70]
    predictor = Predictor.load(folder)
    assert len(list(predictor.predict(frame))) == 70
    hook = predictor.model.register_forward_hook(
        lambda module, args, output: (
            output.index_fill(0, torch.tensor([3]), torch.nan) if len(output) < 64 else output
        )
    )
    found = predictor.predict(frame)
    for _ in range(64):
        next(found)
    with pytest.raises(VicinalError, match="output for sample 68 is not a finite number"):
        next(found)
    hook.remove()
    with torch.no_grad():
        for parameter in predictor.model.parameters():
            parameter.fill_(torch.nan)
    runs.save_weights(predictor.model, folder / "model.safetensors")
    assert run(["predict", str(folder), str(trained.parent / "wine.csv")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("vicinal: the network's output for sample 1 is not a finite number")


def test_masked_classes_have_no_probability():
    """Minus infinity among the logits is a probability of 0."""
    from vicinal.tasks.predictor import check_finite

    check_finite(torch.tensor([[1.0, -torch.inf]]).softmax(1))
