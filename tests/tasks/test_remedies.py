"""Methods that are more than a mixer, from the command line's names to the run folder."""

import json
import shutil

import pandas as pd
import pytest
import torch
from torchvision.transforms.v2.functional import to_pil_image

from run_folders import silent
from vicinal import (
    KernelMixUp,
    ManifoldMixUp,
    MixUp,
    MixUpMP,
    Predictor,
    RegMixUp,
    RescaledMixUp,
    Schedule,
    VicinalError,
    runs,
)
from vicinal.learner.checkpoint import load_rescaling
from vicinal.learner.tensor_file import write_tensors
from vicinal.study import planning
from vicinal.study.budget import Cost
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.mixers import make_mixer

pytestmark = pytest.mark.usefixtures("blank_pictures")

# A tenth of the digits, so that a training takes less than a second.
FEW = {"data": "digits", "valid": 0.9, "epochs": 1, "model": "resnet9", "precision": "fp32"}


@pytest.fixture(scope="module")
def digits():
    return find_split(TrainOptions(**FEW))


def mixing_of(mix, split, **options):
    task = make_task(TrainOptions(**{**FEW, **options}, mix=mix), split)
    return task.mixer(task.learner())


@pytest.mark.parametrize(
    ("mix", "kind", "settings"),
    [
        ("regmixup", RegMixUp, {"eta": 1.0, "alpha": 10.0}),
        ("regmixup:20:eta=0.5", RegMixUp, {"eta": 0.5, "alpha": 20.0}),
        ("mixupmp:r=2", MixUpMP, {"eta": 2.0, "alpha": 1.0}),
        ("rescaledmixup:0.2", RescaledMixUp, {"alpha": 0.2}),
    ],
)
def test_the_text_says_what_the_callback_gets(mix, kind, settings, digits):
    mixing = mixing_of(mix, digits, seed=3)
    assert type(mixing) is kind
    assert type(mixing.mixer) is MixUp
    assert mixing.mixer.random.seed == 3
    found = {**vars(mixing), "alpha": mixing.mixer.alpha}
    assert {name: found[name] for name in settings} == settings


def test_regmixup_may_end_and_kernelmixup_has_its_settings(digits):
    mixing = mixing_of("regmixup:until=0.5", digits)
    assert type(mixing.mixer) is Schedule
    mixer = mixing_of("kernelmixup:tau_max=0.1:tau_std=1.25", digits)
    assert (type(mixer), mixer.tau_max, mixer.tau_std) == (KernelMixUp, 0.1, 1.25)


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("rescaledmixup+cutmix", "rescaledmixup cannot take turns with others: name it alone"),
        ("regmixup+cutmix", "regmixup cannot take turns"),
        ("regmixup:eta=-1", "eta must be a number, 0 or more, not -1"),
        ("regmixup:etta=1", "did you mean eta"),
        ("kernelmixup:tau_std=0", "tau_std must be a number above 0, not 0"),
        ("kernelmixup:0.4", "kernelmixup"),
    ],
)
def test_mistakes_are_one_sentence(mix, sentence):
    with pytest.raises(VicinalError, match=sentence):
        TrainOptions(**FEW, mix=mix)


@pytest.mark.parametrize("end", ["until=0.5", "off_epoch=1"])
def test_rescaled_mixing_does_not_end_before_the_training(end):
    name = end.partition("=")[0]
    with pytest.raises(VicinalError, match=f"mix in the whole training: leave out {name}"):
        make_mixer(TrainOptions(**{**FEW, "epochs": 9}, mix=f"rescaledmixup:{end}"))


@pytest.fixture
def table(tmp_path):
    g = torch.Generator().manual_seed(0)
    numbers = torch.randn(80, 2, generator=g)
    frame = pd.DataFrame(numbers.numpy(), columns=["a", "b"])
    frame["kind"] = ["x", "y", "z", "x"] * 20
    frame["label"] = numbers.sum(1).numpy()
    frame.to_csv(tmp_path / "table.csv", index=False)
    return str(tmp_path / "table.csv")


