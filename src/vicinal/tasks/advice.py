"""Advice before any training: rules of thumb, each with its source and what was measured here.

Mixing is a regularizer: it gains where a network would otherwise learn its training samples by
heart, and costs where the training is too short, or the network too small, to learn them at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from vicinal.data.sizes import sides
from vicinal.errors import VicinalError
from vicinal.formatting import format_exact, join_and, pluralize
from vicinal.methods import Targets, methods_for
from vicinal.models.zoo import is_vision_transformer
from vicinal.tasks.task import Task

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
        parameters: of the network.
        counts: how many training samples each class has; empty where that is not known.
        is_transformer: whether the network is a vision transformer.
        several: whether each sample has any number of the classes.
        pixels: the shorter side of images; 0 for other data.
    """

    kind: str
    samples: int
    classes: int | None
    epochs: int
    pretrained: bool
    label_noise: float
    parameters: int
    counts: Sequence[int] = field(default=(), repr=False)
    is_transformer: bool = False
    several: bool = False
    pixels: int = 0

    @property
    def per_class(self) -> float:
        return (sum(self.counts) if self.several else self.samples) / (self.classes or 1)

    @property
    def per_sample(self) -> float:
        """Parameters for each training sample: published gains grow with it."""
        return self.parameters / self.samples

    @property
    def imbalance(self) -> float:
        """How many times as many samples the largest class has as the smallest."""
        return max(self.counts) / max(1, min(self.counts)) if self.counts else 1.0

    @property
    def is_uneven(self) -> bool:
        return self.imbalance >= UNEVEN and not self.several

    @property
    def is_small(self) -> bool:
        """Whether the network is too small for its data to learn them by heart."""
        return self.kind == "images" and not self.pretrained and self.per_sample < SMALL

    @property
    def is_short(self) -> bool:
        return self.epochs <= SHORT

    @property
    def is_long(self) -> bool:
        return self.epochs >= LONG

    def looked_at(self) -> list[tuple[str, str]]:
        """What the rules look at, as names and texts."""
        million, share = self.parameters / 1e6, self.per_sample
        each = f"{share:,.0f}" if share >= 10 else f"{share:.2g}"
        network = f"{million:,.3g} million parameters, {each} for each training sample"
        if self.classes is None:
            return [("size", network)]
        if self.kind == "masks":
            return [("size", network), ("classes", f"{self.classes} of pixels")]
        classes = f"{self.per_class:,.0f} training {self.kind} each on average"
        if self.counts and min(self.counts) != max(self.counts):
            classes += f", {min(self.counts):,} to {max(self.counts):,}"
        return [("size", network), ("classes", classes)]


@dataclass(frozen=True)
class Rule:
    """An argument for mixing or against it.

    Args:
        side: which of both; a note is neither.
        applies: when it applies.
        text: the argument.
        source: what was published, exactly.
        measured: what this project has measured, and on which page of the docs; may be empty.
    """

    side: Side
    applies: Callable[[Situation], bool]
    text: str
    source: str
    measured: str = ""

    @property
    def grounds(self) -> str:
        """The source and the measurement in one line."""
        here = f"measured here: {self.measured}" if self.measured else ""
        return "; ".join(filter(None, (self.source, here)))


def situation_of(task: Task, label_noise: float) -> Situation:
    """What a task knows before its training.

    Args:
        task: made for the data.
        label_noise: the share of labels that are wrong.
    """
    vocab, counts = task.split.vocab, []
    if vocab is not None:
        try:
            targets = task.split.targets
            if task.split.targets_are == "labels":
                counts = targets.sum(0).int().tolist()
            else:
                counts = targets.bincount(minlength=len(vocab)).tolist()
        except VicinalError:  # streamed images, which have not been read
            counts = []
    return Situation(
        kind=task.kind,
        samples=len(task.split.train),
        classes=None if vocab is None else len(vocab),
        epochs=task.epochs,
        pretrained=task.pretrained,
        label_noise=label_noise,
        parameters=task.count_parameters(),
        counts=counts,
        is_transformer=task.kind == "images" and is_vision_transformer(task.model),
        several=task.split.targets_are == "labels",
        pixels=min(sides(getattr(task, "size", 0))),
    )


