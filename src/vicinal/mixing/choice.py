"""Choice: one of several mixers, chosen at random."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch

from vicinal.mixing.arguments import number, one_of
from vicinal.mixing.completion import Batch
from vicinal.mixing.form import Form, check_forms
from vicinal.mixing.inner import (
    Selection,
    adopt_options,
    check_inner,
    check_unchanged,
    complete_selected,
    shared_options,
)
from vicinal.mixing.method import Per, repeat_for_samples
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn


class Choice(Mixer):
    """Choose one of several mixers at random, for each sample or for each batch.

    Args:
        mixers: such as ``[MixUp(0.2), CutMix(1.0)]``. Partners and all random numbers are drawn by
            the choice. Options that the mixers were given hold for the choice, too.
        p: the probability of each mixer. If they add up to less than 1, the rest is the probability
            of not mixing. None makes all mixers equally likely.
        per: "sample" chooses a mixer for each sample, "batch" one for all samples of a batch.
        **options: of :class:`Mixer`: partners, half, fields, integers, maximum, pixelwise, seed.

    Raises:
        TypeError: ``mixers`` is empty, or holds something that is not a mixer.
        ValueError: the probabilities do not match the mixers, or exceed 1; or options of the mixers
            contradict each other.

    Source: the switch between mixup and CutMix in timm's ``Mixup``.

    >>> from vicinal import CutMix, MixUp
    >>> mixer = Choice([MixUp(0.2), CutMix(1.0)], p=[0.3, 0.5], seed=0)
    >>> x, y = mixer(torch.rand(8, 3, 32, 32), torch.arange(8))
    """

    def __init__(
        self,
        mixers: Sequence[Mixer],
        p: Sequence[float] | None = None,
        *,
        per: Per = "sample",
        **options: Unpack[MixerOptions],
    ) -> None:
        if not isinstance(mixers, list | tuple) or not mixers:
            raise TypeError(f"mixers must be a list of at least one, not {mixers!r}")
        for mixer in mixers:
            check_inner("Choice", mixer)
        check_forms("Choice", mixers)
        super().__init__(**adopt_options("Choice", options, mixers))
        self.mixers = tuple(mixers)
        self.p = _probabilities(p, len(self.mixers))
        self.per = one_of("per", per, ("sample", "batch"))
        self._adopted = shared_options(self.mixers)

    @property
    def form(self) -> Form | None:  # type: ignore[override]
        return self.mixers[0].form

    @property
    def drawn_types(self) -> tuple[Any, ...]:  # type: ignore[override]
        # Patterns are neutral for the samples of other mixers, so only complete() has to know which
        # sample belongs to which mixer.
        selection = (Selection,) if self.reads_batch else ()
        return (*selection, *(drawn for mixer in self.mixers for drawn in mixer.drawn_types))

    @property
    def block_size(self) -> int:  # type: ignore[override]
        return min(mixer.block_size for mixer in self.mixers)

    @property
    def reads_batch(self) -> bool:
        return self._overrides(Choice) or any(mixer.reads_batch for mixer in self.mixers)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        return complete_selected(self.mixers, mix, batch) if self.reads_batch else mix

    def nested(self) -> list[Mixer]:
        return [self, *(inner for mixer in self.mixers for inner in mixer.nested())]

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        check_unchanged(self, self.mixers, self._adopted)
        choices = batches if self.per == "batch" else batches * count
        uniform = torch.rand(choices, generator=generator, dtype=torch.float64, device="cpu")
        if self.per == "batch":
            uniform = repeat_for_samples(uniform, count)
        index = torch.full_like(uniform, -1, dtype=torch.int64)
        drawn: list[Drawn] = []
        start = 0.0
        for i, (mixer, p) in enumerate(zip(self.mixers, self.p, strict=True)):
            chosen = (uniform >= start) & (uniform < start + p)
            start += p
            index.masked_fill_(chosen, i)
            patterns = mixer.patterns(batches, count, size, generator, step)
            drawn += [pattern.only(chosen) for pattern in patterns]
        return (Selection(index), *drawn) if self.reads_batch else tuple(drawn)


def _probabilities(p: Sequence[float] | None, count: int) -> tuple[float, ...]:
    if p is None:
        return (1 / count,) * count
    if not isinstance(p, list | tuple):
        raise TypeError(f"p must be a list of probabilities, not {p!r}")
    if len(p) != count:
        raise ValueError(f"p holds {len(p)} probabilities for {count} mixers: give one for each")
    checked = [number("p", each, upper=1.0) for each in p]
    if sum(checked) > 1 + 1e-9:
        raise ValueError(f"the probabilities {list(p)} add up to {sum(checked):g}, more than 1")
    return tuple(checked)