@pytest.mark.parametrize("mix", ["regmixup", "mixupmp", "kernelmixup"])
def test_rows_are_mixed_inside_of_the_network(table, mix):
    options = TrainOptions(table, label="label", epochs=1, mix=mix)
    task = make_task(options, find_split(options))
    learn = task.learner()
    mixing = task.mixer(learn)
    mixer = getattr(mixing, "mixer", mixing) if mix != "kernelmixup" else mixing
    assert type(mixer) is ManifoldMixUp
    with learn.no_logging():
        task.fit(learn.add_cbs(mixing), 1, 0.01)
    assert not any(module._forward_hooks for module in learn.model.modules())


def test_rows_cannot_be_rescaled(table):
    options = TrainOptions(table, label="label", mix="rescaledmixup")
    split = find_split(options)
    with pytest.raises(VicinalError, match="rescaledmixup does not go with rows: use none, or one"):
        make_task(options, split)


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    """The folder of a run, and the learner that was trained in it."""
    folder, learners = tmp_path_factory.mktemp("runs") / "run", []

    class Kept(RescaledMixUp):
        def after_fit(self, learn):
            super().after_fit(learn)
            learners.append(learn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vicinal.learner.rescaledmixup.RescaledMixUp", Kept)
        runs.train(TrainOptions(**FEW, mix="rescaledmixup"), folder, log=silent)
    return folder, learners[0]


def test_a_run_predicts_as_its_learner_did(run, digits):
    folder, learn = run
    predictor = Predictor.load(folder)
    samples = [to_pil_image(torch.as_tensor(digits.valid.images[i])) for i in range(5)]
    found = torch.stack(list(predictor.predict(samples)))
    assert torch.allclose(found, learn.get_preds()[0][:5], atol=1e-5)
    assert predictor.rescaling.theta == pytest.approx(0.8398, abs=1e-4)
    predictor.rescaling = None
    assert not torch.allclose(torch.stack(list(predictor.predict(samples))), found, atol=1e-4)


def test_a_run_says_that_it_is_rescaled_and_misses_the_file(run, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "run")
    assert json.loads((folder / "config.json").read_text())["rescaled"] is True
    (folder / "rescaling.safetensors").unlink()
    with pytest.raises(VicinalError, match=r"rescaling\.safetensors is missing"):
        Predictor.load(folder)
    assert runs.RESCALING in runs.OWN  # which another run in this folder removes


def test_a_file_that_holds_something_else_says_what_is_missing_in_it(tmp_path):
    write_tensors(tmp_path / "other", {"theta": torch.tensor(0.8)})
    with pytest.raises(VicinalError, match=r"other cannot be read \('mean_x' is missing in it\)"):
        load_rescaling(tmp_path / "other")


class TestCompare:
    def test_arms_have_their_names_and_their_costs(self):
        mixes = ("none", "mixup", "regmixup:eta=0.5", "mixupmp", "rescaledmixup", "kernelmixup")
        experiment = Experiment(ExperimentConfig(TrainOptions(**FEW), mixes, epochs=(1,)))
        passes = {arm.name: experiment.passes(arm) for arm in experiment.arms}
        assert passes == {
            "none-1": 1,
            "mixup-0.4-1": 1,
            "regmixup-eta=0.5-1": 2,
            "mixupmp-1-1": 2,
            "rescaledmixup-0.4-1": 1,
            "kernelmixup-1": 1,
        }

    def test_the_budget_counts_both_halves(self, monkeypatch):
        tried = []

        def measured(make, *_):
            learn = make()
            tried.append([type(cb).__name__ for cb in learn.cbs])
            return Cost(1.0, 10.0 * len(tried), 0.0)

        monkeypatch.setattr(planning, "measure_cost", measured)
        mixes = ("none", "regmixup", "mixup")
        experiment = Experiment(ExperimentConfig(TrainOptions(**FEW), mixes, epochs=(1,)))
        costs = planning.expected_seconds(experiment, None)
        assert tried == [["RegMixUp"], ["MixBatches"]]
        assert [costs[arm.name] for arm in experiment.arms] == [21.0, 11.0, 21.0]
