"""ManifoldMixUp: mixing inside of a model, on what one of its layers gives."""

import weakref
from collections.abc import Sequence
from typing import Any, NoReturn, Self, Unpack

import torch
from torch import nn
from torch.compiler import is_compiling

from vicinal.mixing.batch import is_blendable, tensors_to_mix
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch
from vicinal.mixing.hooks import Hooks, LayerMix
from vicinal.mixing.inner import adopted, check_inner, complete
from vicinal.mixing.layers import INPUT, Layer, chosen, default, unwrapped
from vicinal.mixing.methods import MixUp
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.pattern import Drawn
from vicinal.rng import derive_seed


class ManifoldMixUp(Mixer):
    """Mix inside of a model: at every batch, what one of its layers gives, drawn anew.

    A call draws a mix and a layer, and returns the batch as it is with its mixed targets; the next
    forward pass of the model in training mode applies the mix to the layer's output. Where the
    input is drawn, the batch is mixed at once. Nothing of the model's code changes::

        x, y = mixup(x, y)
        loss = MixLoss(criterion)(model(x), y)

    Choose layers through which everything passes: what flows around a layer is not mixed. Of what a
    layer gives, in whatever structure, floats are mixed, of which each row must belong to a sample;
    integers, masks and single numbers stay as they are. Where a layer is called several times in a
    forward pass, what its first call gives is mixed.

    A draw is for one forward pass, and for what gradient checkpointing computes of it anew. A
    forward pass in evaluation mode, or without a draw before it, is not mixed.

    Args:
        model: any module, also one that is compiled or wrapped to be trained by several processes,
            now or later.
        layers: one or several of "input", names as ``model.named_modules()`` gives them
            ("encoder.layers.2"), patterns of names ("layer?", where * and ? stand for what is
            between two dots), types of modules, and modules of the model. All that match are
            equally likely. None takes the input and the layers of an ``nn.Sequential`` but its
            last, and leaves out an input of integers, such as token ids.
        mixer: such as ``CutMix()`` or ``Schedule(MixUp(), until=0.9)``. What it draws for a sample
            is its own; the options below and random numbers are those given here.
            None takes ``MixUp(2.0)``. Boxes and masks need feature maps (B, C, H, W), on which they
            cover the same part as on the images.
        **options: of :class:`Mixer`: partners, fields, integers, maximum, pixelwise, seed. fields
            and integers are about the input; maximum counts wherever the mix is applied.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, or no layer matches.
        RuntimeError: in training, a mix is not applied, as its layer or the whole model was not
            called.

    Hooks stay on the model until :meth:`release`, the end of ``with mixup:``, or that of a
    Learner's training; copies of the model have none that do anything.

    Source: V. Verma, A. Lamb, C. Beckham, A. Najafi, I. Mitliagkas, D. Lopez-Paz, Y. Bengio,
    Manifold Mixup: Better Representations by Interpolating Hidden States, ICML 2019, section 2.
    Alpha 2 is that of its experiments; they mix the input and the first blocks of a network, with
    one weight for a batch: ``mixer=MixUp(2.0, folded=False, per="batch")``.

    >>> from vicinal import MixLoss
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> mixup = ManifoldMixUp(model, seed=0)
    >>> mixup.layers
    ('input', '0', '1')
    >>> x, y = mixup(torch.rand(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]))
    >>> MixLoss(nn.CrossEntropyLoss())(model(x), y).backward()
    >>> mixup.release()
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Layer | Sequence[Layer] | None = None,
        *,
        mixer: Mixer | None = None,
        **options: Unpack[MixerOptions],
    ) -> None:
        mixer = MixUp(2.0) if mixer is None else mixer
        check_inner("ManifoldMixUp", mixer)
        super().__init__(**adopted("ManifoldMixUp", options, [mixer]))
        if self.half:
            raise ValueError("half cannot be mixed inside of a model: give the whole batch")
        self.mixer = mixer
        self.kinds, self.ahead = self.mixer.kinds, self.mixer.ahead
        model = unwrapped(model)
        self.layers = default(model) if layers is None else chosen(model, layers)
        self._spares_integers = layers is None
        inner = [layer for layer in self.layers if layer != INPUT]
        self._hooks = Hooks(model, inner, weakref.ref(self))

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        return self.mixer.patterns(batches, count, size, generator, step)

    @property
    def looks(self) -> bool:
        return self.mixer.looks

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if not self.looks:
            return mix
        mix = complete(self.mixer, mix, batch)
        if mix.other is not None:
            raise ValueError(
                f"{self.mixer!r} takes its partners from a pool, of which the model's layers know "
                "nothing: leave out the pool, or mix the input alone"
            )
        return mix

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        """Draw a mix and a layer for the next forward pass, and mix the targets.

        Args:
            x: (B, ...), a tensor or a nested batch.
            y: (B, ...) targets of any kind, or a nested batch of them.
            other: not possible: inside of a model, the partners come from the batch.
            inplace: the batch is given away; where the input is drawn, it is mixed where it lies.

        Returns:
            The batch, mixed where the input is drawn, else as it is but for fields of which the
            maximum is taken; and its targets as :class:`MixedTarget`.

        Raises:
            TypeError: the input is drawn, and holds integers of which nothing was said.
            ValueError: sizes do not match.
            RuntimeError: the last mix was not applied; or this call itself is compiled as a whole.
        """
        if is_compiling():
            raise RuntimeError(
                "a layer is drawn by the host: compile the model, and call ManifoldMixUp outside"
            )
        if other is not None:
            raise ValueError(
                "ManifoldMixUp takes the partners from the batch: give no second batch"
            )
        self._hooks.attach()
        self._hooks.check_applied()
        layer = self._draw_layer(x)
        if layer == INPUT:
            return super().__call__(x, y, inplace=inplace)
        mix = self.draw(x, y)
        target = mix.target(y, pixelwise=self.pixelwise)
        if self.maximum is not None:
            x = mix(x, fields=(), maximum=self.maximum)
        self._hooks.waiting = LayerMix(layer, mix.partner, mix.patterns or (Blend(mix.weight),))
        return x, target

    def _draw_layer(self, x: Any) -> str:
        layers = self.layers
        if self._spares_integers and self.integers == "raise":
            tensors = tensors_to_mix(x, self.fields, self.integers, self.maximum)
            if not all(map(is_blendable, tensors)):
                layers = layers[1:]
        own, rank, worker, _ = self.random.source
        drawn = derive_seed(own, "layer", self.random.draws, rank, worker)
        return layers[drawn % len(layers)]

    def nested(self) -> list[Mixer]:
        return [self, *self.mixer.nested()]

    def check_inside(self, outer: str) -> None:
        raise ValueError(
            f"a {outer} cannot draw with ManifoldMixUp: turn it round, ManifoldMixUp(model, "
            "mixer=...), with the mixers in it that draw for samples"
        )

    def release(self) -> None:
        """Take the hooks off the model, and forget a mix that was not applied.

        The next call puts them on again.
        """
        self._hooks.remove()

    def __enter__(self) -> Self:
        self._hooks.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a ManifoldMixUp belongs to its model and cannot be copied or pickled: keep its "
            "state_dict(), and make another one"
        )
