"""What the wrappers of other mixers share: ``Choice`` and those of one mixer, in wrapper.py.

A wrapper draws with the ``patterns`` of its inner mixers, all of them from its own random state,
and later lets each inner mixer complete its part. It never calls an inner mixer's ``draw``, which
would advance another random state. Options of inner mixers are adopted by the wrapper, or rejected
if they contradict each other, but never ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.mixing.arguments import names
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.outer_draw import handed
from vicinal.mixing.partners_by import checked_partners
from vicinal.mixing.pattern import Drawn, weight_of


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Selection(Drawn):
    """Which of several mixers each sample belongs to.

    Args:
        index: (B,) int64, the mixer's number; -1 for none, which is neutral.
    """

    index: Tensor

    tensors = ("index",)
    spatial = False
    size_of = None
    dtype = torch.int64

    @property
    def weight(self) -> Tensor:
        """Ones: a selection by itself mixes nothing."""
        return torch.ones_like(self.index, dtype=torch.float32)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.index.where(chosen, -1))


def complete_inner(mixer: Mixer, mix: Mix, batch: Batch) -> Mix:
    """Let an inner mixer complete what its wrapper has drawn for it."""
    if type(mixer).draw is Mixer.draw:
        return mixer.complete(mix, batch)
    # The mixer overrides draw(), which may change the mix that super().draw() returns. It must run,
    # but super().draw() must return the wrapper's mix: a new draw, from the inner mixer's own seed,
    # would have nothing to do with the samples that the wrapper has selected.
    if batch.is_half:
        raise ValueError(
            f"{type(mixer).__name__} overrides draw(), which would get half of a batch here: "
            "override complete(), or mix without half"
        )
    if is_compiling():
        mixer._outer_draw = mix, batch
        mixed = mixer.draw(batch.x, batch.y, other=batch.other)
        mixer._outer_draw = None
        return mixed
    with handed(mixer, (mix, batch)):
        return mixer.draw(batch.x, batch.y, other=batch.other)


def complete_selected(
    mixers: Sequence[Mixer], mix: Mix, batch: Batch
) -> tuple[Mix, list[tuple[Any, ...]]]:
    """Let several inner mixers complete their parts of a mix.

    Args:
        mixers: the inner mixers, each of which has drawn for all samples.
        mix: its patterns are a :class:`Selection`, followed by the patterns of each mixer.
        batch: the whole batch, which each mixer may look at.

    Returns:
        A mix in which each sample has the partner, weight and patterns of its own mixer; and the
        patterns of each mixer, which are those of the mix, one mixer after the other.
    """
    selection, *drawn = mix.patterns
    partner, weight = mix.partner, torch.ones_like(mix.weight)
    patterns: list[tuple[Any, ...]] = []
    other = None
    for number, mixer in enumerate(mixers):
        own, drawn = drawn[: len(mixer.drawn_types)], drawn[len(mixer.drawn_types) :]
        one = Mix(mix.partner, weight_of(own), tuple(own))
        if mixer.reads_batch:
            one = complete_inner(mixer, one, batch)
            if one.other is not None and len(mixers) > 1:
                raise ValueError(
                    f"{mixer!r} takes its partners from a pool, or makes its own, the others from "
                    "the batch: use it alone, or give it no pool"
                )
            other, selected = one.other, selection.values == number
            # Partners of samples that are not mixed do not matter, and a single mixer's may index a
            # pool, which the partners drawn for the batch would not fit.
            partner = one.partner.where(selected, partner) if len(mixers) > 1 else one.partner
            # complete() may return patterns that are not neutral for samples of other mixers.
            applied = one.patterns or (Blend(one.weight),)
            one = Mix(
                partner,
                one.weight.where(selected, 1.0),
                tuple(pattern.only(selected) for pattern in applied),
            )
        weight = weight * one.weight
        patterns.append(tuple(one.patterns))
    return Mix(partner, weight, tuple(chain.from_iterable(patterns)), other), patterns


def check_inner(outer: str, mixer: Any) -> None:
    """Raise a TypeError or ValueError if a wrapper, named ``outer``, cannot use this mixer."""
    if not isinstance(mixer, Mixer):
        hint = f": call it, {mixer.__name__}()" if isinstance(mixer, type) else ""
        raise TypeError(f"a {outer} draws with mixers such as MixUp(), not with {mixer!r}{hint}")
    mixer.check_inside(outer)
    if type(mixer).__call__ is not Mixer.__call__ and not mixer.at_layers:
        raise TypeError(
            f"{type(mixer).__name__} overrides __call__, which a {outer} does not call: override "
            "patterns(), complete() or draw()"
        )


#: The options that concern a whole batch, so that inner mixers cannot differ in them; with their
#: defaults.
SHARED_OPTIONS = {
    "partners": "cycle",
    "half": False,
    "fields": None,
    "integers": "raise",
    "maximum": None,
    "pixelwise": None,
}


def adopt_options(outer: str, options: Any, mixers: Sequence[Mixer]) -> Any:
    """The options of a wrapper: its own, and those that its inner mixers were given.

    Args:
        outer: the name of the wrapper's class.
        options: the options that the wrapper was given.
        mixers: the inner mixers.

    Returns:
        The options, including the seed.

    Raises:
        ValueError: an option of an inner mixer would be ignored, because the wrapper or another
            inner mixer has another value for it.
    """
    options = {name: _normalized(name, value) for name, value in options.items()}
    found = dict(options)
    _check_inner_partners(outer, options, mixers)
    for name, default in SHARED_OPTIONS.items():
        # Mixers that choose partners themselves have no attribute `partners` of their own.
        inner = [(mixer, getattr(mixer, name)) for mixer in mixers if name in vars(mixer)]
        given = [pair for pair in inner if pair[1] != default]
        if name in options:
            wanted = options[name]
        elif given:
            wanted = found[name] = given[0][1]
            # integers="raise" is compatible with any other value: a mixer that has no use for
            # integers does not object to another one that has. Other defaults are real choices.
            given = given if name == "integers" else inner
        for mixer, value in given:
            if value != wanted:
                own = ", its default," if value == default else ""
                raise ValueError(
                    f"{mixer!r} has {name}={value!r}{own} and another one {wanted!r}, but a "
                    f"{outer} mixes a batch in one way: give {name}= to the {outer} alone"
                )
    seeds = {mixer.random.seed for mixer in mixers if mixer.random.is_seeded}
    if options.get("seed") is not None:
        seeds |= {options["seed"]}
    if len(seeds) > 1:
        raise ValueError(
            f"the seeds {', '.join(map(str, sorted(seeds)))} contradict each other, as a {outer} "
            f"draws for all of its mixers: give seed= to the {outer} alone"
        )
    return {**found, "seed": next(iter(seeds), None)}


def _check_inner_partners(outer: str, options: Any, mixers: Sequence[Mixer]) -> None:
    """Raise a ValueError for partners that a mixer cannot have, however deep it is."""
    nested = [inner for mixer in mixers for inner in mixer.nested()]
    wanted = {options.get("partners")} | {getattr(mixer, "partners", None) for mixer in nested}
    for mixer in nested:
        if "pairs" in wanted and "partners" not in vars(mixer):
            raise ValueError(
                f"{mixer!r} chooses the partners itself, so a {outer} with it cannot mix "
                "partners='pairs': leave out one of them"
            )
        others = [each for each in wanted if each is not None and each != "cycle"]
        if getattr(mixer, "needs_cycle", False) and others:
            raise ValueError(
                f"{mixer!r} blends all samples of a batch, so a {outer} with it cannot choose "
                f"their partners: leave out partners={others[0]!r}"
            )


def shared_options(mixers: Sequence[Mixer]) -> list[dict[str, Any]]:
    """The options of each inner mixer that its wrapper has adopted."""
    return [{name: getattr(m, name) for name in SHARED_OPTIONS if name in vars(m)} for m in mixers]


def check_unchanged(outer: Mixer, mixers: Sequence[Mixer], adopted: list[dict[str, Any]]) -> None:
    """Raise a ValueError if an option that was adopted has been set on an inner mixer since."""
    for mixer, before in zip(mixers, adopted, strict=True):
        for name, value in before.items():
            if getattr(mixer, name) != value:
                kind = type(outer).__name__
                raise ValueError(
                    f"{name} of {mixer!r} was set after the mixer was given to a {kind}, which "
                    f"mixes a batch in one way: set it on the {kind}"
                )


def _normalized(name: str, value: Any) -> Any:
    """An option's value in the form in which mixers store it."""
    if name == "partners":
        return checked_partners(value)
    return names(name, value) if name in ("fields", "maximum") else value