SHORT, LONG = 20, 80  # epochs: up to the one, and from the other on
SMALL, LARGE = 15, 30  # parameters for each training sample
FEW = 500  # samples per class
SEVERAL, SMALLEST = 500, 32  # images, and their pixels, from which on taking turns gained more
NOISY = 0.1  # of the labels
UNEVEN = 10  # times as many samples in the largest class as in the smallest

OPENMIXUP = "OpenMixup's benchmarks (Li et al. 2022)"

UNEVEN_CLASSES = Rule(
    "note",
    lambda s: s.is_uneven,
    f"the largest class has {UNEVEN} times as many samples as the smallest, or more: remix and "
    "balancedmixup give rare classes more weight, mixup does not",
    "Chou et al., Remix (2020); Galdran et al., Balanced-MixUp (2021)",
    "uneven digits, accuracy over classes: 89.0 % without and with mixup, 91.2 with remix, "
    "90.0 with balancedmixup (docs/targets.md)",
)

RULES = (
    Rule(
        "for",
        lambda s: s.kind == "images" and s.pretrained and s.is_long,
        "it is a long fine-tuning, where mixing inside the network (manifoldmixup) gained most",
        f"{OPENMIXUP}, 200 epochs, plain, mixup, cutmix and manifoldmixup: CUB-200, ResNet-18: "
        "77.68, 78.39, 78.40 and 79.76 %, ResNeXt-50: 83.01, 84.58, 85.68 and 86.38; Aircraft, "
        "ResNet-18: 80.23, 79.52, 78.84 and 80.68, ResNeXt-50: 85.10, 85.18, 84.55 and 86.60",
    ),
    Rule(
        "for",
        lambda s: s.kind == "images" and s.per_class < FEW and s.is_long and not s.is_small,
        f"there are fewer than {FEW} images per class, which a long training learns by heart",
        "Zhang et al., How does mixup help with robustness and generalization? (2021): mixing "
        "narrows the gap between training and new samples, which is the wider the fewer there are",
        "CIFAR-10, resnet9, 100 epochs: with 250 images mixup gains 2.7 points, and in turns with "
        "cutmix 2.0; with 500, 1.7 and 2.5; with 1,000, 2.1 and 3.2; smoothmix gained 4.5 with "
        "1,000 images and 150 epochs, on other seeds, too (docs/results.md)",
    ),
    Rule(
        "for",
        lambda s: s.kind == "images" and s.is_long and not s.pretrained and s.per_sample >= LARGE,
        f"it is a long training of a network with more than {LARGE} parameters for each image: the "
        "larger the network, the more mixing gains",
        f"{OPENMIXUP}: CIFAR-10, 200 epochs, ResNet-18 (223 for each image) 94.87 % without, 95.70 "
        "with mixup, 96.11 with cutmix; ImageNet, 100 epochs, ResNeXt-101 (34) 78.71, 79.98 and "
        "80.42; Zhang et al., mixup (2018), section 3.1",
    ),
    Rule(
        "for",
        lambda s: s.is_transformer and s.is_long and not s.pretrained,
        "it is a long training of a vision transformer from random weights, which has to learn "
        "even that near pixels belong together: the larger it is, the more mixing gains",
        f"{OPENMIXUP}: ImageNet, by DeiT's settings, without, mixup, cutmix, both in turns: DeiT-T "
        "(4 parameters for each image) 73.91 %, 74.69, 74.23 and 74.50, DeiT-S (17) 75.66, 77.72, "
        "80.13 and 79.80",
    ),
    Rule(
        "against",
        lambda s: s.is_small,
        f"the network is small for so many images, with less than {SMALL} parameters for each: it "
        "cannot learn them by heart, so there is little to prevent",
        f"{OPENMIXUP}: ImageNet, ResNet-18 (9 for each image), 100 epochs: 70.04 % without, 69.98 "
        "with mixup, 68.95 with cutmix; 300 epochs: 71.83, 71.72 and 71.01",
        "CIFAR-10, resnet9 (8 for each image), 20 epochs: 86.5 % without, 86.0 with mixup, 83.6 "
        "with cutmix (docs/results.md)",
    ),
    Rule(
        "against",
        lambda s: s.kind != "rows" and s.is_short,
        f"it is a short training, of {SHORT} epochs or fewer, which mixing slows down",
        "Yu et al., Mixup without hesitation (2021): mixup needs more epochs",
        "CIFAR-10, 1,000 images, 10 epochs: mixup costs 2.1 points; 50,000 images, 5 epochs: "
        "82.0 % without, 80.3 with mixup, 76.1 with cutmix (docs/results.md); TREC, 10 epochs: "
        "91.7 % without, 90.6 with mixup (docs/text.md)",
    ),
    Rule(
        "note",
        lambda s: s.kind == "images" and s.pretrained and not s.is_long,
        f"pretrained weights are no argument against mixing, but what gained was {LONG} epochs and "
        "more: in a shorter fine-tuning, begin with a weak one",
        f"{OPENMIXUP}: fine-tuning for 200 epochs, with alpha 0.2 for mixup",
    ),
    Rule(
        "for",
        lambda s: s.label_noise >= NOISY and s.is_long,
        "many labels are wrong; strong mixing (alpha 1 to 8) keeps a network from memorising them",
        "Zhang et al., mixup (2018), section 3.4",
        "digits, 300 images with 40 % of the labels wrong, 100 epochs: 64.2 % without, 77.0 with "
        "alpha 1, 91.2 with alpha 8 (docs/results.md)",
    ),
    Rule(
        "against",
        lambda s: s.label_noise >= NOISY and not s.is_long,
        "wrong labels are memorised late, so in a short training there is little to prevent",
        "",
        "Imagenette, half of the labels wrong, 20 epochs: 68.7 % without mixing, 54.9 with alpha 8 "
        "(docs/results.md)",
    ),
    Rule(
        "note",
        lambda s: s.kind == "rows" and s.classes is not None,
        "on tables mixing hardly matters, and what is mixed matters more than how strongly",
        "",
        "Adult: 85.76 % without, 85.84 with mixup, 85.91 with manifoldmixup (docs/tables.md)",
    ),
    Rule(
        "against",
        lambda s: s.classes is None,
        "the targets are values, and halfway between two samples need not be their mean value",
        "Yao et al., C-Mixup: improving generalization in regression (2022): mix samples of "
        "similar values, by --mix cmixup",
        "airfoil, error in dB: 3.04 without, 3.95 with mixup, and with cmixup 3.82 on the input, "
        "3.05 on the first layer (docs/targets.md)",
    ),
    UNEVEN_CLASSES,
    Rule(
        "note",
        lambda s: s.several,
        "each sample has several labels, which mixing weights by the shares of both samples: most "
        "of what was published is about one label each",
        "",
        "digits with three labels each, 120 epochs: 98.2 % of the labels correct without, 98.7 "
        "with mixup (docs/targets.md)",
    ),
    Rule(
        "note",
        lambda s: s.kind == "masks",
        "each pixel has a class: cutmix and classmix keep it, mixup blends two; most of what was "
        "published is about unlabelled images beside labelled ones",
        "French et al., Semi-supervised semantic segmentation needs strong, varied perturbations "
        "(2020), cutmix; Olsson et al., ClassMix (2021)",
        "200 images of two digits, a mean IoU of a small network after 60 epochs: 88.2 % without, "
        "88.3 with cutmix, 88.0 with classmix, 86.2 with mixup; of a U-Net after 30: 87.2, 76.3, "
        "66.5 and 85.0 (docs/masks.md)",
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
        "if probabilities matter, look at the calibration: mixing makes a network less confident, "
        "which is good where it is overconfident",
        "Thulasidasan et al., On mixup training (2019)",
        "CIFAR-10, 20 epochs: a calibration error of 3.8 % without, 6.5 with mixup, 10.4 with "
        "cutmix (docs/results.md)",
    ),
)


