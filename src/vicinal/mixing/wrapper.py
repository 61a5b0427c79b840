"""Wrapper: a mixer that draws with another one."""

from typing import Any, Unpack

import torch

from vicinal.mixing.inner import adopt_options, check_inner, check_unchanged, shared_options
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn


class Wrapper(Mixer):
    """What ``Schedule``, ``ManifoldMixUp`` and ``AcrossProcesses`` share: one inner mixer.

    Args:
        mixer: draws the patterns, from the random state of the wrapper.
        **options: of :class:`Mixer`; those that the inner mixer was given are adopted.

    Raises:
        TypeError, ValueError: as for :func:`check_inner` and :func:`adopt_options`.
    """

    def __init__(self, mixer: Mixer, **options: Unpack[MixerOptions]) -> None:
        name = type(self).__name__
        check_inner(name, mixer)
        super().__init__(**adopt_options(name, options, [mixer]))
        self.mixer: Any = mixer
        self._adopted = shared_options([mixer])

    @property
    def drawn_types(self) -> tuple[Any, ...]:  # type: ignore[override]
        return self.mixer.drawn_types  # type: ignore[no-any-return]

    @property
    def block_size(self) -> int:  # type: ignore[override]
        return self.mixer.block_size  # type: ignore[no-any-return]

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        check_unchanged(self, [self.mixer], self._adopted)
        return self.mixer.patterns(batches, count, size, generator, step)  # type: ignore[no-any-return]

    def nested(self) -> list[Mixer]:
        return [self, *self.mixer.nested()]
