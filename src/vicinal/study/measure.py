"""Measure: all there is to one measure of a trained network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vicinal.formatting import format_percent, format_points, format_short, with_sign
from vicinal.learner.learner import Learner
from vicinal.study.evaluation import Evaluation

UNBIASED = "_unbiased"  # ends the name of values whose means are compared in place of the measure
# What measures are about, in the order of the tables.
Group = Literal["predictions", "probabilities", "changed images", "unknown samples", "noisy labels"]


@dataclass(frozen=True)
class Measure:
    """All there is to a measure.

    Exactly one of ``compute`` and ``on_batch`` is given. A measure that is no mean over samples,
    such as an area or a ratio, is linearised: the value of a sample is the measure plus the
    sample's influence on it (the derivative by the sample's share), so that the mean of the values
    is the measure, and their spread gives its standard error.

    Args:
        name: in tables and files.
        title: in text.
        group: what it is about.
        better: which direction is better.
        description: a sentence for readers who do not know it.
        applies: whether it can be computed.
        compute: its values, (N,) float64, one for each validation sample, whose mean is the
            measure, so that one rule gives the intervals of all measures.
        on_batch: the same for measures that run the network again: from the learner and a
            validation batch to its values (B,). All such measures share one pass over the data.
        passes: how many forward passes over as many samples as the validation part has it takes,
            for the budget; those over samples of other data count apart.
        unbiased: the same as ``compute``, without a bias that all arms have; differences between
            arms are taken of these values, and stored as ``NAME_unbiased``.
        chance: of a main measure, from the targets to its value for a prediction that ignores the
            samples.
        percent: whether it is a share, shown in percent and its differences in points.
        limits: the least and the greatest value it can have; None: 0 to 1 for a share, 0 or more.
        in_answer: whether the answer mentions significant differences.
        paired: whether its values are of the same samples for every seed. If not, only their
            means can be compared.
        two_samples: whether values of other samples, the same for every run, follow those of the
            validation samples.
    """

    name: str
    title: str
    group: Group
    better: Literal["higher", "lower"]
    description: str
    applies: Callable[[Evaluation], bool]
    compute: Callable[[Evaluation], Tensor] | None = None
    on_batch: Callable[[Learner, Tensor, Tensor], Tensor] | None = None
    passes: int = 0
    unbiased: Callable[[Evaluation], Tensor] | None = None
    chance: Callable[[Tensor], float] | None = None
    percent: bool = False
    limits: tuple[float, float] | None = None
    in_answer: bool = False
    paired: bool = True
    two_samples: bool = False

    @property
    def compared(self) -> str:
        """The name of the values whose means are compared."""
        return self.name if self.unbiased is None else f"{self.name}{UNBIASED}"

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that the measure can have."""
        return self.limits or (0.0, 1.0 if self.percent else math.inf)

    def text(self, value: float) -> str:
        """The value as text.

        >>> from vicinal.study.measures import MEASURES
        >>> MEASURES["accuracy"].text(0.9123), MEASURES["nll"].text(0.4567)
        ('91.2 %', '0.457')
        """
        return f"{format_percent(value)} %" if self.percent else format_short(value)

    def signed(self, difference: float) -> str:
        """A difference as text, without its unit.

        >>> from vicinal.study.measures import MEASURES
        >>> MEASURES["accuracy"].signed(0.0123), MEASURES["nll"].signed(-0.4567)
        ('+1.2', '-0.457')
        """
        return format_points(difference) if self.percent else with_sign(format_short(difference))

    def gain(self, difference: float) -> float:
        """The difference with its sign changed where lower is better, so that above 0 is better."""
        return difference if self.better == "higher" else -difference