def rules_for(situation: Situation) -> list[Rule]:
    """The rules that apply."""
    return [rule for rule in RULES if rule.applies(situation)]


def verdict(situation: Situation) -> str:
    """A recommendation from the rules that apply.

    >>> long = Situation("images", 50_000, 10, 200, False, 0.0, parameters=11_000_000)
    >>> verdict(long)
    'Recommended: train with mixing.'
    """
    sides = [rule.side for rule in rules_for(situation)]
    if "for" in sides and "against" in sides:
        return "Undecided: there are arguments for mixing and against it."
    if "for" in sides:
        return "Recommended: train with mixing."
    if "against" in sides:
        return "Recommended: train without mixing first."
    return "Undecided: no known rule decides it."


@dataclass(frozen=True)
class Trial:
    """What to try, in this order, and for how long.

    Args:
        mixes: the methods, by the names that ``--mix`` takes.
        alphas: their strengths; empty for the default of each method.
        longer: epochs of a second, longer training; None where the first is long enough.
    """

    mixes: tuple[str, ...]
    alphas: tuple[float, ...] = ()
    longer: int | None = None

    def __str__(self) -> str:
        """
        >>> print(Trial(("mixup", "mixup+cutmix"), longer=80))
        mixup, then mixup+cutmix, each at its default strength; also for 80 epochs
        """
        strength = "each at its default strength"
        if self.alphas:
            strength = f"at α = {join_and([format_exact(alpha) for alpha in self.alphas])}"
        longer = f"; also for {pluralize(self.longer, 'epoch')}" if self.longer else ""
        return f"{', then '.join(self.mixes)}, {strength}{longer}"


