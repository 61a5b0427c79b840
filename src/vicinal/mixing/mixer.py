"""Mixer: the shape that everything has that draws mixes."""

import functools
import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.mixing.arguments import flag, one_of
from vicinal.mixing.batch import (
    batch_size,
    first_tensor,
    halves,
    map_leaves,
    masks_among,
    share_memory,
    tensors_to_mix,
)
from vicinal.mixing.mix import Fields, Integers, Mix
from vicinal.mixing.move import moved, to_device
from vicinal.mixing.partners import PARTNERS
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.plain import is_transformed
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
        half: lay the second half of the batch on the first; half as many samples come out.
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

    #: The patterns that it draws, one of each, in this order. Where not all of a pattern is drawn,
    #: an example of it stands for its class.
    kinds: tuple[type[Pattern], ...]
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
        self.fields = _names("fields", fields)
        self.integers: Any = one_of("integers", integers, ("raise", "leave", "paste"))
        self.maximum = _names("maximum", maximum)
        self.pixelwise = None if pixelwise is None else flag("pixelwise", pixelwise)
        self.random = RandomState(seed)
        self._register()

    @abstractmethod
    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Pattern, ...]:
        """Draw what shows of the partners: one pattern of each of ``kinds``.

        Args:
            batches: for how many batches, whose samples follow each other.
            count: how many samples are in a batch.
            size: their height and width.
            generator: where all random numbers come from, on the CPU.
            step: how many mixes this mixer has drawn before.
        """

    def draw(self, x: Any, y: Any = None, *, other: tuple[Any, Any] | None = None) -> Mix:
        """Draw a mix for a batch: random numbers only, no data is touched.

        Args:
            x: a tensor (B, ...) or a nested batch; only its sizes and device are read.
            y: its targets; where given, they must have B rows. What is in them matters to
                :class:`ClassMix`, and to the methods of which ``reads_targets`` is true.
            other: ``(x, y)`` of a second batch that brings the partners; it, too, matters to
                those alone.

        Returns:
            A mix of B samples; with ``half``, of those in the first of :func:`halves`, to be laid
            with the second as ``other``.

        Raises:
            ValueError: x and y do not have the same number of samples, or x holds no images, or the
                targets no masks, where the method needs them.
        """
        mix = self._drawn_for(x, y, other)
        other_y = None if other is None else other[1]
        if self.half and y is not None:
            y, other_y = halves(y)
        return self.for_targets(mix, y, other_y)

    def for_targets(self, mix: Mix, y: Any, other: Any = None) -> Mix:
        """The mix that these targets call for; most methods do not look at them.

        Args:
            mix: what was drawn for B samples.
            y: their targets, or None.
            other: the targets of their partners, where a second batch brings them, or None.
        """
        return mix

    @property
    def reads_targets(self) -> bool:
        """Whether targets decide whom a sample is mixed with, or how much of its label counts."""
        return type(self).for_targets is not Mixer.for_targets

    def _drawn_for(self, x: Any, y: Any, other: tuple[Any, Any] | None = None) -> Mix:
        """The next mix, before :meth:`for_targets`."""
        first = first_tensor(x)
        count, device = batch_size(first, y), first.device
        if self.half:
            count = (count + 1) // 2
        size = (1, 1)
        for kind in self.kinds:
            if kind.measure is not None:
                mixed = tensors_to_mix(x, self.fields, self.integers, self.maximum)
                size = kind.measure(mixed)
                break
        masks = None
        if any(kind.needs_masks for kind in self.kinds):
            masks = masks_among(y if other is None else other[1], size)
        if is_compiling():
            counter = self.random.graph_count
            drawn = torch.ops.vicinal.draw(counter, self._handle, count, *size, device)
            counter.copy_(drawn[0])
            mix = self._mix(drawn[1:], size)
        else:
            mix = self._drawn(self.random.next(), count, size, device)
        return mix if masks is None else self._with_masks(mix, masks, is_second=other is not None)

    def _drawn(self, draw: int, count: int, size: tuple[int, int], device: torch.device) -> Mix:
        """The mix of the draw of this number."""
        block, place = divmod(draw, self.ahead)
        if self.ahead == 1 or is_transformed():
            return self._block(block, count, size, device)[place]
        changes = Mixer._changes
        return _kept(self._handle, block, count, size, device, self.random.source, changes)[place]

    def _block(
        self, block: int, count: int, size: tuple[int, int], device: torch.device
    ) -> list[Mix]:
        """Draw the mixes of a block of batches, each of ``count`` samples."""
        batches = self.ahead
        # Batches of another size, such as the last one, have numbers of their own.
        generator = self.random.generator(block, count)
        partner = PARTNERS[self.partners](batches, count, generator)
        patterns = self.patterns(batches, count, size, generator, block * batches)
        if self.partners == "pairs":
            rows = torch.arange(batches * count, device="cpu").view(batches, count)
            paired = partner + rows[:, :1]
            leader, is_paired = torch.minimum(rows, paired).flatten(), (paired != rows).flatten()
            patterns = tuple(
                pattern.map(lambda t: t[leader]).only(is_paired) for pattern in patterns
            )
        mixes = Mix(partner.flatten(), _weight(patterns), patterns)
        drawn = (to_device(t, device) for t in mixes.tensors())
        each = (t.view(batches, count, *t.shape[1:]).unbind() for t in drawn)
        return [self._mix(parts, size) for parts in zip(*each, strict=True)]

    def _mix(self, parts: Sequence[Tensor], size: tuple[int, int]) -> Mix:
        """The mix of the tensors that were drawn for it."""
        partner, weight, *drawn = parts
        kinds = zip(self.kinds, drawn, strict=True)
        return Mix(partner, weight, tuple(kind.of(part, size) for kind, part in kinds))

    def _with_masks(self, mix: Mix, masks: Tensor, is_second: bool) -> Mix:
        """The mix, now that it is known what is where: in the batch, or in the second batch."""
        masks = moved(masks, mix.partner.device)
        if self.half:
            masks = halves(masks)[1]
        elif not is_second:
            masks = masks.index_select(0, mix.partner)
        patterns = tuple(pattern.with_masks(masks) for pattern in mix.patterns)
        return Mix(mix.partner, _weight(patterns), patterns)

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
        return self._apply(mix, x, y, other_x, other_y, inplace)

    def _apply(
        self, mix: Mix, x: Any, y: Any, other_x: Any, other_y: Any, inplace: bool
    ) -> tuple[Any, Any]:
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

    def check_inside(self, outer: "Mixer") -> None:  # noqa: B027
        """Raise a ValueError where another mixer, such as a Choice, cannot draw with this one."""

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

    # How often anything was changed in any mixer: what was drawn ahead before holds no more.
    _changes = 0

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        Mixer._changes += 1


