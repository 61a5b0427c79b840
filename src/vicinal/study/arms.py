"""Arms: the settings that are compared, and how options of the command line name them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vicinal.errors import VicinalError
from vicinal.methods import default_alpha, parse_mix
from vicinal.study.formatting import format_exact
from vicinal.tasks.options import TrainOptions

NONE = "none"


@dataclass(frozen=True)
class Arm:
    """One of the settings that are compared.

    Args:
        mix: the name of a method, or none; in Python, any name of the user's.
        alpha: its strength; None for a method that has none.
        epochs: the length of its training.
        mixes: False for training without mixing, which is the baseline of the others.
    """

    mix: str
    alpha: float | None
    epochs: int
    mixes: bool = True

    @property
    def method(self) -> str:
        """Its name among arms of the same length.

        >>> Arm("mixup", 0.4, 5).method
        'mixup α = 0.4'
        """
        return self.mix if self.alpha is None else f"{self.mix} α = {format_exact(self.alpha)}"

    @property
    def name(self) -> str:
        """Its name among all arms, also in the names of files.

        >>> Arm("mixup", 0.4, 5).name
        'mixup-0.4-5'
        """
        alpha = "" if self.alpha is None else f"-{format_exact(self.alpha)}"
        return f"{self.mix}{alpha}-{self.epochs}"


def make_arms(
    mixes: Sequence[str], alphas: Sequence[float], epochs: Sequence[int], options: TrainOptions
) -> list[Arm]:
    """The arms: every method with every alpha that it takes, for every number of epochs.

    Args:
        mixes: as ``--mix`` of ``vicinal train``.
        alphas: empty for the default of each method.
        epochs: one or more.
        options: of all arms.

    Raises:
        VicinalError: a name or a number is wrong or occurs twice, no method takes an alpha, or
            there is only one arm for a number of epochs.
    """
    mixes = [mix.lower() for mix in mixes]
    for name, values in (("mix", mixes), ("alpha", alphas), ("epochs", epochs)):
        for value in values:
            if list(values).count(value) > 1:
                raise VicinalError(f"--{name} names {value} twice: leave out one of them")
    defaults = {mix: default_alpha(parse_mix(mix)) for mix in mixes}
    takers = [mix for mix, alpha in defaults.items() if alpha is not None]
    if alphas and not takers:
        raise VicinalError(f"--alpha does not apply to --mix {','.join(mixes)}: leave it out")
    if 0 in alphas:
        raise VicinalError("--alpha 0 mixes nothing: leave it out, and compare with --mix none")
    methods: list[tuple[str, float | None]] = []
    for mix, alpha in defaults.items():
        methods += [(mix, each) for each in (alphas if mix in takers and alphas else [alpha])]
    if len(methods) < 2:
        raise VicinalError(
            f"--mix {','.join(mixes)} is one arm, and a comparison needs two or more: name "
            "several, such as none,mixup"
        )
    arms = [
        Arm(mix, alpha, length, mixes=mix != NONE)
        for length, (mix, alpha) in itertools.product(sorted(epochs), methods)
    ]
    for arm in arms:
        replace(options, mix=arm.mix, alpha=arm.alpha, epochs=arm.epochs)  # checks the values
    return arms


def comparisons(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Each arm with its baseline: the arm without mixing, of the same length.

    Where every arm mixes, the first one of each length is the baseline.

    >>> arms = [Arm("none", None, 5, mixes=False), Arm("mixup", 0.4, 5), Arm("cutmix", 1.0, 5)]
    >>> [(arm.mix, baseline.mix) for arm, baseline in comparisons(arms)]
    [('mixup', 'none'), ('cutmix', 'none')]
    """
    pairs = []
    for _, group in itertools.groupby(arms, key=lambda arm: arm.epochs):
        first, *others = sorted(group, key=lambda arm: arm.mixes)
        pairs += [(arm, first) for arm in others]
    return pairs
