"""Mixer: the shape that everything has that draws mixes."""

import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from vicinal.mixing import draws
from vicinal.mixing.arguments import one_of
from vicinal.mixing.batch import batch_size, first_tensor, halves, image_size
from vicinal.mixing.mix import Integers, Mix
from vicinal.mixing.pattern import Pattern

Partners = Literal["cycle", "shuffle", "pairs", "reverse"]
Fields = str | int | Collection[str | int]


class MixerOptions(TypedDict, total=False):
    """The keyword arguments of every mixer."""

    partners: Partners
    half: bool
    fields: Fields | None
    integers: Integers
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
        half: lay the second half of the batch on the first; half as many samples come out.
        fields: the dict keys, attributes or positions of a nested batch that are mixed; None means
            all.
        integers: what to do with integer tensors other than uint8 images: "raise", "leave" them as
            they are, or "paste" regions of the partners into them, too.
        seed: of the mixer's own random numbers; None takes one from the operating system.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.
    """

    #: The patterns that it draws, one of each, in this order.
    kinds: tuple[type[Pattern], ...]

    def __init__(
        self,
        *,
        partners: Partners = "cycle",
        half: bool = False,
        fields: Fields | None = None,
        integers: Integers = "raise",
        seed: int | None = None,
    ) -> None:
        self.partners = one_of("partners", partners, tuple(draws.PARTNERS))
        self.half = half
        self.fields = (fields,) if isinstance(fields, str | int) else fields
        self.integers: Any = one_of("integers", integers, ("raise", "leave", "paste"))
        self.random = draws.RandomState(seed)
        self._register()

    @abstractmethod
    def patterns(
        self, count: int, size: tuple[int, int], generator: torch.Generator | None, step: int
    ) -> tuple[Pattern, ...]:
        """Draw what shows of the partners: one pattern of each of ``kinds``.

        Args:
            count: how many samples.
            size: their height and width.
            generator: where all random numbers come from, on the CPU.
            step: how many mixes this mixer has drawn before.
        """

    def draw(self, x: Any, y: Any = None) -> Mix:
        """Draw a mix for a batch: random numbers only, no data is touched.

        Args:
            x: a tensor (B, ...) or a nested batch; only its sizes and device are read.
            y: its targets; where given, they must have B rows.

        Returns:
            A mix of B samples; with ``half``, of those in the first of :func:`halves`, to be laid
            with the second as ``other``.

        Raises:
            ValueError: x and y do not have the same number of samples, or x holds no images where
                the method needs them.
        """
        count = batch_size(x, y)
        if self.half:
            count = (count + 1) // 2
        spatial = any(kind.spatial for kind in self.kinds)
        size = image_size(x, self.fields) if spatial else (1, 1)
        device = first_tensor(x).device
        if torch.compiler.is_compiling():
            counter = self.random.counter
            drawn = torch.ops.vicinal.draw(counter, self._handle, count, *size, device)
            count_after, partner, weight, *parts = drawn
            counter.copy_(count_after)
            kinds = zip(self.kinds, parts, strict=True)
            return Mix(partner, weight, tuple(kind.of(part, size) for kind, part in kinds))
        generator, step = self.random.next()
        return self._drawn(count, size, generator, step).map(lambda t: draws.to_device(t, device))

    def _drawn(
        self, count: int, size: tuple[int, int], generator: torch.Generator | None, step: int
    ) -> Mix:
        partner = draws.PARTNERS[self.partners](count, generator)
        patterns = self.patterns(count, size, generator, step)
        if self.partners == "pairs":
            rows = torch.arange(count, device="cpu")
            leader = torch.minimum(rows, partner)
            patterns = tuple(
                pattern.map(lambda t: t[leader]).only(partner != rows) for pattern in patterns
            )
        # Each sample has at most one pattern that is not neutral.
        given = [1 - pattern.weight for pattern in patterns]
        return Mix(partner, (1 - torch.stack(given).sum(0)).float(), patterns)

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
            The mixed batch, and its targets as :class:`MixedTarget`.

        Raises:
            TypeError: the batch holds integers, and nothing was said about them.
            ValueError: sizes or structures do not match, or ``inplace`` would spoil the target.
        """
        if inplace and _same_memory(x, y):
            raise ValueError("x is also the target, so mixing it in place would spoil the target")
        mix = self.draw(x, y)
        if self.half:
            if other is not None:
                raise ValueError("half takes the partners from the batch: give no second batch")
            (x, other_x), (y, other_y) = halves(x), halves(y)
        else:
            other_x, other_y = (None, None) if other is None else other
        # The target first: should its shape be wrong, an in-place batch is still what it was.
        target = mix.target(y, other=other_y)
        fields, integers = self.fields, self.integers
        x = mix(x, other=other_x, inplace=inplace, fields=fields, integers=integers)
        return x, target

    def nested(self) -> list["Mixer"]:
        """This mixer and those that it draws with."""
        return [self]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on with the same draws: the seed and the number of draws."""
        return self.random.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the mixer that gave this state was."""
        self.random.load_state_dict(state)

    def __repr__(self) -> str:
        settings = {name: value for name, value in vars(self).items() if _is_told(name, value)}
        # What a method adds comes before what all have.
        names = sorted(
            settings, key=lambda name: name in (*MixerOptions.__annotations__, "per", "p")
        )
        listed = ", ".join(f"{name}={settings[name]!r}" for name in names)
        return f"{type(self).__name__}({listed}, seed={self.random.seed})"

    # torch.compile cannot look into drawing. It sees one operation, which finds its mixer by
    # number; a copy of a mixer has a number of its own.
    def _register(self) -> None:
        self._handle = next(_HANDLES)
        _MIXERS[self._handle] = self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._register()


_HANDLES = itertools.count()
_MIXERS: weakref.WeakValueDictionary[int, Mixer] = weakref.WeakValueDictionary()


# A pure function of the counter, which its caller sets to the first tensor that comes back:
# compilers may then copy, move or repeat the call.
@torch.library.custom_op(
    "vicinal::draw",
    mutates_args=(),
    schema="(Tensor counter, int mixer, SymInt count, SymInt height, SymInt width, Device device) "
    "-> Tensor[]",
)
def _draw(
    counter: Tensor, mixer: int, count: int, height: int, width: int, device: torch.device
) -> list[Tensor]:
    drawing, counter = _MIXERS[mixer], counter.clone()
    generator, step = drawing.random.next(counter)
    mix = drawing._drawn(count, (height, width), generator, step)
    return [counter, *(draws.to_device(t.contiguous(), device) for t in mix.tensors())]


@_draw.register_fake
def _(
    counter: Tensor, mixer: int, count: int, height: int, width: int, device: torch.device
) -> list[Tensor]:
    mix = _MIXERS[mixer]._drawn(count, (height, width), None, 0)
    shapes = [torch.empty(t.shape, dtype=t.dtype, device=device) for t in mix.tensors()]
    return [torch.empty_like(counter), *shapes]


def _is_told(name: str, value: Any) -> bool:
    """Whether the repr shows an attribute."""
    internal = name.startswith("_") or name in ("random", "kinds")
    return not (internal or value is None or value is False or value == "raise")


def _same_memory(x: Any, y: Any) -> bool:
    if torch.compiler.is_compiling():
        return x is y
    return first_tensor(x).data_ptr() == first_tensor(y).data_ptr() != 0
