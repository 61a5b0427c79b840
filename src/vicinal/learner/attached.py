"""The callbacks that a learner holds: to add, to remove and to find them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from vicinal.absent import OF_LEARNERS
from vicinal.errors import VicinalError
from vicinal.learner.callbacks import MixBatches, as_callbacks, as_list
from vicinal.learner.events import Callback
from vicinal.learner.misnamed import did_you_mean
from vicinal.mixing import MixUp


class Attached:
    """The part of a :class:`Learner` that holds its callbacks, and says what they show.

    A callback is also an attribute, by its name in small letters: ``learn.csv_logger`` is the
    :class:`CSVLogger`, and ``learn.mix_up`` the mixer :class:`MixUp`.
    """

    cbs: list[Callback]
    is_logging, shows_bar = True, True

    def add_cbs(self, cbs: Any) -> Self:
        """Add callbacks or mixers for all later trainings.

        >>> from vicinal import CutMix, DataLoaders, EMA, Learner
        >>> import torch
        >>> x, y = torch.randn(40, 2), torch.arange(40) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
        >>> learn = Learner(dls, torch.nn.Linear(2, 2)).add_cbs([CutMix, EMA(0.9)])
        >>> [callback.name for callback in learn.remove_cb(CutMix).cbs]
        ['EMA']
        """
        self.cbs = [*self.cbs, *as_callbacks(cbs)]
        return self

    add_cb = add_cbs

    def remove_cbs(self, cbs: Any) -> Self:
        """Remove callbacks or mixers: those given, or all of a class that is given.

        Args:
            cbs: one or several of them, as instances or classes.

        Raises:
            VicinalError: the learner has none of that kind.
        """
        for cb in as_list(cbs):
            kept = [held for held in self.cbs if not _is_meant(held, cb)]
            if len(kept) == len(self.cbs):
                name = cb.__name__ if isinstance(cb, type) else repr(cb)
                held = ", ".join(callback.name for callback in self.cbs)
                raise VicinalError(
                    f"the learner has no callback {name} to remove"
                    + (f": it has {held}" if held else ", nor any other")
                )
            self.cbs = kept
        return self

    remove_cb = remove_cbs

    @contextmanager
    def added_cbs(self, cbs: Any) -> Iterator[Self]:
        """Within this context the learner has these callbacks or mixers, too."""
        before = self.cbs
        try:
            yield self.add_cbs(cbs)
        finally:
            self.cbs = before

    @contextmanager
    def removed_cbs(self, cbs: Any) -> Iterator[Self]:
        """Within this context the learner lacks these callbacks or mixers.

        Raises:
            VicinalError: the learner has none of that kind.
        """
        before = self.cbs
        try:
            yield self.remove_cbs(cbs)
        finally:
            self.cbs = before

    def mixup(self, alpha: float = 0.4, **kwargs: Any) -> Self:
        """Train with :class:`MixUp`, in one line: ``vision_learner(dls, "resnet34").mixup()``.

        It replaces any mixer that was there before.
        """
        self.cbs = [cb for cb in self.cbs if not isinstance(cb, MixBatches)]
        return self.add_cbs(MixUp(alpha, **kwargs))

    @contextmanager
    def no_logging(self) -> Iterator[Self]:
        """Train without a progress bar and a table: ``with learn.no_logging(): learn.fit(3)``."""
        before, self.is_logging = self.is_logging, False
        try:
            yield self
        finally:
            self.is_logging = before

    @contextmanager
    def no_bar(self) -> Iterator[Self]:
        """Train with the table, but without a progress bar: ``with learn.no_bar(): learn.fit(3)``.

        For logs, and for places that show each step of a bar as a line.
        """
        before, self.shows_bar = self.shows_bar, False
        try:
            yield self
        finally:
            self.shows_bar = before

    if not TYPE_CHECKING:  # which would otherwise accept any attribute

        def __getattr__(self, name: str) -> Any:
            for callback in self.__dict__.get("cbs", ()):
                held = callback.mixer if isinstance(callback, MixBatches) else callback
                if attribute_name(type(held)) == name:
                    return held
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}{_hint(self, name)}", name=name
            )


def _hint(learn: Any, name: str) -> str:
    """What to write in place of a name that a learner lacks."""
    if name in OF_LEARNERS:
        return f": {OF_LEARNERS[name]}"
    if hasattr(type(learn), name):  # a property that reads others
        return " yet: it is there while fit() runs"
    if name.startswith("_"):  # asked for by Python or a notebook
        return ""
    return did_you_mean(name, [known for known in dir(learn) if not known.startswith("_")])


def attribute_name(kind: type) -> str:
    """The name of a callback as an attribute of its learner.

    >>> class SaveModelCallback: ...
    >>> class CSVLogger: ...
    >>> attribute_name(SaveModelCallback), attribute_name(CSVLogger)
    ('save_model', 'csv_logger')
    """
    name = re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()
    return name.removesuffix("_callback")


def _is_meant(held: Callback, cb: Any) -> bool:
    """Whether a callback is the one to remove, also by its mixer or their class."""
    things = [held, held.mixer] if isinstance(held, MixBatches) else [held]
    if isinstance(cb, type):
        return any(isinstance(thing, cb) for thing in things)
    return any(thing is cb for thing in things)
