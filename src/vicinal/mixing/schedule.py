"""Schedule: a mixer whose strength changes over the training."""

import copy
import math
from typing import Any, Unpack

import torch
from torch.utils.data import get_worker_info

from vicinal.mixing.arguments import number, pair, whole
from vicinal.mixing.completion import Batch
from vicinal.mixing.form import Form
from vicinal.mixing.inner import Selection, complete_selected
from vicinal.mixing.method import repeat_for_samples
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn
from vicinal.mixing.wrapper import Wrapper


class Schedule(Wrapper):
    """Change a mixer's strength over the training, or stop mixing before its end.

    Args:
        mixer: the mixer to schedule, such as ``MixUp(0.4)``. Partners and all random numbers are
            drawn by the schedule. Options that the mixer was given hold for the schedule, too.
        until: the fraction of the training, in [0, 1], after which nothing is mixed any more. The
            first 15 of 20 epochs are ``until=15 / 20``, to the batch.
        alpha: the first and the last value of the mixer's ``alpha``, which changes linearly from
            the start of the training to ``until``; None leaves it constant.
        steps: the number of batches in the whole training. None expects the trainer to call
            :meth:`begin`, as a Learner does.
        **options: of :class:`Mixer`: partners, half, fields, integers, maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
        ValueError: at the first batch, if the length of the training is unknown, or if the batch is
            mixed in a data loader's worker, which sees only some of the batches.

    >>> from vicinal import MixUp
    >>> mixer = Schedule(MixUp(), until=0.9, alpha=(0.0, 0.4), steps=1000, seed=0)
    >>> x, y = mixer(torch.rand(8, 3), torch.arange(8))
    >>> bool((y.weight == 1).all())  # alpha is 0 at first
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
        super().__init__(mixer, **options)
        if alpha is not None and not isinstance(getattr(mixer, "alpha", None), float):
            raise ValueError(f"{mixer!r} has no alpha to change: schedule the mixers inside of it")
        self.mixer = copy.copy(mixer)  # the caller's alpha must not change
        self._given, self._given_changes = mixer, mixer._changes
        self.until = number("until", until, upper=1.0)
        self.alpha = None if alpha is None else pair("alpha", alpha)
        self.steps = None if steps is None else whole("steps", steps)
        self._span: tuple[int, int] | None = None

    @property
    def form(self) -> Form | None:  # type: ignore[override]
        return self.mixer.form  # type: ignore[no-any-return]

    @property
    def drawn_types(self) -> tuple[Any, ...]:  # type: ignore[override]
        selection = (Selection,) if self.reads_batch else ()
        return (*selection, *self.mixer.drawn_types)

    @property
    def block_size(self) -> int:  # type: ignore[override]
        # All batches of a block have the same alpha.
        return self.mixer.block_size if self.alpha is None else 1  # type: ignore[no-any-return]

    def begin(self, steps: int, at: int = 0) -> None:
        """Set the length of the training, unless it was given as ``steps``.

        Args:
            steps: the number of batches.
            at: the number of mixes that were drawn before the training began.
        """
        if self.steps is None:
            self._span = (at, steps)

    @property
    def reads_batch(self) -> bool:
        return self._overrides(Schedule) or bool(self.mixer.reads_batch)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        return complete_selected([self.mixer], mix, batch)[0] if self.reads_batch else mix

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
                "a schedule cannot draw in a data loader's worker, which sees only some of the "
                "batches: mix in the training loop, or set num_workers=0"
            )
        self._check_given()
        span = self._span if self.steps is None else (0, self.steps)
        if span is None:
            raise ValueError(
                "the schedule does not know the length of the training: give it steps=, the number "
                "of batches"
            )
        start, steps = span
        # Without the 1e-9, a product such as 0.07 * 100 = 7.000000000000001 would be rounded to 8.
        step, end = step - start, math.ceil(self.until * steps - 1e-9)
        if self.alpha is not None:
            first, last = self.alpha
            # Past __setattr__, which would check for every batch what lies between checked ends.
            alpha = first + (last - first) * min(max(step, 0) / max(end - 1, 1), 1.0)
            vars(self.mixer)["alpha"] = alpha
            self.mixer._changes += 1
        mixing = repeat_for_samples(torch.arange(step, step + batches, device="cpu") < end, count)
        drawn = super().patterns(batches, count, size, generator, step)
        drawn = tuple(pattern.only(mixing) for pattern in drawn)
        return (Selection(mixing.long() - 1), *drawn) if self.reads_batch else drawn

    def _check_given(self) -> None:
        """Raise a ValueError if the mixer that the caller holds has been changed."""
        if self._given._changes != self._given_changes:
            raise ValueError(
                f"{self._given!r} was changed after it was given to a Schedule, which uses a copy "
                "of it: change the mixer of the Schedule, schedule.mixer"
            )


def begin_schedules(mixer: Mixer, steps: int, at: int) -> None:
    """Set the length of the training in every schedule of a mixer.

    Args:
        mixer: a schedule, a mixer that wraps some, or any other.
        steps, at: as for :meth:`Schedule.begin`.
    """
    for inner in mixer.nested():
        if isinstance(inner, Schedule):
            inner.begin(steps, at=at)
