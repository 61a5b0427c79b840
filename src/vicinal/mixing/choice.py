"""Choice: one of several mixers, chosen at random."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Unpack

import torch

from vicinal.mixing.arguments import number, one_of
from vicinal.mixing.completion import Batch
from vicinal.mixing.form import Form, check_forms
from vicinal.mixing.inner import (
    Selection,
    adopt_options,
    check_inner,
    check_unchanged,
    complete_selected,
    shared_options,
)
from vicinal.mixing.layers import INPUT
from vicinal.mixing.method import Per, repeat_for_samples
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn


class Choice(Mixer):
    """Choose one of several mixers at random, for each sample or for each batch.

    Args:
        mixers: such as ``[MixUp(0.2), CutMix(1.0)]``. Partners and all random numbers are drawn by
            the choice. Options that the mixers were given hold for the choice, too. With
            ``per="batch"``, one of them may be a :class:`ManifoldMixUp`: its batches are mixed at a
            layer of its model, by the next forward pass in training mode. :meth:`release` removes
            its hooks.
        p: the probability of each mixer. If they add up to less than 1, the rest is the probability
            of not mixing. None makes all mixers equally likely.
        per: "sample" chooses a mixer for each sample, "batch" one for all samples of a batch.
        **options: of :class:`Mixer`: partners, half, fields, integers, maximum, pixelwise, seed.

    Raises:
        TypeError: ``mixers`` is empty, or holds something that is not a mixer.
        ValueError: the probabilities do not match the mixers, or exceed 1; or options of the mixers
            contradict each other.

    Source: the switch between mixup and CutMix in timm's ``Mixup``.

    >>> from vicinal import CutMix, MixUp
    >>> mixer = Choice([MixUp(0.2), CutMix(1.0)], p=[0.3, 0.5], seed=0)
    >>> x, y = mixer(torch.rand(8, 3, 32, 32), torch.arange(8))

    Boxes at the input, or blends at a layer:

    >>> from vicinal import ManifoldMixUp
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    >>> mixer = Choice([CutMix(1.0), ManifoldMixUp(model, "0")], per="batch", seed=0)
    >>> x, y = mixer(torch.rand(8, 3, 32, 32), torch.arange(8))
    >>> features = model(x)  # mixes here, if x is not mixed
    >>> mixer.release()
    """

    def __init__(
        self,
        mixers: Sequence[Mixer],
        p: Sequence[float] | None = None,
        *,
        per: Per = "sample",
        **options: Unpack[MixerOptions],
    ) -> None:
        if not isinstance(mixers, list | tuple) or not mixers:
            raise TypeError(f"mixers must be a list of at least one, not {mixers!r}")
        for mixer in mixers:
            check_inner("Choice", mixer)
        check_forms("Choice", mixers)
        super().__init__(**adopt_options("Choice", options, mixers))
        self.mixers = tuple(mixers)
        self.p = _probabilities(p, len(self.mixers))
        self.per = one_of("per", per, ("sample", "batch"))
        self._adopted = shared_options(self.mixers)
        self._at_layers = _at_layers(self)

    @property
    def form(self) -> Form | None:  # type: ignore[override]
        return self.mixers[0].form

    @property
    def drawn_types(self) -> tuple[Any, ...]:  # type: ignore[override]
        # Patterns are neutral for the samples of other mixers, so only complete() has to know which
        # sample belongs to which mixer.
        selection = (Selection,) if self.reads_batch else ()
        return (*selection, *(drawn for mixer in self.mixers for drawn in mixer.drawn_types))

    @property
    def block_size(self) -> int:  # type: ignore[override]
        return min(mixer.block_size for mixer in self.mixers)

    @property
    def reads_batch(self) -> bool:
        looks = self._at_layers is not None or any(mixer.reads_batch for mixer in self.mixers)
        return self._overrides(Choice) or looks

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if not self.reads_batch:
            return mix
        mix, parts = complete_selected(self.mixers, mix, batch)
        if self._at_layers is not None:
            # Past __setattr__, which would have all blocks drawn anew. This is not compiled.
            self.__dict__["_parts"] = parts
        return mix

    def _mix_batch(
        self, x: Any, y: Any, other: tuple[Any, Any] | None, inplace: bool
    ) -> tuple[Any, Any]:
        if self._at_layers is not None:
            self._at_layers.begin_call(other)
            self.__dict__["_layer"] = self._at_layers.draw_layer(x, self.random)
        return super()._mix_batch(x, y, other, inplace)

    def _apply(self, mix: Mix, x: Any, other: Any, inplace: bool) -> Any:
        inside = self._at_layers
        if inside is None or self.__dict__["_layer"] == INPUT:
            return super()._apply(mix, x, other, inplace)
        number = self.mixers.index(inside)
        parts = self.__dict__.pop("_parts")
        at_input = tuple(chain.from_iterable(parts[:number] + parts[number + 1 :]))
        if at_input:
            part = Mix(mix.partner, mix.weight, at_input, kind=mix.kind)
            x = super()._apply(part, x, other, inplace)
        inside.apply_at(self.__dict__["_layer"], mix.partner, parts[number], x)
        return x

    def check_inside(self, outer: str) -> None:
        if self._at_layers is not None:
            raise ValueError(
                f"a {outer} cannot draw with a Choice that holds a ManifoldMixUp: give the mixers "
                f"in the Choice, and that of the ManifoldMixUp, to a {outer} each"
            )

    def release(self) -> None:
        if self._at_layers is not None:
            self._at_layers.release()

    def nested(self) -> list[Mixer]:
        return [self, *(inner for mixer in self.mixers for inner in mixer.nested())]

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        check_unchanged(self, self.mixers, self._adopted)
        choices = batches if self.per == "batch" else batches * count
        uniform = torch.rand(choices, generator=generator, dtype=torch.float64, device="cpu")
        if self.per == "batch":
            uniform = repeat_for_samples(uniform, count)
        index = torch.full_like(uniform, -1, dtype=torch.int64)
        drawn: list[Drawn] = []
        start = 0.0
        for i, (mixer, p) in enumerate(zip(self.mixers, self.p, strict=True)):
            chosen = (uniform >= start) & (uniform < start + p)
            start += p
            index.masked_fill_(chosen, i)
            patterns = mixer.patterns(batches, count, size, generator, step)
            drawn += [pattern.only(chosen) for pattern in patterns]
        return (Selection(index), *drawn) if self.reads_batch else tuple(drawn)


def _at_layers(choice: Choice) -> Any:
    """The mixer in a choice that mixes hidden activations, if there is one."""
    found = [mixer for mixer in choice.mixers if mixer.at_layers]
    if not found:
        return None
    if len(found) > 1:
        raise ValueError("a Choice takes one ManifoldMixUp: give it the layers of all of them")
    if choice.per == "sample":
        raise ValueError(
            "a Choice for each sample cannot hold a ManifoldMixUp, as partners at a layer would be "
            "mixed already: set per='batch'"
        )
    if choice.half or choice.maximum is not None:
        option = "half" if choice.half else "maximum"
        raise ValueError(f"a Choice with a ManifoldMixUp cannot mix with {option}=: leave it out")
    return found[0]


def _probabilities(p: Sequence[float] | None, count: int) -> tuple[float, ...]:
    if p is None:
        return (1 / count,) * count
    if not isinstance(p, list | tuple):
        raise TypeError(f"p must be a list of probabilities, not {p!r}")
    if len(p) != count:
        raise ValueError(f"p holds {len(p)} probabilities for {count} mixers: give one for each")
    checked = [number("p", each, upper=1.0) for each in p]
    if sum(checked) > 1 + 1e-9:
        raise ValueError(f"the probabilities {list(p)} add up to {sum(checked):g}, more than 1")
    return tuple(checked)
