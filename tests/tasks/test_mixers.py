"""What mixes in a training: names from the command line, and objects from Python."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from run_folders import assert_same, left, silent
from vicinal import (
    Callback,
    Choice,
    CutMix,
    ManifoldMixUp,
    MixUp,
    Near,
    Schedule,
    SnapMix,
    VicinalError,
    recipes,
    runs,
)
from vicinal.data import storage
from vicinal.mixes import parse_mix
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.mixers import check_partners

pytestmark = pytest.mark.usefixtures("blank_pictures")

OPTIONS = TrainOptions("photos", epochs=1, batch_size=16, precision="fp32", seed=3)


@pytest.fixture(autouse=True)
def _in_a_folder_with_photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        file = Path("photos") / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)


def train(folder, mix, **kwargs):
    lines = []
    options = replace(OPTIONS, mix=mix)
    runs.train(options, folder, log=lambda *line: lines.append(line), **kwargs)
    return dict(lines)


class Mixing(Callback):
    order = 50

    def __init__(self, mixer):
        self.mixer = mixer

    def before_batch(self, learn):
        if learn.training:
            learn.x, learn.y = self.mixer(learn.x, learn.y, inplace=True)


OBJECTS = {
    "mixer": MixUp(0.4),
    "class": MixUp,
    "function": lambda learn: MixUp(0.4, seed=9),
    "callback": Mixing(MixUp(0.4, seed=3)),
}


@pytest.mark.slow
def test_an_object_trains_as_its_name_does(tmp_path):
    train(tmp_path / "name", "mixup")
    train(tmp_path / "none", "none")
    with pytest.raises(AssertionError):
        assert_same(left(tmp_path / "none"), left(tmp_path / "name"))
    for kind, mixer in OBJECTS.items():
        lines = train(tmp_path / kind, mixer)
        assert_same(left(tmp_path / kind), left(tmp_path / "name"))
        assert "Mix" in lines["mixing"]
        has_picture = (tmp_path / kind / "mixed_batch.png").exists()
        assert has_picture == (kind != "callback")  # what a callback does cannot be seen
        mix = json.loads((tmp_path / kind / "config.json").read_text())["options"]["mix"]
        assert "seed" not in mix
        assert "0x" not in mix


def test_the_mixer_that_is_given_is_not_used_up(tmp_path):
    mixer = MixUp(0.4, seed=8)
    train(tmp_path / "run", mixer)
    assert mixer.state_dict() == {"seed": 8, "draws": 0}


@pytest.mark.parametrize(
    "mix",
    [
        "mixup+cutmix",
        Choice([MixUp(0.8), CutMix()], p=[0.5, 0.4]),
        Schedule(MixUp(), until=0.5),
        Choice([Schedule(MixUp(), alpha=(0.1, 1.0)), CutMix()]),
    ],
)
def test_a_picture_does_not_advance_the_mixer(tmp_path, mix):
    task = make_task(replace(OPTIONS, mix=mix), find_split(OPTIONS))
    learn = task.learner()
    mixer = task.mixer(learn)
    before = [each.state_dict() for each in mixer.nested()]
    draw = task.picture(learn, mixer)
    assert draw() is not None
    assert [each.state_dict() for each in mixer.nested()] == before


def test_a_picture_lends_the_network_to_a_mixer_that_looks():
    task = make_task(replace(OPTIONS, mix=SnapMix()), find_split(OPTIONS))
    learn = task.learner()
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    learn.model = nn.Sequential(nn.Conv2d(3, 4, 3), *pooled)
    mixer = task.mixer(learn)
    assert task.picture(learn, mixer)() is not None
    with pytest.raises(VicinalError, match="SnapMix looks with a model and has none"):
        mixer.draw(torch.rand(4, 3, 8, 8), torch.arange(4) % 2)


def test_of_what_may_be_mixed_in_the_network_there_is_no_picture():
    def mix(learn):
        return Choice([MixUp(), ManifoldMixUp(learn.model, "head")], per="batch")

    task = make_task(replace(OPTIONS, mix=mix), find_split(OPTIONS))
    learn = task.learner()
    assert task.picture(learn, task.mixer(learn)) is None


class TestResuming:
    def stopped(self, tmp_path, monkeypatch, mix):
        def stop(run, learn):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(runs.Run, "after_batch", stop, raising=False)
            with pytest.raises(KeyboardInterrupt):
                train(tmp_path / "run", mix)

    def test_the_same_object_is_needed(self, tmp_path, monkeypatch):
        self.stopped(tmp_path, monkeypatch, MixUp(0.3))
        with pytest.raises(
            VicinalError, match=r"begun from Python with mix=MixUp.*: pass it again"
        ):
            train(tmp_path / "run", None, resume=True)
        with pytest.raises(VicinalError, match=r"begun with --mix MixUp\(.*, not with --mix MixUp"):
            train(tmp_path / "run", MixUp(0.2), resume=True)
        train(tmp_path / "run", MixUp(0.3), resume=True)
        train(tmp_path / "whole", MixUp(0.3))
        assert_same(left(tmp_path / "run"), left(tmp_path / "whole"))

    def test_a_recipe_brings_its_own(self, tmp_path, monkeypatch):
        recipe = recipes.load("imagenette")
        defaults = {**recipe.defaults, "mix": CutMix(), "model": "resnet9", "size": 8}
        changed = replace(recipe, defaults=defaults)
        monkeypatch.setattr(recipes, "load", lambda name: changed)
        options = replace(OPTIONS, recipe="imagenette")

        def stop(run, learn):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(runs.Run, "before_train", stop, raising=False)
            with pytest.raises(KeyboardInterrupt):
                runs.train(options, tmp_path / "run", log=silent)
        lines = []
        runs.train(options, tmp_path / "run", resume=True, log=lambda *line: lines.append(line))
        assert dict(lines)["mixing"].startswith("CutMix(alpha=1.0")


@pytest.mark.parametrize(
    ("mix", "alpha", "sentence"),
    [
        (MixUp(), 0.4, "--alpha does not apply to a mixer from Python"),
        (3, None, "mix must be a name, a mixer such as MixUp\\(\\), a callback, .*, not 3"),
        (lambda learn: "mixup", None, "mix must be a name, .*, not 'mixup'"),
    ],
)
def test_mistakes(mix, alpha, sentence, tmp_path):
    with pytest.raises(VicinalError, match=sentence):
        runs.train(replace(OPTIONS, mix=mix, alpha=alpha), tmp_path / "run", log=silent)
    assert not (tmp_path / "run").exists()


def test_where_images_are_is_chosen_once(tmp_path, monkeypatch):
    chosen, original = [], storage.choose_storage

    def choose(*arguments, **kwargs):
        # As when another program takes memory and disk meanwhile.
        room = kwargs.pop("room") if not chosen else 0
        chosen.append(original(*arguments, room=room, **kwargs))
        return chosen[-1]

    monkeypatch.setattr(storage, "choose_storage", choose)
    task = make_task(OPTIONS, find_split(OPTIONS))
    task.loaders()
    assert [task.storage] == chosen
    assert ("images", task.storage.text) in task.reasons


def test_a_mixer_that_holds_a_model_is_refused_as_its_copy_would_not_be_trained(tmp_path):
    class ByModel(MixUp):
        def __init__(self, network):
            super().__init__()
            self._network = network

    with pytest.raises(VicinalError, match=r"holds a model.* ByModel\(learn.model"):
        train(tmp_path / "a", Choice([ByModel(torch.nn.Linear(2, 2))]))
    network = torch.nn.Linear(2, 2)
    for held in (network, network.forward):
        with pytest.raises(VicinalError, match="holds a model"):
            train(tmp_path / "a", MixUp(partners=Near(held)))
    train(tmp_path / "b", lambda learn: ByModel(learn.model))
    frozen = torch.nn.Linear(2, 2).requires_grad_(False)  # such as a pretrained one that looks
    train(tmp_path / "c", ByModel(frozen))


@pytest.mark.parametrize("mix", ["mixup:partners=other_class", "mixup+cutmix:partners=near"])
def test_partners_are_those_of_the_command(mix):
    options = replace(OPTIONS, mix=mix)
    mixer = make_task(options, find_split(options)).batch_mixer()
    assert mixer.partners == mix.partition("partners=")[2]
    y = torch.arange(12) % 2
    target = mixer(torch.rand(12, 3, 8, 8), y)[1]
    assert mixer.partners == "near" or (target.own != target.partner).all()


def test_partners_by_class_are_for_classes():
    with pytest.raises(VicinalError, match=r"goes by classes, and these are several labels of eac"):
        check_partners(parse_mix("mixup:partners=same_class"), "labels")
    with pytest.raises(VicinalError, match=r"mixup:partners=same_class: .* these are values: use"):
        check_partners(parse_mix("mixup:partners=same_class"), "values")
    check_partners(parse_mix("mixup:partners=far"), "values")


@pytest.mark.parametrize("partners", ["same_class", "near"])
def test_partners_by_the_batch_are_refused_where_predictions_are_rescaled(partners):
    with pytest.raises(VicinalError, match=f"rescales .* partners={partners}: leave it out"):
        check_partners(parse_mix(f"rescaledmixup:partners={partners}"), "classes")
    check_partners(parse_mix("rescaledmixup:partners=shuffle"), "classes")
