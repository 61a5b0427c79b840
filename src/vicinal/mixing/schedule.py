"""Schedule: a mixer that changes while training goes on."""

import copy
import math
from typing import Any, Unpack

import torch
from torch.utils.data import get_worker_info

from vicinal.mixing.arguments import number, pair, whole
from vicinal.mixing.completion import Batch
from vicinal.mixing.inner import Selection, adopted, check_inner, complete_selected
from vicinal.mixing.method import over_samples
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn


class Schedule(Mixer):
    """Change a mixer's strength over the training, or stop mixing before its end.

    Args:
        mixer: what is mixed with, such as ``MixUp(0.4)``. What it draws for a sample is its own;
            the options below and random numbers are the schedule's.
        until: the share of the training after which nothing is mixed any more, in [0, 1].
        alpha: first and last value of the mixer's ``alpha``, on a straight line from the start of
            the training to ``until``; None leaves it as it is.
        steps: the number of batches in the whole training. None means that the trainer says so by
            :meth:`begin`, as a Learner does.
        **options: of :class:`Mixer`: partners, half, fields, integers, maximum, pixelwise,
            seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
        ValueError: at the first batch, nobody has said how long the training is, or the batch is
            mixed in a worker of a data loader, which sees only some of the batches.

    >>> from vicinal import MixUp
    >>> mixer = Schedule(MixUp(), until=0.9, alpha=(0.0, 0.4), steps=1000, seed=0)
    >>> x, y = mixer(torch.rand(8, 3), torch.arange(8))
    >>> bool((y.weight == 1).all())  # it begins with alpha 0
    True
    """

    def __init__(
        self,
        mixer: Mixer,
        *,
        until: float = 1.0,
        alpha: tuple[float, float] | None = None,
        steps: int | None = None,
        **options: Unpack[MixerOptions],
    ) -> None:
        check_inner("Schedule", mixer)
        super().__init__(**adopted("Schedule", options, [mixer]))
        if alpha is not None and not isinstance(getattr(mixer, "alpha", None), float):
            raise ValueError(f"{mixer!r} has no alpha to change: schedule the mixers inside of it")
        self.mixer: Any = copy.copy(mixer)  # its alpha changes
        self.until = number("until", until, upper=1.0)
        self.alpha = None if alpha is None else pair("alpha", alpha)
        self.steps = None if steps is None else whole("steps", steps)
        self.kinds = (Selection, *mixer.kinds) if self.looks else mixer.kinds
        self.ahead = mixer.ahead if alpha is None else 1
        self._span = None if steps is None else (0, steps)

    def begin(self, steps: int, at: int = 0) -> None:
        """Say how long the training is; where ``steps`` was given from the start, that holds.

        Args:
            steps: the number of batches.
            at: how many mixes were drawn before the training began.
        """
        if self.steps is None:
            self._span = (at, steps)

    def nested(self) -> list[Mixer]:
        return [self, *self.mixer.nested()]

    @property
    def looks(self) -> bool:
        return bool(self.mixer.looks)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        return complete_selected([self.mixer], mix, batch) if self.looks else mix

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        if get_worker_info() is not None:
            raise ValueError(
                "a data loader's worker cannot tell how far the training is, so a schedule cannot "
                "draw there: mix in the training loop, or let the loader have num_workers=0"
            )
        if self._span is None:
            raise ValueError(
                "the schedule does not know how long the training is: give it steps=, the number "
                "of batches"
            )
        start, steps = self._span
        step, end = step - start, math.ceil(self.until * steps - 1e-9)
        if self.alpha is not None:
            first, last = self.alpha
            self.mixer.alpha = first + (last - first) * min(max(step, 0) / max(end - 1, 1), 1.0)
        mixing = over_samples(torch.arange(step, step + batches, device="cpu") < end, count)
        drawn = self.mixer.patterns(batches, count, size, generator, step)
        drawn = tuple(pattern.only(mixing) for pattern in drawn)
        return (Selection(mixing.long() - 1), *drawn) if self.looks else drawn


def begin_schedules(mixer: Mixer, steps: int, at: int) -> None:
    """Say how long the training is to every schedule that a mixer draws with.

    Args:
        mixer: which may be one itself, or hold some.
        steps, at: as for :meth:`Schedule.begin`.
    """
    for inner in mixer.nested():
        if isinstance(inner, Schedule):
            inner.begin(steps, at=at)
