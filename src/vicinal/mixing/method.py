"""Method: a published method, which draws one pattern for each sample or for the whole batch."""

from abc import abstractmethod
from typing import Literal, Unpack

import torch

from vicinal.mixing.arguments import number, one_of
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn

Per = Literal["sample", "batch"]


class MethodOptions(MixerOptions, total=False):
    """The keyword arguments of every method."""

    per: Per
    p: float


class Method(Mixer):
    """One method: a subclass says what shows of a sample's partner.

    Args:
        per: "sample" draws for each sample, "batch" once for all of them.
        p: the share of samples (or of batches, with per="batch") that are mixed at all.
        **options: of :class:`Mixer`: partners, half, fields, integers, maximum, pixelwise,
            seed.
    """

    def __init__(
        self, *, per: Per = "sample", p: float = 1.0, **options: Unpack[MixerOptions]
    ) -> None:
        super().__init__(**options)
        self.per = one_of("per", per, ("sample", "batch"))
        self.p = number("p", p, upper=1.0)

    @abstractmethod
    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Drawn:
        """Draw the pattern of ``count`` samples of this height and width.

        On the CPU, from this generator alone.
        """

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        drawn = batches if self.per == "batch" else batches * count
        pattern = self.pattern(drawn, size, generator)
        if self.p < 1:
            pattern = pattern.only(_coins(drawn, generator) < self.p)
        if self.per == "batch":
            pattern = pattern.map(lambda t: over_samples(t, count))
        return (pattern,)


def over_samples(drawn: torch.Tensor, count: int) -> torch.Tensor:
    """What was drawn once for each batch, (batches, ...), for each of ``count`` samples in it."""
    return drawn.unsqueeze(1).expand(-1, count, *drawn.shape[1:]).flatten(0, 1)


def _coins(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float32, device="cpu")
