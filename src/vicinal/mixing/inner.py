"""Mixers that draw with others: whose options hold, and how each of the others looks at a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from vicinal.mixing.arguments import names
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.pattern import Drawn, weight_of


@tensors_as_leaves("index")
@dataclass(frozen=True, eq=False)
class Selection(Drawn):
    """Which of several mixers each sample belongs to.

    Args:
        index: (B,) int64, the mixer's number, or -1 for none: that is neutral.
    """

    index: Tensor

    spatial = False
    measure = None
    dtype = torch.int64

    @property
    def values(self) -> Tensor:
        return self.index

    @property
    def weight(self) -> Tensor:
        """Ones: who is selected says nothing about how much."""
        return torch.ones_like(self.index, dtype=torch.float32)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.index.where(chosen, -1))

    @classmethod
    def of(cls, values: Tensor, size: tuple[int, int]) -> Self:
        return cls(values)

    @classmethod
    def shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        return ()

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(function(self.index))


def complete(mixer: Mixer, mix: Mix, batch: Batch) -> Mix:
    """Let an inner mixer look at the batch, after the outer one has drawn for it."""
    if type(mixer).draw is Mixer.draw:
        return mixer.complete(mix, batch)
    # One that overrides draw() calls super().draw(), and gets there what the outer mixer drew: its
    # own numbers would be other ones, of another seed, and for other samples.
    mixer._given = mix, batch
    try:
        return mixer.draw(batch.x, batch.y, other=batch.other)
    finally:
        mixer._given = None


def complete_selected(mixers: Sequence[Mixer], mix: Mix, batch: Batch) -> Mix:
    """Let several mixers look at the batch, of whom each has drawn for all samples.

    Args:
        mixers: the inner ones.
        mix: its patterns are a :class:`Selection`, and then what each mixer drew.
        batch: for all of them.
    """
    selection, *drawn = mix.patterns
    partner, weight = mix.partner, torch.ones_like(mix.weight)
    patterns: list[Any] = []
    other = None
    for number, mixer in enumerate(mixers):
        own, drawn = drawn[: len(mixer.kinds)], drawn[len(mixer.kinds) :]
        one = Mix(mix.partner, weight_of(own), tuple(own))
        if mixer.looks:
            one = complete(mixer, one, batch)
            if one.other is not None and len(mixers) > 1:
                raise ValueError(
                    f"{mixer!r} takes its partners from a pool, the others from the batch: use it "
                    "alone, or give it no pool"
                )
            other, selected = one.other, selection.values == number
            # A single one also chooses partners for samples that are not mixed: they do not matter.
            partner = one.partner.where(selected, partner) if len(mixers) > 1 else one.partner
            applied = one.patterns or (Blend(one.weight),)
            one = Mix(
                partner,
                one.weight.where(selected, 1.0),
                tuple(pattern.only(selected) for pattern in applied),
            )
        weight = weight * one.weight
        patterns += one.patterns
    return Mix(partner, weight, tuple(patterns), other)


def check_inner(outer: str, mixer: Any) -> None:
    """Raise a TypeError or ValueError where another mixer cannot draw with this one."""
    if not isinstance(mixer, Mixer):
        hint = f": call it, {mixer.__name__}()" if isinstance(mixer, type) else ""
        raise TypeError(f"a {outer} draws with mixers such as MixUp(), not with {mixer!r}{hint}")
    mixer.check_inside(outer)
    if type(mixer).__call__ is not Mixer.__call__:
        raise TypeError(
            f"{type(mixer).__name__} overrides __call__, which a {outer} does not call: override "
            "patterns(), complete() or draw()"
        )


#: The options that hold for a whole batch, whichever mixer a sample belongs to, and their defaults.
SHARED = {
    "partners": "cycle",
    "half": False,
    "fields": None,
    "integers": "raise",
    "maximum": None,
    "pixelwise": None,
}


def adopted(outer: str, options: Any, mixers: Sequence[Mixer]) -> Any:
    """The options of a mixer that draws with others: those that they were given hold for it, too.

    Args:
        outer: the name of its class.
        options: what it was given itself.
        mixers: the inner ones.

    Raises:
        ValueError: an option of an inner mixer would be dropped, as another value was given to the
            outer one, or to another inner one.
    """
    found = dict(options)
    for name, default in SHARED.items():
        # One that chooses its partners itself has no option for them.
        inner = [(mixer, getattr(mixer, name)) for mixer in mixers if name in vars(mixer)]
        given = [pair for pair in inner if pair[1] != default]
        if name in options:
            wanted = _normal(name, options[name])
        elif given:
            wanted = found[name] = given[0][1]
            # "raise" is no wish of its own, and goes with whatever another one does with integers.
            given = given if name == "integers" else inner
        for mixer, value in given:
            if value != wanted:
                raise ValueError(
                    f"{mixer!r} has {name}={value!r} and another one {wanted!r}, but a {outer} "
                    f"mixes a batch in one way: give {name}= to the {outer} alone"
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


def _normal(name: str, value: Any) -> Any:
    """An option as a mixer has it."""
    return names(name, value) if name in ("fields", "maximum") else value
