"""Arms, and the options that name them."""

import pytest

from vicinal.errors import VicinalError
from vicinal.study.arms import Arm, comparisons, make_arms
from vicinal.study.formatting import parse_list
from vicinal.tasks import TrainOptions


def made(mixes, alphas=(), epochs=(5,)):
    return make_arms(mixes, alphas, epochs, TrainOptions("digits"))


def test_every_method_with_every_alpha_for_every_length():
    arms = made(["none", "mixup", "fmix"], [0.1, 1.0], [20, 5])
    assert [arm.name for arm in arms] == [
        "none-5", "mixup-0.1-5", "mixup-1-5", "fmix-0.1-5", "fmix-1-5",
        "none-20", "mixup-0.1-20", "mixup-1-20", "fmix-0.1-20", "fmix-1-20",
    ]  # fmt: skip


def test_the_baseline_is_the_arm_without_mixing_of_the_same_length():
    arms = made(["mixup", "none", "cutmix"], epochs=[5, 20])
    assert [(a.name, b.name) for a, b in comparisons(arms)] == [
        ("mixup-0.4-5", "none-5"),
        ("cutmix-1-5", "none-5"),
        ("mixup-0.4-20", "none-20"),
        ("cutmix-1-20", "none-20"),
    ]


def test_without_such_an_arm_the_first_is_the_baseline():
    arms = made(["mixup"], [0.1, 0.4])
    assert comparisons(arms) == [(Arm("mixup", 0.4, 5), Arm("mixup", 0.1, 5))]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((["none"],), "is one arm"),
        ((["none", "none"],), "--mix names none twice"),
        ((["none", "mixup"], [0.4, 0.4]), "--alpha names 0.4 twice"),
        ((["none", "mixup"], [], [5, 5]), "--epochs names 5 twice"),
        ((["none", "mixpu"],), "did you mean mixup"),
        ((["none", "resizemix"], [0.4]), "--alpha does not apply to --mix none,resizemix"),
        ((["none", "resizemix+smoothmix"], [0.4]), "--alpha does not apply to"),
        ((["none", "mixup"], [0.4, 0.0]), "--alpha 0 mixes nothing"),
        ((["none", "mixup"], [float("inf")]), "--alpha must be a finite number"),
        ((["none", "mixup"], [], [0]), "--epochs must be 1 or more"),
        ((["none", "cutmix", "mixup:0.2+cutmix"], [0.4]), "--alpha 0.4 contradicts the strength"),
        ((["none", "mixup:0.2"], [0.4]), "--alpha does not apply to --mix none,mixup:0.2"),
        ((["none", "mixup", "mixup:0.4"],), "mixup and mixup:0.4 are the same arm twice"),
        ((["none", "mixup:0.4", "mixup"], [0.4]), "mixup:0.4 is the same arm twice"),
        ((["none", "mixup:off_epoch=5"],), "off_epoch=5 is not before the end of 5 epochs"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, sentence):
    with pytest.raises(VicinalError, match=sentence):
        made(*arguments)


def test_alpha_defaults_to_that_of_the_method():
    arms = made(["none", "manifoldmixup", "resizemix", "mixup+cutmix"])
    assert [arm.method for arm in arms] == [
        "none",
        "manifoldmixup α = 2",
        "resizemix",
        "mixup+cutmix",
    ]


def test_mixes_with_settings_are_arms_beside_names():
    arms = made(
        ["none", "mixup:0.2", "mixup:0.8+cutmix:1:prob=0.5", "cutmix:0.2", "mixup+cutmix"],
        epochs=[4],
    )
    assert [arm.method for arm in arms] == [
        "none",
        "mixup α = 0.2",
        "mixup:0.8+cutmix:1:prob=0.5",
        "cutmix α = 0.2",
        "mixup+cutmix",
    ]
    assert [arm.name for arm in arms] == [
        "none-4",
        "mixup-0.2-4",
        "mixup-0.8+cutmix-1-prob=0.5-4",
        "cutmix-0.2-4",
        "mixup+cutmix-4",
    ]
    for arm in arms:  # what an arm says can be typed again
        alphas = [] if arm.alpha is None else [arm.alpha]
        assert make_arms([arm.mix, "fmix:9"], alphas, [4], TrainOptions("digits"))[0] == arm


def test_every_alpha_is_that_of_each_method_which_is_given_none():
    arms = made(["none", "mixup:0.2", "mixup+cutmix", "resizemix", "mixup:prob=0.5"], [0.1, 0.4])
    assert [(arm.mix, arm.alpha) for arm in arms] == [
        ("none", None),
        ("mixup", 0.2),
        ("mixup:0.1+cutmix:0.1", None),
        ("mixup:0.4+cutmix:0.4", None),
        ("resizemix", None),
        ("mixup:0.1:prob=0.5", None),
        ("mixup:0.4:prob=0.5", None),
    ]


@pytest.mark.parametrize(
    ("mix", "name"),
    [
        ("manifoldmixup:layers=hidden.*/a?", "manifoldmixup-layers=hidden.%2A,a%3F-5"),
        ('manifoldmixup:layers=<"|\\%>', "manifoldmixup-layers=%3C%22%7C%5C%25%3E-5"),
    ],
)
def test_names_of_files_are_allowed_on_every_system(mix, name):
    assert made(["none", mix])[1].name == name


def test_names_of_files_stay_short_and_different():
    long = "+".join(["mixup:0.25", "cutmix:0.125"] * 9)
    names = [arm.name for arm in made([f"{long}+fmix", f"{long}+gridmix"])]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 130


@pytest.mark.parametrize("text", ["5,", "", ",", "five", "5;20", "5 20"])
def test_a_malformed_list_is_refused(text):
    with pytest.raises(VicinalError, match="--epochs takes whole numbers, separated by commas"):
        parse_list("epochs", text, int, "whole numbers")


def test_a_list_that_is_not_given_is_empty():
    assert parse_list("epochs", None, int, "whole numbers") == ()
