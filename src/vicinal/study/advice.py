"""Advice before any training: published rules of thumb, each with its source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Side = Literal["for", "against", "note"]


@dataclass(frozen=True)
class Situation:
    """What is known about a training before it begins.

    Args:
        kind: of the data: images, texts or rows.
        samples: how many, for training.
        classes: how many; None for values.
        epochs: the length of the training.
        pretrained: whether it starts from pretrained weights.
        label_noise: the share of labels that are wrong, as far as the user knows.
    """

    kind: str
    samples: int
    classes: int | None
    epochs: int
    pretrained: bool
    label_noise: float

    @property
    def per_class(self) -> float:
        return self.samples / (self.classes or 1)


@dataclass(frozen=True)
class Rule:
    """An argument for mixing or against it, when it applies, and its source."""

    side: Side
    applies: Callable[[Situation], bool]
    text: str
    source: str


LONG, SHORT = 80, 20  # epochs
FEW = 500  # samples per class
NOISY = 0.1  # of the labels

RULES = (
    Rule(
        "for",
        lambda s: s.epochs >= LONG and not s.pretrained,
        "it is a long training from random weights, where mixing has helped most",
        "Zhang et al., mixup (2018), section 3.1: longer trainings and larger networks gain most; "
        "Howard and Gugger, Deep Learning for Coders (2020), chapter 7: on Imagenette's "
        "leaderboard all of 80 epochs and more use mixup",
    ),
    Rule(
        "against",
        lambda s: s.epochs < SHORT and not s.pretrained,
        "it is a short training, which mixing slows down",
        "Yu et al., Mixup without hesitation (2021): mixup needs more epochs; measured here: "
        "CIFAR-10, 5 epochs, 80.3 % with mixup and 82.0 % without, three seeds (README)",
    ),
    Rule(
        "against",
        lambda s: s.pretrained,
        "it starts from pretrained weights, so there is little overfitting to prevent; to try "
        "mixing, begin with a weak one (alpha 0.1 to 0.2), which changes the weights least",
        "Zhang et al., mixup (2018), section 3.1: what gains is long training",
    ),
    Rule(
        "for",
        lambda s: s.classes is not None and s.per_class < FEW and not s.pretrained,
        f"there are fewer than {FEW} samples per class, which a network soon memorises",
        "Zhang et al., How does mixup help with robustness and generalization? (2021): mixing "
        "narrows the gap between training and new samples, which is the wider the fewer there are",
    ),
    Rule(
        "for",
        lambda s: s.label_noise >= NOISY and s.epochs >= LONG,
        "many labels are wrong; strong mixing (alpha 1 to 8) keeps a network from memorising them",
        "Zhang et al., mixup (2018), section 3.4",
    ),
    Rule(
        "against",
        lambda s: s.label_noise >= NOISY and s.epochs < LONG,
        "wrong labels are memorised late, so in a short training there is little to prevent",
        "measured here: Imagenette, half of the labels wrong, 20 epochs: 54.9 % with alpha 8, and "
        "68.7 % without mixing (docs/results.md)",
    ),
    Rule(
        "note",
        lambda s: s.epochs >= 4 * LONG and s.per_class < FEW,
        "in very long trainings on few samples, mixing may become harmful: end it early "
        "(Schedule(MixUp(), until=0.8))",
        "Liu et al., Over-training with mixup may hurt generalization (2023)",
    ),
    Rule(
        "note",
        lambda s: s.classes is not None,
        "if probabilities matter, measure the calibration: mixing mostly makes a network less "
        "confident, which is good where it is overconfident",
        "Thulasidasan et al., On mixup training: improved calibration and predictive uncertainty "
        "for deep neural networks (2019)",
    ),
    Rule(
        "note",
        lambda s: s.classes is None,
        "mix samples of similar values: --mix cmixup",
        "Yao et al., C-Mixup: improving generalization in regression (2022)",
    ),
    Rule(
        "note",
        lambda s: s.kind == "images" and s.epochs >= LONG and not s.pretrained,
        "try cutmix, too: over 200 and 300 epochs it gained more than mixup on CIFAR and ImageNet",
        "Yun et al., CutMix (2019), tables 3 to 5",
    ),
)


def rules_for(situation: Situation) -> list[Rule]:
    """The rules that apply."""
    return [rule for rule in RULES if rule.applies(situation)]


def verdict(situation: Situation) -> str:
    """A recommendation from the rules that apply.

    >>> verdict(Situation("images", 50_000, 10, epochs=200, pretrained=False, label_noise=0.0))
    'Recommended: train with mixing.'
    """
    sides = [rule.side for rule in rules_for(situation)]
    if "for" in sides and "against" in sides:
        return "Undecided: there are arguments for mixing and against it."
    if "for" in sides:
        return "Recommended: train with mixing."
    if "against" in sides:
        return "Recommended: train without mixing first."
    return "Undecided: no known rule applies."
