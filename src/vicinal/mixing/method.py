"""Method: the base class of published methods, which draw one pattern."""

from abc import abstractmethod
from typing import Any, Literal, NoReturn, Unpack

import torch

from vicinal.mixing.arguments import number, one_of
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn

Per = Literal["sample", "batch"]


class MethodOptions(MixerOptions, total=False):
    """The keyword arguments of every method, for ``**options: Unpack[MethodOptions]``.

    :class:`Method` documents ``per`` and ``p``, :class:`Mixer` the others.
    """

    per: Per
    p: float


class _NotNamed:
    """What a method has until it says what it draws."""

    def __get__(self, method: Mixer | None, cls: type[Mixer]) -> NoReturn:
        raise AttributeError(
            f"{cls.__name__} has no drawn_types: name what its pattern() returns, such as "
            "drawn_types = (Blend,)"
        )


class Method(Mixer):
    """Draw one pattern for each sample, or one for the whole batch.

    A subclass implements :meth:`pattern`, and :meth:`Mixer.complete` if its mix also depends on the
    batch.

    Args:
        per: "sample" draws for each sample, "batch" once for all samples of a batch.
        p: the probability that a sample (or, with ``per="batch"``, a batch) is mixed at all.
        **options: of :class:`Mixer`: partners, half, fields, integers, maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
    """

    drawn_types: Any = _NotNamed()

    def __init__(
        self, *, per: Per = "sample", p: float = 1.0, **options: Unpack[MixerOptions]
    ) -> None:
        super().__init__(**options)
        self.per = one_of("per", per, ("sample", "batch"))
        self.p = number("p", p, upper=1.0)

    @abstractmethod
    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Drawn:
        """Draw the pattern of ``count`` samples of this height and width.

        On the CPU, with random numbers from this generator alone. The samples are those of one
        batch, or with a ``block_size``, of as many batches as it says, one after the other.
        """

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        draws = batches if self.per == "batch" else batches * count
        pattern = self.pattern(draws, size, generator)
        if self.p < 1:
            pattern = pattern.only(_uniform(draws, generator) < self.p)
        if self.per == "batch":
            pattern = pattern.map(lambda t: repeat_for_samples(t, count))
        return (pattern,)


def repeat_for_samples(drawn: torch.Tensor, count: int) -> torch.Tensor:
    """Repeat (batches, ...) values, one for each batch, for each of its ``count`` samples."""
    return drawn.unsqueeze(1).expand(-1, count, *drawn.shape[1:]).flatten(0, 1)


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float32, device="cpu")
