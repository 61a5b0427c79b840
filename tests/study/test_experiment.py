"""Experiments: the runs of a config, and that nothing is decided twice for them."""

from dataclasses import replace

import pytest
import torch

from vicinal.errors import VicinalError
from vicinal.study import experiment
from vicinal.study.arms import make_arms
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.result import digest
from vicinal.study.runner import _identified
from vicinal.tasks import TrainOptions


@pytest.fixture
def counted(monkeypatch):
    """How often tasks are made, and training sets modified."""
    counts = {"make_task": 0, "modify_training_set": 0}

    def counting(name, function):
        def call(*arguments):
            counts[name] += 1
            return function(*arguments)

        return call

    for name in counts:
        monkeypatch.setattr(experiment, name, counting(name, getattr(experiment, name)))
    return counts


def made(mixes, **options):
    config = ExperimentConfig(
        TrainOptions("digits"), mixes=mixes, epochs=(1,), **{"train_sizes": (64.0,)} | options
    )
    return Experiment(config)


def test_there_is_one_task_for_the_choices_and_one_for_each_run(counted):
    found = made(("none", "mixup"))
    assert counted["make_task"] == 1
    for run in found.runs(2):
        found.prepare(*run)
    assert counted["make_task"] == 1 + 4


def test_the_data_of_a_seed_are_modified_once(counted):
    found = made(("none", "mixup"), label_noise=0.5)
    prepared = [found.prepare(*run) for run in found.runs(2)]
    assert counted["modify_training_set"] == 2
    assert prepared[0].noisy.equal(prepared[1].noisy)
    assert not prepared[0].noisy.equal(prepared[2].noisy)


def test_checking_the_arms_leaves_no_trace_in_their_runs():
    """A method that mixes inside the network is tried on a learner; a run begins anew."""
    found = made(("none", "manifoldmixup"))
    arm = found.arms[1]
    first, second = (found.prepare(arm, 0).learn for _ in range(2))
    assert first.model is not second.model
    for one, two in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert found.task.options.mix == "none"


def test_results_of_an_older_version_count_as_those_of_the_same_settings(tmp_path):
    """It had fewer options; one that is set makes other settings."""
    found = made(("none", "mixup"))
    old = (
        "data", "recipe", "mix", "alpha", "model", "pretrained", "epochs", "batch_size", "lr",
        "size", "valid", "label", "label_pattern", "precision", "compile", "track", "seed",
        "skip_bad", "stream",
    )  # fmt: skip
    options = {name: getattr(found.resolved, name) for name in old}
    found.resolved = TrainOptions(**options)  # as they are read from its folder
    assert found.store(tmp_path).settings(found.arms[0]) == digest([options, 64.0, 0.0])

    found.resolved = replace(found.resolved, flip=False)
    assert found.store(tmp_path).settings(found.arms[0]) != digest([options, 64.0, 0.0])


class TestMaps:
    def test_each_cell_trains_as_a_comparison_of_its_size_alone(self, counted):
        sizes = (64.0, 400.0, 32.0)
        found = made(("none", "mixup"), train_sizes=sizes)
        for size in sizes:
            alone = made(("none", "mixup"), train_sizes=(size,))
            for ours, theirs in zip(
                [arm for arm in found.arms if arm.train_size == size], alone.arms, strict=True
            ):
                one, other = (e.prepare(a, 1).learn for e, a in ((found, ours), (alone, theirs)))
                assert one.dls.bs == other.dls.bs == min(64, size // 4)
                batches, same = list(one.dls.train), list(other.dls.train)
                assert len(batches) == size // one.dls.bs
                for (x, y), (x2, y2) in zip(batches, same, strict=True):
                    assert torch.equal(y, y2)
                    assert torch.equal(x, x2)
        assert found.choices["batch size"].split("; ") == [
            "16 (64 training images)",
            "64 (400 training images)",
            "8 (32 training images)",
        ]

    def test_the_cheapest_cells_come_first_each_with_all_its_seeds(self):
        config = ExperimentConfig(
            TrainOptions("digits"), ("none", "mixup"), (), (1, 5), (64.0, 128.0), first_seed=3
        )
        runs = Experiment(config).runs(2)
        assert [(arm.train_size, arm.epochs) for arm, _ in runs[::4]] == [
            (64.0, 1), (128.0, 1), (64.0, 5), (128.0, 5),
        ]  # fmt: skip
        assert [(arm.mix, seed) for arm, seed in runs[:4]] == [
            ("none", 3), ("mixup", 3), ("none", 4), ("mixup", 4),
        ]  # fmt: skip

    def test_results_of_the_first_size_are_those_of_a_comparison_of_it_alone(self, tmp_path):
        alone, grown = (made(("none", "mixup"), train_sizes=s) for s in ((64.0,), (64.0, 128.0)))
        stores = [each.store(tmp_path) for each in (alone, grown)]
        for one, other in zip(alone.arms, grown.arms, strict=False):
            assert one.name == other.name
            assert stores[0].settings(one) == stores[1].settings(other)
        others = [arm.name for arm in grown.arms[2:]]
        assert others == ["none-1-of-128", "mixup-0.4-1-of-128"]
        assert stores[1].settings(grown.arms[0]) != stores[1].settings(grown.arms[2])


def test_the_command_repeats_arms_of_earlier_versions_which_gave_alphas_to_no_sum():
    mixes, alphas = ("none", "mixup", "mixup+cutmix"), (0.1, 0.4)
    config = ExperimentConfig(TrainOptions("digits"), mixes, alphas, (1,))
    existing = ["none-1", "mixup-0.1-1", "mixup-0.4-1", "mixup+cutmix-1"]
    command = Experiment(config, existing=existing).command(2)
    assert command.endswith("--mix none,mixup:0.1,mixup:0.4,mixup+cutmix --seeds 2")
    again = make_arms(command.split()[6].split(","), (), [1], config.options)
    assert [arm.name for arm in again] == existing
    # Where this version has made them, it is what the user has typed.
    assert "--mix none,mixup,mixup+cutmix --alpha 0.1,0.4" in Experiment(config).command(2)


def test_targets_are_identified_as_by_earlier_versions_which_read_values_in_float32():
    values, classes = torch.tensor([[0.1], [1.7e9 + 1]], dtype=torch.float64), torch.tensor([2, 0])
    assert _identified(values, True).tolist() == values.float().tolist() != values.tolist()
    assert _identified(values, False) is values  # of a user's own tensors
    assert _identified(classes, True) is classes


def test_a_network_that_a_method_cannot_look_with_is_refused_before_any_run():
    config = ExperimentConfig(TrainOptions("digits"), ("none", "mixup", "snapmix"))
    with pytest.raises(VicinalError, match="SnapMix finds no feature maps"):
        Experiment(config)
