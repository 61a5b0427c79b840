"""Recipes: each trains by its name, and the user's options override its defaults."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from two_processes import launch
from vicinal import CutMix, VicinalError, recipes
from vicinal.cli import run
from vicinal.mixes import parse_mix
from vicinal.recipes import cifar10_fast
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.default_mix import choose_mix
from vicinal.tasks.predictor import Predictor

pytestmark = pytest.mark.usefixtures("blank_pictures")

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two classes of 32 pixels that differ in colour."""
    generator = np.random.default_rng(0)
    for number in range(60):
        pixels = generator.integers(0, 156, (32, 32, 3), dtype=np.uint8)
        pixels[..., number % 2] += 100
        file = tmp_path / "photos" / ("red", "green")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


OPTIONS = {
    "cifar10-fast": ["--epochs", "4", "--batch-size", "8"],
    "cifar10-best": ["--epochs", "1", "--batch-size", "16"],
    "imagenette": ["--epochs", "1", "--batch-size", "16", "--size", "32", "--model", "resnet9"],
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=[pytest.mark.slow] if each == "cifar10-best" else [])
        for each in recipes.NAMES
    ],
)
def test_each_trains_and_its_network_predicts(photos, capsys, name):
    options = [*OPTIONS[name], "--precision", "fp32", "--out", "run"]
    assert run(["train", "photos", "--recipe", name, *options]) == 0
    printed = capsys.readouterr().out
    assert f"(the recipe {name})" in printed
    assert "(as requested)" in printed
    config = json.loads((photos / "run" / "config.json").read_text())
    assert config["options"]["recipe"] == name
    own = recipes.load(name).defaults.get("mix", "none")  # which is chosen for few epochs
    assert config["options"]["mix"] == own  # in the picture too
    files = sorted((photos / "photos" / "red").iterdir())[:2]
    probabilities = torch.stack(list(Predictor.load("run").predict(files)))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2))


@pytest.mark.slow
def test_the_fast_one_learns(photos):
    options = [*OPTIONS["cifar10-fast"], "--out", "run"]
    assert run(["train", "photos", "--recipe", "cifar10-fast", *options]) == 0
    rows = [json.loads(row) for row in (photos / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["valid_accuracy"] == 1


@pytest.mark.slow
def test_the_fast_one_trains_in_two_processes(photos):
    options = ["--recipe", "cifar10-fast", *OPTIONS["cifar10-fast"]]
    done = launch("-m", "vicinal", "train", "photos", *options, cwd=photos)
    assert done.returncode == 0, done.stderr


def test_the_users_options_take_precedence(photos, capsys):
    options = ["--mix", "cutmix", "--model", "resnet9", "--lr", "0.05", *OPTIONS["cifar10-best"]]
    assert run(["train", "photos", "--recipe", "cifar10-best", *options]) == 0
    printed = capsys.readouterr().out
    assert "model:          resnet9 (as requested)" in printed
    assert "learning rate:  0.05 (as requested)" in printed
    assert "mixing:         CutMix(" in printed


@pytest.mark.parametrize(
    ("options", "alpha"), [({}, 0.2), ({"alpha": 0.7}, 0.7), ({"mix": "cutmix"}, 1.0)]
)
def test_the_strength_of_a_recipe_gives_way_to_the_users(options, alpha):
    options = TrainOptions("digits", recipe="cifar10-best", **options)
    mixer = make_task(options, find_split(options)).batch_mixer()
    assert isinstance(mixer, CutMix)
    assert mixer.alpha == alpha


def test_a_strength_for_a_recipe_that_does_not_mix():
    options = TrainOptions("digits", recipe="cifar10-fast", alpha=0.2)
    split = find_split(options)
    with pytest.raises(VicinalError, match=r"in place of --alpha 0\.2 give --mix mixup:0\.2"):
        make_task(options, split)


@pytest.mark.parametrize(("epochs", "mix"), [(20, "none"), (80, "mixup+cutmix")])
def test_imagenette_mixes_in_long_trainings(epochs, mix):
    options = TrainOptions("digits", recipe="imagenette", epochs=epochs)
    task = make_task(options, find_split(options))
    choose_mix(task)
    assert task.options.mix == mix


def test_the_users_mix_may_take_turns_inside_of_the_network():
    mix = "cutmix+manifoldmixup:layers=features.0/features.3:prob=0.5"
    options = TrainOptions("digits", recipe="cifar10-best", model="resnet9", mix=mix)
    task = make_task(options, find_split(options))
    found = task.mixer(task.learner())
    assert found.p == (0.25, 0.25)
    assert found.mixers[1].layers == ("features.0", "features.3")


@pytest.mark.parametrize("name", recipes.NAMES)
def test_the_mix_of_each_can_be_typed_and_its_page_says_it(name):
    mix = recipes.load(name).defaults.get("mix")
    if mix is not None:
        assert parse_mix(mix).text == mix
    if mix not in (None, "none"):
        assert f"`{mix}` by default" in PAGE.read_text()


def test_filters_have_a_fixed_norm():
    torch.manual_seed(0)
    filters, others = torch.nn.Parameter(torch.randn(8, 4, 3, 3)), torch.nn.Parameter(torch.ones(3))
    optimizer = cifar10_fast.muon([{"params": [filters, others], "lr": 0.1}], 0.1)
    learn = type("Learn", (), {"optimizer": optimizer})
    cifar10_fast.UnitFilters().before_step(learn)
    torch.testing.assert_close(filters.norm(), torch.tensor(8**0.5))
    assert others.equal(torch.ones(3))


def test_steps_of_filters_are_orthogonal():
    """Muon's steps: all singular values are about the learning rate."""
    torch.manual_seed(0)
    filters = torch.nn.Parameter(torch.zeros(8, 4, 3, 3))
    optimizer = cifar10_fast.muon([{"params": [filters], "lr": 0.1}], 0.1)
    filters.grad = torch.randn(8, 4, 3, 3)
    optimizer.step()
    values = torch.linalg.svdvals(filters.detach().flatten(1)) / 0.1
    assert 0.5 < values.min() <= values.max() < 1.5


def test_a_mistyped_name_is_an_error():
    with pytest.raises(
        VicinalError, match="no recipe named cifar10_fast: did you mean cifar10-fast"
    ):
        recipes.load("cifar10_fast")
    with pytest.raises(VicinalError, match="there are cifar10-fast, cifar10-best, imagenette"):
        recipes.load("bread")