def _weight(patterns: Sequence[Pattern]) -> Tensor:
    """(B,) what samples keep, each of which has at most one pattern that is not neutral."""
    weight = patterns[0].weight
    for pattern in patterns[1:]:
        weight = weight * pattern.weight
    return weight.float()


_HANDLES = itertools.count()
_MIXERS: weakref.WeakValueDictionary[int, Mixer] = weakref.WeakValueDictionary()


@functools.lru_cache(maxsize=4)
def _kept(
    mixer: int,
    block: int,
    count: int,
    size: tuple[int, int],
    device: torch.device,
    source: tuple[int, ...],
    changes: int,
) -> list[Mix]:
    """The block of a mixer, drawn when its first mix is wanted, and kept for the others."""
    with torch.inference_mode(False):  # else these tensors could not be used outside
        return _MIXERS[mixer]._block(block, count, size, device)


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
    draw = drawing.random.next_in_graph(counter)
    mix = drawing._drawn(draw, count, (height, width), device)
    return [counter, *(t.clone(memory_format=torch.contiguous_format) for t in mix.tensors())]


@_draw.register_fake
def _(
    counter: Tensor, mixer: int, count: int, height: int, width: int, device: torch.device
) -> list[Tensor]:
    def empty(*shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(count, *shape, dtype=dtype, device=device)

    kinds = _MIXERS[mixer].kinds
    parts = [empty(*kind.shape((height, width)), dtype=kind.dtype) for kind in kinds]
    partner, weight = empty(dtype=torch.int64), empty(dtype=torch.float32)
    return [torch.empty_like(counter), partner, weight, *parts]


def _is_told(name: str, value: Any) -> bool:
    """Whether the repr shows an attribute."""
    internal = name.startswith("_") or name in ("random", "kinds", "ahead")
    default = value is None or (name, value) in (("half", False), ("integers", "raise"))
    return not (internal or default)


def _names(option: str, fields: Fields | None) -> tuple[str | int, ...] | None:
    if fields is None:
        return None
    one = isinstance(fields, str) or not isinstance(fields, Iterable)
    names: tuple[Any, ...] = (fields,) if one else tuple(fields)  # type: ignore[arg-type]
    if not names or not all(type(name) in (str, int) for name in names):
        raise TypeError(f"{option} must be names or positions, at least one, not {fields!r}")
    return names
