"""Advice before anything is trained: rules that others have found, each with its source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Side = Literal["for", "against", "note"]


@dataclass(frozen=True)
class Situation:
    """What is known of a training before it begins.

    Args:
        kind: of the data: images, texts or rows.
        samples: for training.
        classes: how many; None for values.
        epochs: how long it is to be trained.
        pretrained: whether it starts from published weights.
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
    """What speaks for mixing or against it, when that applies, and who says so."""

    side: Side
    applies: Callable[[Situation], bool]
    text: str
    source: str


LONG, SHORT = 80, 20  # epochs
FEW = 500  # samples of a class
NOISY = 0.1  # of the labels

RULES = (
    Rule(
        "for",
        lambda s: s.epochs >= LONG and not s.pretrained,
        "it trains for long from random weights, where mixing has helped most",
        "Zhang et al., mixup (2018), section 3.1: longer trainings and larger networks gain most; "
        "Howard and Gugger, Deep Learning for Coders (2020), chapter 7: on Imagenette's "
        "leaderboard all of 80 epochs and more use mixup",
    ),
    Rule(
        "against",
        lambda s: s.epochs < SHORT and not s.pretrained,
        "it trains for a short time, in which mixing slows the learning down",
        "Yu et al., Mixup without hesitation (2021): mixup needs more epochs; measured here: "
        "CIFAR-10, 5 epochs, 80.3 % with mixup and 82.0 % without, three seeds (README)",
    ),
    Rule(
        "against",
        lambda s: s.pretrained,
        "it starts from published weights, which leaves little to be learnt by heart; where mixing "
        "is tried, a weak one (alpha 0.1 to 0.2) changes the weights least",
        "Zhang et al., mixup (2018), section 3.1: what gains is long training",
    ),
    Rule(
        "for",
        lambda s: s.classes is not None and s.per_class < FEW and not s.pretrained,
        f"there are fewer than {FEW} samples of each class, which a network learns by heart soon",
        "Zhang et al., How does mixup help with robustness and generalization? (2021): mixing "
        "narrows the gap between training and new samples, which is the wider the fewer there are",
    ),
    Rule(
        "for",
        lambda s: s.label_noise >= NOISY and s.epochs >= LONG,
        "many labels are wrong; strong mixing (alpha 1 to 8) keeps the network from learning them "
        "by heart",
        "Zhang et al., mixup (2018), section 3.4",
    ),
    Rule(
        "against",
        lambda s: s.label_noise >= NOISY and s.epochs < LONG,
        "wrong labels are learnt by heart late, so that in a short training there is little to "
        "protect from",
        "measured here: Imagenette, half of the labels wrong, 20 epochs: 54.9 % with alpha 8, and "
        "68.7 % without mixing (docs/results.md)",
    ),
    Rule(
        "note",
        lambda s: s.epochs >= 4 * LONG and s.per_class < FEW,
        "in very long trainings on few samples mixing may turn harmful: end it early "
        "(Schedule(MixUp(), until=0.8))",
        "Liu et al., Over-training with mixup may hurt generalization (2023)",
    ),
    Rule(
        "note",
        lambda s: s.classes is not None,
        "if probabilities matter, measure them: mixing mostly makes a network less sure of itself, "
        "which is good where it is too sure",
        "Thulasidasan et al., On mixup training: improved calibration and predictive uncertainty "
        "for deep neural networks (2019)",
    ),
    Rule(
        "note",
        lambda s: s.classes is None,
        "values are better mixed with near ones: --mix cmixup",
        "Yao et al., C-Mixup: improving generalization in regression (2022)",
    ),
    Rule(
        "note",
        lambda s: s.kind == "images" and s.epochs >= LONG and not s.pretrained,
        "try cutmix beside mixup: over 200 and 300 epochs it gained more on CIFAR and ImageNet",
        "Yun et al., CutMix (2019), tables 3 to 5",
    ),
)


def rules_for(situation: Situation) -> list[Rule]:
    """The rules that apply."""
    return [rule for rule in RULES if rule.applies(situation)]


def verdict(situation: Situation) -> str:
    """One sentence: what the rules that apply come to.

    >>> verdict(Situation("images", 50_000, 10, epochs=200, pretrained=False, label_noise=0.0))
    'Mix: what is known speaks for it.'
    """
    sides = [rule.side for rule in rules_for(situation)]
    if "for" in sides and "against" in sides:
        return "It depends: what is known speaks for mixing and against it."
    if "for" in sides:
        return "Mix: what is known speaks for it."
    if "against" in sides:
        return "Train without mixing first: what is known speaks against it."
    return "Nothing that is known decides it."
