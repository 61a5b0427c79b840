"""Mixer: the shape that everything has that draws mixes."""

from abc import ABC, abstractmethod
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.mixing.arguments import Fields, flag, names, one_of
from vicinal.mixing.batch import (
    batch_size,
    first_tensor,
    halves,
    map_leaves,
    share_memory,
    tensors_to_mix,
)
from vicinal.mixing.blocks import next_mix, register
from vicinal.mixing.completion import Batch
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers
from vicinal.mixing.partners import PARTNERS
from vicinal.mixing.pattern import Drawn
from vicinal.rng import RandomState

Partners = Literal["cycle", "shuffle", "pairs", "reverse"]


class MixerOptions(TypedDict, total=False):
    """The keyword arguments of every mixer."""

    partners: Partners
    half: bool
    fields: Fields | None
    integers: Integers
    maximum: Fields | None
    pixelwise: bool | None
    seed: int | None


class Mixer(ABC):
    """Draws mixes.

    Calling a mixer does the three steps in one: ``mix = mixer.draw(x, y)``, ``mix(x)`` and
    ``mix.target(y)``.

    Args:
        partners: "cycle" (one random cycle: nobody meets himself, no pair appears twice),
            "shuffle" (a plain shuffle), "pairs" (two samples are mixed both ways, with one draw
            for both; of an odd batch, one sample stays as it is), or "reverse" (the batch read
            backwards).
        half: mix the second half of the batch into the first; half as many samples come out.
        fields: the dict keys, attributes or positions of a nested batch that are mixed; None means
            all.
        integers: what to do with integer tensors other than uint8 images: "raise", "leave" them as
            they are, or "paste" regions of the partners into them, too.
        maximum: the dict keys, attributes or positions of attention masks and lengths in a nested
            batch: of both samples, the larger values count, and nothing is blended; fields and
            integers do not matter for them. Masks must be larger where there is something.
        pixelwise: whether targets (B, ..., H, W) are said of pixels, as masks are; None takes those
            of the height and width of the images for that. See :meth:`Mix.target`.
        seed: of the mixer's own random numbers; None takes one from the operating system.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
    """

    #: What it draws, one of each, in this order. Where not all of a pattern is drawn, an example of
    #: it stands for its class.
    kinds: tuple[type[Drawn], ...]
    #: For how many batches it draws at once. Where little is drawn for a sample, drawing takes as
    #: long as it has operations, for one batch as for several.
    ahead: int = 1

    def __init__(
        self,
        *,
        partners: Partners = "cycle",
        half: bool = False,
        fields: Fields | None = None,
        integers: Integers = "raise",
        maximum: Fields | None = None,
        pixelwise: bool | None = None,
        seed: int | None = None,
    ) -> None:
        self.partners = one_of("partners", partners, tuple(PARTNERS))
        self.half = flag("half", half)
        if half and partners == "pairs":
            raise ValueError("half and partners='pairs' exclude each other: take another partners=")
        self.fields = names("fields", fields)
        self.integers: Any = one_of("integers", integers, ("raise", "leave", "paste"))
        self.maximum = names("maximum", maximum)
        self.pixelwise = None if pixelwise is None else flag("pixelwise", pixelwise)
        self.random = RandomState(seed)
        self._blocks: dict[Any, tuple[Any, list[Mix]]] = {}  # see blocks.py
        self._given: tuple[Mix, Batch] | None = None  # see inner.py
        self._handle = register(self)

    @abstractmethod
    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        """The random part of several mixes, by sizes alone: one of each of ``kinds``.

        Args:
            batches: for how many batches, whose samples follow each other.
            count: how many samples are in a batch.
            size: their height and width.
            generator: where all random numbers come from, on the CPU.
            step: how many mixes this mixer has drawn before.
        """

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        """The mix, now that the batch may be looked at; most methods have no need to.

        It may look at samples, targets, the partners of a second batch, or a model, and choose
        other partners, weights and patterns. Whoever draws with this mixer, such as a
        :class:`Choice`, hands the batch on to it.

        Args:
            mix: what was drawn for B samples; patterns that are neutral for a sample must stay so.
            batch: the samples and targets; with ``half``, half of them.

        Returns:
            A mix for the same samples.
        """
        return mix

    @property
    def looks(self) -> bool:
        """Whether it may look at the batch, by its own ``complete`` or ``draw``."""
        own = type(self)
        return own.complete is not Mixer.complete or own.draw is not Mixer.draw

    def draw(self, x: Any, y: Any = None, *, other: tuple[Any, Any] | None = None) -> Mix:
        """Draw a mix for a batch: random numbers by sizes alone, and then :meth:`complete`.

        Args:
            x: a tensor (B, ...) or a nested batch; most methods read only its sizes and device.
            y: its targets; where given, they must have B rows.
            other: ``(x, y)`` of a second batch that brings the partners.

        Returns:
            A mix of B samples; with ``half``, of those in the first of :func:`halves`, to be
            applied with the second as ``other``.

        Raises:
            ValueError: x and y do not have the same number of samples, or x holds no images, or the
                targets no masks, where the method needs them.
        """
        if self._given is not None:  # by a mixer that draws with this one
            return self.complete(*self._given)
        batch = Batch(x, y, other, self.fields, self.integers, self.maximum)
        first = first_tensor(x)
        count = batch_size(first, y)
        if self.half:
            count = (count + 1) // 2
            batch = batch.halved() if self.looks else batch
        # Height and width, where what is drawn depends on them.
        measure = next((kind.measure for kind in self.kinds if kind.measure is not None), None)
        size = (1, 1) if measure is None else measure(batch.mixed())
        mix = next_mix(self, count, size, first.device)
        if is_compiling():
            return self.complete(mix, batch)
        try:
            return self.complete(mix, batch)
        except Exception:
            self.random.count -= 1  # a batch that is refused uses up no draw
            raise

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        """Mix a batch and its targets.

        Args:
            x: (B, ...) floats or uint8 images, or a nested batch of them.
            y: (B, ...) targets of any kind, or a nested batch of them.
            other: ``(x, y)`` of a second batch that brings the partners, as in the original
                paper; without it the partners come from the batch itself.
            inplace: the batch is given away and mixed where it lies.

        Returns:
            The mixed batch, and its targets as :meth:`Mix.target` gives them.

        Raises:
            TypeError: the batch holds integers, and nothing was said about them.
            ValueError: sizes or structures do not match.
        """
        other_x, other_y = (None, None) if other is None else self._second(other)
        mix = self.draw(x, y, other=other)
        if inplace:
            y = self._spared(x, y)
        if self.half:
            inplace = inplace and batch_size(x) % 2 == 0  # else both halves hold one sample
            x, other_x = halves(x)
            y, other_y = (y, None) if y is None else halves(y)
        # The target first: should its shape be wrong, an in-place batch is still what it was.
        target = mix.target(y, other=other_y, pixelwise=self.pixelwise)
        x = mix(
            x,
            other=other_x,
            inplace=inplace,
            fields=self.fields,
            integers=self.integers,
            maximum=self.maximum,
        )
        return x, target

    def _second(self, other: Any) -> tuple[Any, Any]:
        if self.half or self.partners == "pairs":
            kind = "half" if self.half else "partners='pairs'"
            raise ValueError(f"{kind} takes the partners from the batch: give no second batch")
        if not isinstance(other, (tuple, list)) or len(other) != 2:
            raise TypeError("other must be a pair, the second batch and its targets")
        return other[0], other[1]

    def _spared(self, x: Any, y: Any) -> Any:
        """The targets, copied where they lie in memory that is mixed in place."""
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return y.clone() if share_memory(x, y) else y
        mixed = tensors_to_mix(x, self.fields, self.integers)
        if self.maximum:
            mixed += tensors_to_mix(x, self.maximum, "paste")

        def spare(_: Any, leaf: Any) -> Any:
            shared = isinstance(leaf, Tensor) and any(share_memory(leaf, t) for t in mixed)
            return leaf.clone() if shared else leaf

        return map_leaves(spare, y)

    def nested(self) -> list["Mixer"]:
        """This mixer and those that it draws with."""
        return [self]

    def check_inside(self, outer: str) -> None:  # noqa: B027
        """Raise a ValueError where another mixer, such as a "Choice", cannot draw with this one."""

    def release(self) -> None:  # noqa: B027
        """Let go of what it holds on to, such as hooks on a model; it may be used again after.

        Most mixers hold on to nothing.
        """

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on with the same draws: the seed and the number of draws."""
        return self.random.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the mixer that gave this state was."""
        self.random.load_state_dict(state)

    def __repr__(self) -> str:
        return self._described(f"seed={self.random.seed}")

    def _described(self, seed: str = "") -> str:
        """As it is written in Python; mixers inside of it draw from its seed, and have none."""
        settings = {name: value for name, value in vars(self).items() if _is_shown(name, value)}
        # What a method adds comes before what all have.
        order = sorted(
            settings, key=lambda name: name in (*MixerOptions.__annotations__, "per", "p")
        )
        listed = [f"{name}={_shown(settings[name])}" for name in order]
        return f"{type(self).__name__}({', '.join([*listed, seed] if seed else listed)})"

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name not in ("_given", "_changes"):  # which change nothing about what is drawn
            self._changes = getattr(self, "_changes", 0) + 1

    @property
    def version(self) -> tuple[int, ...]:
        """It is another one after an option of this mixer, or of one inside of it, was set."""
        return tuple(mixer._changes for mixer in self.nested())

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_blocks": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._handle = register(self)


def _is_shown(name: str, value: Any) -> bool:
    """Whether the repr shows an attribute."""
    internal = name.startswith("_") or name in ("random", "kinds", "ahead")
    default = value is None or (name, value) in (("half", False), ("integers", "raise"))
    return not (internal or default)


def _shown(value: Any) -> str:
    if isinstance(value, Mixer):
        return value._described()
    if isinstance(value, tuple) and any(isinstance(inner, Mixer) for inner in value):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value)
