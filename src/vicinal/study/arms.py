"""Arms: the settings that are compared, and how options of the command line name them."""

import hashlib
import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from vicinal.errors import VicinalError
from vicinal.formatting import format_exact, join_and, pluralize
from vicinal.mixes import MixSpec, parse_mix
from vicinal.tasks.options import TrainOptions

NONE = "none"
LONGEST_NAME = 100  # of a mix in the name of a file


@dataclass(frozen=True)
class Arm:
    """One of the settings that are compared.

    Args:
        mix: the name of a method, a text as ``--mix`` takes it, or none; in Python, any name of the
            user's.
        alpha: its strength; None for a method that has none, and where the text says it.
        epochs: the length of its training.
        mixes: False for training without mixing, which is the baseline of the others.
        is_text: whether ``mix`` is more than the name of a method.
        train_size: in a map, how many training samples, or which share; None where all arms have
            the same.
        is_first_size: whether that is the size with which the comparison was begun, which the
            names of its results leave out.
    """

    mix: str
    alpha: float | None
    epochs: int
    mixes: bool = True
    is_text: bool = False
    train_size: float | None = None
    is_first_size: bool = True

    @property
    def method(self) -> str:
        """Its name among arms of the same length.

        >>> Arm("mixup", 0.4, 5).method
        'mixup α = 0.4'
        """
        return self.mix if self.alpha is None else f"{self.mix} α = {format_exact(self.alpha)}"

    @property
    def typed(self) -> str:
        """As ``--mix`` takes it.

        >>> Arm("mixup", 0.4, 5).typed
        'mixup:0.4'
        """
        return self.mix if self.alpha is None else f"{self.mix}:{format_exact(self.alpha)}"

    @property
    def name(self) -> str:
        """Its name among all arms, also in the names of files.

        >>> Arm("mixup", 0.4, 5).name, Arm("mixup:0.8+cutmix:prob=0.5", None, 5, is_text=True).name
        ('mixup-0.4-5', 'mixup-0.8+cutmix-prob=0.5-5')
        >>> Arm("mixup", 0.4, 5, train_size=1000.0, is_first_size=False).name
        'mixup-0.4-5-of-1000'
        """
        mix = _in_file_names(self.mix) if self.is_text else self.mix
        alpha = "" if self.alpha is None else f"-{format_exact(self.alpha)}"
        of = "" if self.is_first_size else f"-of-{format_exact(self.train_size or 0.0)}"
        return f"{mix}{alpha}-{self.epochs}{of}"

    @property
    def cell(self) -> "Cell":
        """Where it stands in a map: arms are compared with those of the same cell."""
        return Cell(self.train_size or 0.0, self.epochs)


@dataclass(frozen=True, order=True)
class Cell:
    """A training size and a length of training, in the order of a map.

    Args:
        train_size: how many training samples, or which share; 0 where all arms have the same.
        epochs: the length of training.
    """

    train_size: float
    epochs: int

    @property
    def text(self) -> str:
        """Such as "1,000 training samples, 30 epochs".

        >>> Cell(1000.0, 30).text, Cell(0.0, 1).text
        ('1,000 training samples, 30 epochs', '1 epoch')
        """
        length = pluralize(self.epochs, "epoch")
        return f"{size_text(self.train_size)}, {length}" if self.train_size else length

    @property
    def work(self) -> float:
        """What its trainings cost, in a unit of all cells of a map."""
        return (self.train_size or 1.0) * self.epochs


def size_text(train_size: float) -> str:
    """A training size in words.

    >>> size_text(1000.0), size_text(0.125)
    ('1,000 training samples', '12.5 % of the training samples')
    """
    return sizes_text([train_size])


def sizes_text(train_sizes: Sequence[float]) -> str:
    """Training sizes in words.

    >>> sizes_text([0.1, 0.5]), sizes_text([500.0, 1000.0])
    ('10 and 50 % of the training samples', '500 and 1,000 training samples')
    """
    if train_sizes[0] < 1:
        return f"{join_and([f'{100 * size:g}' for size in train_sizes])} % of the training samples"
    return f"{join_and([f'{size:,.0f}' for size in train_sizes])} training samples"


def _in_file_names(mix: str) -> str:
    """The text of a mix without what is forbidden in names of files, on Windows, too.

    >>> _in_file_names("manifoldmixup:layers=hidden.*/inputs")
    'manifoldmixup-layers=hidden.%2A,inputs'
    """
    if len(mix) > LONGEST_NAME:  # the names of files end at 255 bytes
        mix = mix[:LONGEST_NAME] + "-" + hashlib.blake2b(mix.encode(), digest_size=8).hexdigest()
    mix = re.sub(r'[%<>"\\|?*]', lambda found: f"%{ord(found[0]):02X}", mix)
    return mix.replace(":", "-").replace("/", ",")