def trial_for(situation: Situation) -> Trial:
    """Which method to try first, how strongly, and for how long.

    Methods that do not serve such data, as some do for kinds of a user's own, are left out.

    >>> trial_for(Situation("images", 1_000, 10, 20, False, 0.0, 400_000, pixels=32)).mixes
    ('mixup+cutmix', 'mixup')
    """
    trial = _trial(situation)
    targets: Targets = "values" if situation.classes is None else "classes"
    targets = "labels" if situation.several else targets
    served = {method.name for method in methods_for(situation.kind, targets)}
    return replace(trial, mixes=tuple(m for m in trial.mixes if served.issuperset(m.split("+"))))


def _trial(s: Situation) -> Trial:
    """What to try where all methods serve such data."""
    # Nothing has gained from a short training; on a table, steps count, and not epochs.
    longer = LONG if s.kind == "images" and not (s.is_long or s.is_small) else None
    if s.classes is None:
        return Trial(("cmixup", "mixup"))
    if s.kind == "masks":
        return Trial(("cutmix", "classmix"))
    if s.is_uneven:
        return Trial(("remix", "balancedmixup"), longer=longer)
    if s.label_noise >= NOISY:
        return Trial(("mixup",), (0.4, 1.0, 8.0), longer)
    if s.kind == "series":
        return Trial(("mixup", "cutmix"))
    if s.kind != "images":
        return Trial(("mixup", "manifoldmixup"))
    if s.pretrained:  # the strengths of OpenMixup's fine-tuning
        return Trial(("manifoldmixup", "mixup"), (0.2, 0.5), longer)
    if s.samples >= SEVERAL and s.pixels >= SMALLEST and not s.several:
        return Trial(("mixup+cutmix", "mixup"), longer=longer)
    return Trial(("mixup", "mixup+cutmix"), longer=longer)
