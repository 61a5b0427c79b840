"""What a training mixes where nobody says: the rules of ``vicinal advise`` decide."""

import json
from dataclasses import replace

import numpy as np
import pytest

from run_folders import silent
from vicinal import runs
from vicinal.cli import run
from vicinal.methods import METHODS
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.advice import LONG, SHORT, Situation, verdict
from vicinal.tasks.default_mix import choose_mix, default_mix
from vicinal.tasks.run_config import config_digest

FEW = Situation("images", 1_000, 10, 100, False, 0.0, parameters=413_000, pixels=32)


class TestWhatIsChosen:
    @pytest.mark.parametrize(
        ("changed", "mix", "words"),
        [
            ({}, "mixup+cutmix", "fewer than 500 images per class"),
            ({"samples": 500}, "mixup+cutmix", "fewer than 500 images per class"),
            ({"samples": 499}, "mixup", "fewer than 500 images per class"),
            ({"pixels": 8}, "mixup", "fewer than 500 images per class"),
            ({"several": True, "counts": (900, 900)}, "mixup", "fewer than 500 images per class"),
            ({"epochs": SHORT}, "none", "a short training"),
            ({"epochs": SHORT + 1}, "none", "no rule of vicinal advise is for"),
            ({"samples": 50_000}, "none", "the network is small"),
            (
                {"samples": 50_000, "parameters": 11_200_000},
                "mixup+cutmix",
                "the larger the network",
            ),
            ({"pretrained": True}, "manifoldmixup:0.2", "a long fine-tuning"),
            ({"pretrained": True, "epochs": 40}, "none", "no rule of vicinal advise is for"),
            ({"kind": "texts", "epochs": 10}, "none", "TREC"),
            ({"kind": "texts"}, "none", "no rule of vicinal advise is for"),
            ({"kind": "rows", "classes": None}, "none", "the targets are values"),
            (
                {"samples": 50_000, "is_transformer": True},
                "none",
                "arguments for mixing and against it: vicinal compare",
            ),
            ({"counts": (900, 50, 50)}, "remix", "remix and balancedmixup give rare classes more"),
            ({"counts": (900, 50, 50), "pretrained": True}, "remix", "give rare classes more"),
        ],
    )
    def test_it_follows_the_rules(self, changed, mix, words):
        found, why = default_mix(replace(FEW, **changed))
        assert found == mix
        assert words in why

    @pytest.mark.parametrize("epochs", [1, SHORT, SHORT + 1, LONG, 4 * LONG])
    @pytest.mark.parametrize("samples", [100, 10_000, 1_000_000])
    @pytest.mark.parametrize("pretrained", [False, True])
    def test_it_mixes_just_where_advice_recommends_it(self, epochs, samples, pretrained):
        situation = replace(FEW, epochs=epochs, samples=samples, pretrained=pretrained)
        mix, _ = default_mix(situation)
        recommended = verdict(situation) == "Recommended: train with mixing."
        assert (mix != "none") == recommended
        assert mix == "none" or METHODS.keys() >= set(mix.partition(":")[0].split("+"))

    @pytest.mark.parametrize(
        ("model", "mix"), [("densenet121", "manifoldmixup:0.2"), ("coat_tiny", "mixup:0.2")]
    )
    def test_a_network_of_unknown_stages_has_its_images_mixed(self, model, mix, monkeypatch):
        monkeypatch.setattr("vicinal.tasks.images._pretrained", lambda *_: (True, "requested"))
        options = TrainOptions("digits", model=model, size=224, epochs=LONG)
        task = make_task(options, find_split(options))
        choose_mix(task)
        assert task.options.mix == mix
        assert ("are not known" in dict(task.reasons)["mix"]) == (mix == "mixup:0.2")

    def test_the_reason_is_a_measurement_where_there_is_one(self):
        assert "(docs/results.md)" in default_mix(FEW)[1]


@pytest.mark.usefixtures("blank_pictures", "few_digits")
class TestInATraining:
    @pytest.fixture(autouse=True)
    def _in_an_empty_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_a_short_one_does_not_mix_and_says_why(self, tmp_path, capsys):
        assert run(["train", "digits", "--epochs", "1", "--out", "run"]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "mix: none (it is a short training" in said
        assert "mixing:" not in said
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        assert config["options"]["mix"] == config["resolved"]["mix"] == "none"

    @pytest.mark.parametrize(
        ("options", "mixing"),
        [
            ({"mix": "none"}, "none"),
            ({"mix": "cutmix"}, "CutMix(alpha=1.0"),
            ({"alpha": 0.2}, "MixUp(alpha=0.2"),  # a strength asks for mixing
        ],
    )
    def test_what_is_requested_is_done(self, tmp_path, options, mixing):
        lines = []
        runs.train(
            TrainOptions("digits", epochs=1, **options),
            tmp_path / "run",
            log=lambda *line: lines.append(line),
        )
        assert lines[-1][0] == "mixing"
        assert lines[-1][1].startswith(mixing)
        assert "mix" not in dict(lines)

    def test_a_run_that_chose_nothing_yet_goes_on_with_mixup(self, tmp_path):
        """As runs of earlier versions did, which wrote no choice."""
        folder = tmp_path / "run"
        runs.train(TrainOptions("digits", epochs=1, mix="mixup"), folder, log=silent)
        config = json.loads((folder / "config.json").read_text())
        config["options"]["mix"] = config["resolved"]["mix"] = None
        config["finished"], config["epochs_done"] = False, 0
        config["digest"] = config_digest(config)
        (folder / "config.json").write_text(json.dumps(config))
        lines = []
        runs.train(
            TrainOptions("digits"), folder, resume=True, log=lambda *line: lines.append(line)
        )
        assert lines[-1][1].startswith("MixUp(alpha=0.4")


class TestLength:
    @pytest.mark.parametrize(
        ("images", "epochs"), [(100, 100), (1200, 100), (1500, 80), (3000, 40), (9000, 20)]
    )
    def test_few_small_images_are_seen_more_often(self, tmp_path, images, epochs):
        arrays = {}
        for part, count in (("train", images), ("test", 10)):
            arrays[f"x_{part}"] = np.zeros((count, 8, 8), "uint8")
            arrays[f"y_{part}"] = np.arange(count) % 2
        np.savez(tmp_path / "data.npz", **arrays)
        options = TrainOptions(str(tmp_path / "data.npz"))
        assert make_task(options, find_split(options)).epochs == epochs

    def test_those_of_digits_are_enough_to_mix(self):
        options = TrainOptions("digits")
        assert make_task(options, find_split(options)).epochs >= LONG
