"""Mixer: the base class of everything that draws mixes.

A mixer works in four separate steps, so that methods, kinds of data and losses are independent of
each other:

1. **draw**: random numbers by the sizes of the batch alone (:meth:`Mixer.patterns`). No tensor is
   read, so the CPU never waits for a GPU, and several batches can be drawn at once.
2. **complete**: a look at the batch, for methods whose mix depends on pixels, labels, a model or a
   pool of partners (:meth:`Mixer.complete`). Wrappers such as ``Choice`` delegate this step.
3. **apply**: ``mix(x)``, to a tensor, a nested batch or hidden activations, as often as needed.
4. **target**: ``mix.target(y)``, a ``MixedTarget``, which losses and metrics understand.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypedDict

import torch
from torch.compiler import is_compiling

from vicinal.mixing.arguments import Fields, flag, names, one_of
from vicinal.mixing.assigned import as_constructed
from vicinal.mixing.batch import (
    batch_size,
    copy_if_shared,
    first_tensor,
    halves,
    tensors_to_mix,
)
from vicinal.mixing.blocks import next_mix, register
from vicinal.mixing.completion import Batch
from vicinal.mixing.described import described
from vicinal.mixing.form import Form
from vicinal.mixing.listed import Known, check_lists
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers
from vicinal.mixing.outer_draw import handed_to
from vicinal.mixing.partners_by import Partners, checked_partners, choose_partners, needs_batch
from vicinal.mixing.pattern import Drawn
from vicinal.mixing.tensors import kind_of, longest
from vicinal.notebook import html_facts
from vicinal.rng import RandomState


class MixerOptions(TypedDict, total=False):
    """The keyword arguments of every mixer, for ``**options: Unpack[MixerOptions]``.

    :class:`Mixer` documents them.
    """

    partners: Partners
    half: bool
    fields: Fields | None
    integers: Integers
    maximum: Fields | None
    pixelwise: bool | None
    seed: int | None


class Mixer(ABC):
    """Draw mixes: who is mixed with whom, how much, and where.

    ``x, y = mixer(x, y)`` draws a mix and applies it to a batch and its targets. The same in steps
    is ``mix = mixer.draw(x, y)``, ``x = mix(x)`` and ``y = mix.target(y)``.

    A subclass implements :meth:`patterns`, which draws random numbers by sizes alone. If its mix
    also depends on the batch, it overrides :meth:`complete`. Published methods derive from
    :class:`Method`, where it is enough to draw one pattern.

    For each sample, a mixer draws a ``partner`` and a ``weight``, the share of itself that the
    sample keeps: the papers' λ (``lam``).

    Args:
        partners: how partners are drawn. "cycle": one random cyclic permutation, without fixed
            points, in which no pair appears twice. "shuffle": any permutation. "pairs": two samples
            are each other's partner and share one draw; in an odd batch, one sample is not mixed.
            "reverse": the batch in reverse order. "same_class" and "other_class", for class
            indices (B,) as targets: a random other sample of the same or of another class; if there
            is none in the batch, the sample is not mixed. "near" and "far": the nearest or farthest
            other sample, by the inputs or, with :class:`Near` and :class:`Far`, by features of
            them. Or a function of the targets (y), or of samples and targets (x, y), that returns
            for each sample the index of its partner; or such indices for batches of one size.
        half: mix the second half of the batch into the first, and return only the first half.
        fields: the dict keys, attributes or positions of a nested batch to mix; None mixes all.
        integers: what to do with integer tensors other than uint8 images: "raise" an error, "leave"
            them unchanged, or "paste" regions of the partners into them.
        maximum: the dict keys, attributes or positions of attention masks and lengths in a nested
            batch. They become the elementwise maximum of both samples' values and are never
            blended; ``fields`` and ``integers`` do not apply to them. The value of a mask must be
            larger where there is data than where there is padding.
        pixelwise: whether targets (B, ..., H, W) describe pixels, as segmentation masks do, rather
            than whole samples; None decides by whether they have the height and width of the
            images. See :meth:`Mix.target`.
        seed: seeds the mixer's own random numbers. None follows ``torch.manual_seed``: at its first
            use, the mixer takes a seed from the state of torch's generator on the CPU, which it
            does not advance.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
    """

    #: The types that ``patterns`` returns, in this order. If values alone do not determine a
    #: pattern, because it has options, an instance takes the place of its class.
    drawn_types: tuple[type[Drawn], ...]
    #: How many batches are drawn at once. If a sample needs only a few numbers, the time goes into
    #: calling torch's operations, and a block of 16 batches costs hardly more than one batch.
    block_size: int = 1
    #: What mixes batches that are no tensors (B, ...); None for tensors. See form.py.
    form: Form | None = None

    #: Whether it mixes hidden activations: a Choice then lets it apply its part to a layer.
    at_layers: ClassVar[bool] = False

    #: Options whose defaults are other ones than those of the base classes.
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        described(cls)

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
        self.partners: Any = checked_partners(partners)
        self.half = flag("half", half)
        if half and (needs_batch(self.partners) or partners == "pairs"):
            shown = f"partners={self.partners!r}"
            raise ValueError(f"half and {shown} exclude each other: choose other partners=")
        self.fields = names("fields", fields)
        self.integers: Any = one_of("integers", integers, ("raise", "leave", "paste"))
        self.maximum = names("maximum", maximum)
        self.pixelwise = None if pixelwise is None else flag("pixelwise", pixelwise)
        self.random = RandomState(seed)
        self._blocks: dict[Any, tuple[Any, list[Mix]]] = {}  # see blocks.py
        self._outer_draw: tuple[Mix, Batch] | None = None  # see inner.py
        self._known: Known = set()  # see listed.py
        self._op_id = register(self)

    @abstractmethod
    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        """Draw the random part of several mixes, by sizes alone.

        Args:
            batches: the number of batches; their samples follow each other.
            count: the number of samples in a batch.
            size: height and width of the samples.
            generator: the source of all random numbers, on the CPU.
            step: the number of mixes that this mixer has drawn before.

        Returns:
            One object of each of ``drawn_types``, with ``batches * count`` rows, on the CPU.
        """

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        """Finish a mix, given the batch. The default returns the mix as it was drawn.

        An override may look at samples, targets, the partners of a second batch, or a model, and
        choose other partners, weights and patterns. Wrappers such as :class:`Choice` call it with
        the batch that they were called with.

        Args:
            mix: the mix that was drawn for B samples. A pattern that is neutral for a sample, which
                then is not mixed or belongs to another mixer, must stay neutral for it.
            batch: the samples and targets; with ``half``, the first half of them.

        Returns:
            A mix of the same samples.
        """
        return mix

    @property
    def reads_batch(self) -> bool:
        """Whether the mix may depend on the batch: it overrides ``complete`` or ``draw``."""
        return self._overrides(Mixer)

    def _overrides(self, base: type[Any]) -> bool:
        """Whether complete() or draw() is another one than that of a base class."""
        own = type(self)
        return own.complete is not base.complete or own.draw is not base.draw

    def draw(self, x: Any, y: Any = None, *, other: tuple[Any, Any] | None = None) -> Mix:
        """Draw a mix for a batch: random numbers by sizes alone, then :meth:`complete`.

        Args:
            x: a tensor (B, ...) or a nested batch; most methods read only its sizes and device.
            y: its targets, with B rows if given.
            other: ``(x, y)``, a second batch whose row i is the partner of row i.

        Returns:
            A mix of B samples. With ``half``, a mix of the first of the :func:`halves`, to be
            applied with the second one as ``other``.

        Raises:
            ValueError: x and y do not have the same number of samples, or are lists with an entry
                for each sample; or the method needs images in x or masks in y and there are none.
        """
        handed = handed_to(self)
        if handed is not None:  # by a wrapper that calls this: see inner.py
            return self.complete(*handed)
        return self._undone_on_error(self._draw, x, y, other)

    def _draw(self, x: Any, y: Any, other: tuple[Any, Any] | None) -> Any:
        if self.form is not None:
            return self.form.draw(self, x, y, other)  # type: ignore[no-any-return]
        check_lists(x, y, self.fields, None if is_compiling() else self._known)
        first = first_tensor(x, "x")
        count = batch_size(first, y)
        if self.half:
            count = (count + 1) // 2
        size, kind = self._size_of(x)
        mix = next_mix(self, count, size, first.device)
        # Most methods look at no batch, which then need not be made for them.
        if not (self.reads_batch or needs_batch(self.partners)):
            return mix.cut_from(kind)
        batch = Batch(x, y, other, self.fields, self.integers, self.maximum)
        batch = batch.halved() if self.half else batch
        return self.complete(choose_partners(self.partners, mix, batch), batch).cut_from(kind)

    def _undone_on_error(self, step: Callable[..., Any], *args: Any) -> Any:
        """What a step returns; a batch that it rejects uses up no draw."""
        if is_compiling():
            return step(*args)
        count = self.random.count
        try:
            return step(*args)
        except Exception:
            self.random.count = count
            raise

    def _size_of(self, x: Any) -> tuple[tuple[int, ...], str]:
        """The sides, where what is drawn depends on them, and of what: see `kind_of`."""
        sized = [drawn for drawn in self.drawn_types if drawn.size_of is not None]
        if not sized:  # a batch need not have images
            return (1, 1), "images"
        tensors = tensors_to_mix(x, self.fields, self.integers, self.maximum)
        sizes = [drawn.size_of(tensors) for drawn in sized]  # type: ignore[misc]
        size = longest(sizes)
        for drawn, other in zip(sized, sizes, strict=True):
            if other != size and (drawn.is_sized or other != size[-len(other) :]):
                raise ValueError(
                    f"{self!r} takes {' and '.join(map(str, sizes))} for height and width: let all "
                    "of its mixers cut images, all of them series, or all of them volumes"
                )
        return size, kind_of(sized, tensors)

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        """Mix a batch and its targets.

        Args:
            x: (B, ...) floats or uint8 images, or a nested batch of them.
            y: (B, ...) targets of any kind, or a nested batch of them.
            other: ``(x, y)``, a second batch whose row i is the partner of row i, as in the
                original paper; without it, the partners come from the batch itself.
            inplace: overwrite the tensors of the batch with the mixed ones.

        Returns:
            The mixed batch, and its targets, mixed by :meth:`Mix.target`.

        Raises:
            TypeError: the batch holds integers, and ``integers`` is "raise".
            ValueError: sizes or structures do not match, or a list in the batch holds, or may hold,
                an entry for each sample instead of fields (B, ...).
        """
        return self._undone_on_error(self._mix_batch, x, y, other, inplace)  # type: ignore[no-any-return]

    def _mix_batch(
        self, x: Any, y: Any, other: tuple[Any, Any] | None, inplace: bool
    ) -> tuple[Any, Any]:
        if self.form is not None:
            mix = self.draw(x, y, other=other)
            return mix(x), mix.target(y)
        other_x, other_y = (None, None) if other is None else self._check_second_batch(other)
        mix = self.draw(x, y, other=other)
        pixelwise = True if self.pixelwise is None and mix.is_target(x, y) else self.pixelwise
        if inplace:
            y = copy_if_shared(x, y, self.fields, self.integers, self.maximum)
        if self.half:
            # Both halves of an odd batch contain the sample in the middle: writing it into the
            # first half would change a partner in the second.
            inplace = inplace and batch_size(x) % 2 == 0
            x, other_x = halves(x)
            y, other_y = (y, None) if y is None else halves(y)
        # The target first: if it is rejected, an in-place batch is still unchanged.
        target = mix.target_of_fields(y, other_y, pixelwise)
        return self._apply(mix, x, other_x, inplace), target

    def _apply(self, mix: Mix, x: Any, other: Any, inplace: bool) -> Any:
        """Apply a mix to a batch, with the options of this mixer."""
        return mix.apply_to_fields(
            x,
            other=other,
            inplace=inplace,
            fields=self.fields,
            integers=self.integers,
            maximum=self.maximum,
        )

    def _check_second_batch(self, other: Any) -> tuple[Any, Any]:
        if self.half or self.partners == "pairs":
            option = "half" if self.half else "partners='pairs'"
            raise ValueError(f"{option} takes the partners from the batch: give no second batch")
        if not isinstance(other, (tuple, list)) or len(other) != 2:
            raise TypeError("other must be a pair, the second batch and its targets")
        return other[0], other[1]

    def nested(self) -> list["Mixer"]:
        """This mixer and, recursively, the mixers that it wraps."""
        return [self]

    def check_inside(self, outer: str) -> None:  # noqa: B027
        """Raise a ValueError if a wrapper, such as a "Choice", cannot use this mixer."""

    def release(self) -> None:  # noqa: B027
        """Release resources such as hooks on a model. The mixer can be used again afterwards.

        Most mixers hold none.
        """

    def state_dict(self) -> dict[str, Any]:
        """The seed and the number of draws, which determine all later draws."""
        return self.random.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the draws of the mixer whose ``state_dict()`` this is."""
        self.random.load_state_dict(state)

    def __repr__(self) -> str:
        # To show a mixer must not be its first use, which would take its seed.
        return self._repr(f"seed={self.random.seed}" if self.random.has_seed else "")

    def _repr(self, seed: str = "") -> str:
        """The mixer as Python code; inner mixers use the seed of the outer one and show none."""
        listed = [f"{name}={value}" for name, value in self._shown_settings().items()]
        return f"{type(self).__name__}({', '.join([*listed, seed] if seed else listed)})"

    def _shown_settings(self) -> dict[str, str]:
        settings = {name: value for name, value in vars(self).items() if _is_shown(name, value)}
        last = (*MixerOptions.__annotations__, "per", "p")  # after the options of the method
        order = sorted(settings, key=lambda name: name in last)
        return {name: _value_repr(settings[name]) for name in order}

    def _repr_html_(self) -> str:
        seed = {"seed": str(self.random.seed)} if self.random.has_seed else {}
        return html_facts(type(self).__name__, {**self._shown_settings(), **seed})

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and "_is_constructed" in vars(self):
            value = as_constructed(self, name, value)
        super().__setattr__(name, value)
        # Blocks that were drawn with other options must not be used: see blocks.py. These three
        # attributes have no influence on what is drawn.
        if name not in ("_outer_draw", "_changes", "_op_id"):
            self._changes = getattr(self, "_changes", 0) + 1

    @property
    def version(self) -> tuple[int, ...]:
        """Changes whenever an attribute of this mixer, or of one that it wraps, is set."""
        return tuple([mixer._changes for mixer in self.nested()])

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_blocks": {}}  # which any copy can draw again

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._op_id = register(self)


described(Mixer)


def _is_shown(name: str, value: Any) -> bool:
    """Whether the repr includes an attribute."""
    internal = name.startswith("_") or name in ("random", "drawn_types", "block_size")
    default = value is None or (name, value) in (("half", False), ("integers", "raise"))
    return not (internal or default)


def _value_repr(value: Any) -> str:
    if isinstance(value, Mixer):
        return value._repr()
    if isinstance(value, tuple) and any(isinstance(inner, Mixer) for inner in value):
        return f"[{', '.join(map(_value_repr, value))}]"
    return repr(value)