def make_arms(
    mixes: Sequence[str],
    alphas: Sequence[float],
    epochs: Sequence[int],
    options: TrainOptions,
    existing: Collection[str] = (),
    train_sizes: Sequence[float] = (),
) -> list[Arm]:
    """The arms: every method with every alpha that it takes, for every size and length of training.

    Args:
        mixes: as ``--mix`` of ``vicinal train``.
        alphas: empty for the default of each method.
        epochs: one or more.
        options: of all arms.
        existing: the names of the arms of the comparison that is resumed. Earlier versions gave the
            alphas to no sum of methods, so an arm of such a sum stays one without.
        train_sizes: several make a map; the first is that with which it was begun.

    Raises:
        VicinalError: a name or a number is wrong or occurs twice, no method takes an alpha, or
            there is only one arm for a number of epochs.
    """
    for name, values in (("mix", mixes), ("alpha", alphas), ("epochs", epochs)):
        for value in values:
            if list(values).count(value) > 1:
                raise VicinalError(f"--{name} names {value} twice: leave out one of them")
    specs = [parse_mix(mix) for mix in mixes]
    if alphas and not any(spec.takes_alpha for spec in specs):
        raise VicinalError(f"--alpha does not apply to --mix {','.join(mixes)}: leave it out")
    if 0 in alphas:
        raise VicinalError("--alpha 0 mixes nothing: leave it out, and compare with --mix none")
    kept = {name.rpartition("-")[0] for name in existing}
    specs = [each for spec in specs for each in _with_alphas(spec, alphas, kept)]
    _check_different(specs)
    if len(specs) < 2:
        raise VicinalError(
            f"--mix {','.join(mixes)} is one arm, and a comparison needs two or more: name "
            "several, such as none,mixup"
        )
    arms = [_arm(spec, length) for length, spec in itertools.product(sorted(epochs), specs)]
    for arm in arms:
        replace(options, mix=arm.mix, alpha=arm.alpha, epochs=arm.epochs)  # checks the values
    if len(train_sizes) < 2:
        return arms
    return [
        replace(arm, train_size=size, is_first_size=size == train_sizes[0])
        for size in sorted(train_sizes)
        for arm in arms
    ]


def _with_alphas(spec: MixSpec, alphas: Sequence[float], kept: Collection[str]) -> list[MixSpec]:
    """A mix with each of the strengths; itself where it has none, or says it already."""
    says_all = all(part.alpha is not None or part.strength is None for part in spec.parts)
    if says_all or not alphas or (len(spec.parts) > 1 and spec.text in kept):
        return [spec]
    return [spec.with_alpha(alpha) for alpha in alphas]


def _check_different(specs: Sequence[MixSpec]) -> None:
    for first, second in itertools.combinations(specs, 2):
        if first.meaning() == second.meaning():
            both = f"{first.text} and {second.text} are" if first != second else f"{first.text} is"
            raise VicinalError(f"--mix: {both} the same arm twice: leave out one of them")


def _arm(spec: MixSpec, epochs: int) -> Arm:
    part = spec.plain
    if part is not None:  # as it was named before texts were: results are found by it
        return Arm(part.method.name, part.strength, epochs)
    # The names of several methods alone have always been an arm, too.
    return Arm(spec.text, None, epochs, mixes=bool(spec.parts), is_text=":" in spec.text)


def comparisons(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Each arm with its baseline: the arm without mixing, of the same cell.

    Where every arm mixes, the first one of each cell is the baseline.

    >>> arms = [Arm("none", None, 5, mixes=False), Arm("mixup", 0.4, 5), Arm("cutmix", 1.0, 5)]
    >>> [(arm.mix, baseline.mix) for arm, baseline in comparisons(arms)]
    [('mixup', 'none'), ('cutmix', 'none')]
    """
    pairs = []
    for _, group in itertools.groupby(arms, key=lambda arm: arm.cell):
        first, *others = sorted(group, key=lambda arm: arm.mixes)
        pairs += [(arm, first) for arm in others]
    return pairs


def baseline_name(arm: Arm) -> str:
    """The name of the arm that others are compared with."""
    return arm.method if arm.mixes else "training without mixing"
