"""The rules of ``vicinal advise``: what they say of published results, and at their boundaries."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from vicinal.methods import METHODS
from vicinal.tasks.advice import (
    FEW,
    LARGE,
    LONG,
    RULES,
    SHORT,
    SMALL,
    Situation,
    rules_for,
    trial_for,
    verdict,
)

DOCS = Path(__file__).parents[2] / "docs"
# Between all thresholds: no rule is for mixing or against it.
PLAIN = Situation("images", 10_000, 10, 40, False, 0.0, parameters=10_000 * 20, pixels=32)


def published(samples, classes, epochs, millions, pretrained=False):
    return Situation(
        "images", samples, classes, epochs, pretrained, 0.0, parameters=round(1e6 * millions)
    )


def sides(situation):
    return {rule.side for rule in rules_for(situation)} - {"note"}


def text(situation):
    return " ".join(rule.text for rule in rules_for(situation))


IMAGENET, CIFAR = (1_281_167, 1000), (50_000, 10)


class TestOnPublishedResults:
    """Where mixing gained, the rules are for it; where it did not, they are not."""

    @pytest.mark.parametrize("epochs", [100, 300])
    def test_a_small_network_gains_nothing_on_many_images(self, epochs):
        assert sides(published(*IMAGENET, epochs, 11.7)) == {"against"}  # ResNet-18

    def test_a_large_one_gains(self):
        assert sides(published(*IMAGENET, 100, 44.2)) == {"for"}  # ResNeXt-101
        assert sides(published(*CIFAR, 200, 11.2)) == {"for"}  # ResNet-18

    def test_a_vision_transformer_gains_the_more_the_larger_it_is(self):
        small, large = (
            replace(published(*IMAGENET, 300, millions), is_transformer=True)
            for millions in (5.7, 22.1)
        )
        assert sides(small) == {"for", "against"}  # DeiT-T: 0.3 to 0.8 points
        assert sides(large) == {"for"}  # DeiT-S: 2.1 to 4.5 points
        assert sides(replace(large, epochs=SHORT)) == {"against"}

    def test_between_the_two_there_is_no_rule(self):
        assert sides(published(*IMAGENET, 100, 25.6)) == set()  # ResNet-50: 0.3 points

    def test_a_long_fine_tuning_gains_by_mixing_inside(self):
        birds = published(5_994, 200, 200, 23.4, pretrained=True)
        assert sides(birds) == {"for"}
        assert trial_for(birds).mixes == ("manifoldmixup", "mixup")
        assert trial_for(birds).longer is None

    def test_pretrained_weights_alone_decide_nothing(self):
        assert sides(published(5_994, 200, 40, 23.4, pretrained=True)) == set()

    @pytest.mark.parametrize("pretrained", [False, True])
    def test_short_trainings_do_not_gain(self, pretrained):
        short = published(*CIFAR, 5, 11.2, pretrained=pretrained)
        assert sides(short) == {"against"}
        assert verdict(short) == "Recommended: train without mixing first."
        assert trial_for(short).longer == LONG

    def test_what_was_measured_here(self):
        assert sides(published(*CIFAR, 20, 0.413)) == {"against"}
        assert sides(published(1_000, 10, 150, 0.413)) == {"for"}
        assert sides(published(1_438, 10, 20, 0.413)) == {"against"}  # digits


def noisy(share, epochs):
    return replace(PLAIN, label_noise=share, epochs=epochs)


class TestBoundaries:
    def test_no_rule_applies_between_them(self):
        assert sides(PLAIN) == set()
        assert verdict(PLAIN) == "Undecided: no known rule decides it."

    @pytest.mark.parametrize(
        ("applies", "just_not", "words"),
        [
            ({"epochs": SHORT}, {"epochs": SHORT + 1}, "short training"),
            (
                {"epochs": LONG, "parameters": 10_000 * LARGE},
                {"epochs": LONG - 1, "parameters": 10_000 * LARGE},
                "long training",
            ),
            (
                {"epochs": LONG, "parameters": 10_000 * LARGE},
                {"epochs": LONG, "parameters": 10_000 * LARGE - 1},
                "long training",
            ),
            (
                {"parameters": 10_000 * SMALL - 1},
                {"parameters": 10_000 * SMALL},
                "the network is small",
            ),
            (
                {"samples": 10 * FEW - 1, "epochs": LONG},
                {"samples": 10 * FEW, "epochs": LONG},
                "images per class",
            ),
            (
                {"samples": 10 * FEW - 1, "epochs": LONG},
                {"samples": 10 * FEW - 1, "epochs": LONG - 1},
                "images per class",
            ),
            (
                {"pretrained": True, "epochs": LONG},
                {"pretrained": True, "epochs": LONG - 1},
                "long fine-tuning",
            ),
            (
                {"pretrained": True, "epochs": LONG - 1},
                {"pretrained": True, "epochs": LONG},
                "begin with a weak one",
            ),
            (
                {"is_transformer": True, "epochs": LONG},
                {"is_transformer": True, "epochs": LONG - 1},
                "vision transformer",
            ),
            ({"label_noise": 0.1, "epochs": LONG}, {"label_noise": 0.09, "epochs": LONG}, "strong"),
            ({"label_noise": 0.1}, {"label_noise": 0.09}, "memorised late"),
            ({"counts": [100, 10]}, {"counts": [99, 10]}, "rare classes"),
            ({"counts": [100, 10]}, {"counts": [100, 10], "several": True}, "rare classes"),
            ({"several": True, "counts": [9, 9]}, {}, "several labels"),
            (
                {"epochs": 4 * LONG, "samples": 100},
                {"epochs": 4 * LONG - 1, "samples": 100},
                "end it early",
            ),
            ({"kind": "rows"}, {"kind": "texts"}, "on tables"),
            ({"kind": "rows", "classes": None}, {"kind": "rows"}, "values"),
            ({"classes": 10}, {"kind": "rows", "classes": None}, "calibration"),
            ({"kind": "masks"}, {}, "each pixel has a class"),
        ],
    )
    def test_a_rule_applies_just_there(self, applies, just_not, words):
        assert words in text(replace(PLAIN, **applies))
        assert words not in text(replace(PLAIN, **just_not))

    def test_every_rule_has_one(self):
        """The cases above meet every rule."""
        assert len(RULES) == 16

    def test_for_and_against_is_undecided(self):
        both = replace(PLAIN, epochs=LONG, label_noise=0.2, parameters=1000)
        assert sides(both) == {"for", "against"}
        assert verdict(both).startswith("Undecided: there are arguments")

    def test_the_size_counts_for_images_alone(self):
        assert "network is small" not in text(replace(PLAIN, kind="rows", parameters=1))

    def test_an_empty_class_counts_as_one_sample(self):
        assert replace(PLAIN, counts=[40, 0]).imbalance == 40


class TestGrounds:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text[:30])
    def test_every_rule_has_its_grounds(self, rule):
        assert rule.source or rule.measured
        assert rule.grounds.count("measured here: ") == bool(rule.measured)

    @pytest.mark.parametrize(
        "rule", [rule for rule in RULES if rule.measured], ids=lambda rule: rule.text[:30]
    )
    def test_what_was_measured_stands_on_the_page_that_is_named(self, rule):
        for part in re.findall(r"[^()]*(?:\([^()]*\)[^()]*)*?\(docs/[\w-]+\.md\)", rule.measured):
            page = re.search(r"\(docs/([\w-]+\.md)\)", part)[1]
            found = re.findall(r"\d+\.\d+", part)
            shown = (DOCS / page).read_text(encoding="utf-8")
            assert found
            assert [number for number in found if number not in shown] == []


class TestTrial:
    @pytest.mark.parametrize(
        ("situation", "mixes", "alphas"),
        [
            (PLAIN, ("mixup+cutmix", "mixup"), ()),
            (replace(PLAIN, samples=499), ("mixup", "mixup+cutmix"), ()),
            (replace(PLAIN, pixels=31), ("mixup", "mixup+cutmix"), ()),
            (replace(PLAIN, several=True), ("mixup", "mixup+cutmix"), ()),
            (replace(PLAIN, pretrained=True), ("manifoldmixup", "mixup"), (0.2, 0.5)),
            (replace(PLAIN, counts=[100, 5]), ("remix", "balancedmixup"), ()),
            (noisy(0.3, 200), ("mixup",), (0.4, 1.0, 8.0)),
            (replace(PLAIN, kind="texts"), ("mixup", "manifoldmixup"), ()),
            (replace(PLAIN, kind="rows", classes=None), ("cmixup", "mixup"), ()),
        ],
    )
    def test_it_names_methods_that_serve_the_data(self, situation, mixes, alphas):
        trial = trial_for(situation)
        assert (trial.mixes, trial.alphas) == (mixes, alphas)
        for mix in trial.mixes:
            for name in mix.split("+"):
                assert METHODS[name].layers_for(situation.kind) is not None
        assert str(trial).startswith(", then ".join(mixes))

    def test_a_longer_one_is_named_where_that_may_gain(self):
        assert trial_for(PLAIN).longer == LONG
        assert "also for 80 epochs" in str(trial_for(PLAIN))
        assert trial_for(replace(PLAIN, epochs=LONG)).longer is None
        assert trial_for(replace(PLAIN, parameters=1)).longer is None
        assert trial_for(replace(PLAIN, kind="texts")).longer is None


def test_what_was_looked_at_is_told():
    few = replace(PLAIN, samples=1000, parameters=413_000, counts=[90, 110])
    assert few.looked_at() == [
        ("size", "0.413 million parameters, 413 for each training sample"),
        ("classes", "100 training images each on average, 90 to 110"),
    ]
    values = replace(PLAIN, classes=None, parameters=25_000_000, samples=10_000_000)
    assert values.looked_at() == [("size", "25 million parameters, 2.5 for each training sample")]
