"""ManifoldMixUp: mixing hidden activations inside a model."""

import weakref
from collections.abc import Sequence
from typing import Any, NoReturn, Self, Unpack

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.utils.data import get_worker_info

from vicinal.mixing.batch import leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.columns import Columns
from vicinal.mixing.completion import Batch
from vicinal.mixing.hooks import Hooks, LayerMix
from vicinal.mixing.inner import complete_inner
from vicinal.mixing.layers import INPUT, Layer, default_layers, select_layers, unwrap
from vicinal.mixing.loudness import LoudnessBlend
from vicinal.mixing.methods import MixUp
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.nested import can_be_blended
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.wrapper import Wrapper
from vicinal.rng import RandomState, derive_seed


class ManifoldMixUp(Wrapper):
    """Mix hidden activations: for each batch, the output of a randomly chosen layer.

    A call draws a mix and a layer, and returns the unchanged batch with mixed targets. The next
    forward pass of the model in training mode applies the mix to the layer's output. If the layer
    is "input", the batch is mixed at once. The model's code does not change::

        x, y = mixup(x, y)
        loss = MixLoss(criterion)(model(x), y)

    Choose layers through which everything passes: what bypasses a layer, such as a skip connection,
    is not mixed. A layer's output may be nested. Its floats are mixed along the batch, which must
    be their first dimension, or the second one in torch's own transformer, attention and recurrent
    layers without ``batch_first``; integers, masks and scalars are unchanged. If a forward pass
    calls a layer several times, the output of the first call is mixed.

    A draw is for one forward pass, including its recomputation by gradient checkpointing. A forward
    pass in evaluation mode, or without a draw before it, is not mixed.

    Args:
        model: any module. It may be compiled or wrapped for distributed training, before or after.
        layers: one or several of "input", names of ``model.named_modules()`` ("encoder.layers.2"),
            patterns of such names ("layer?", in which * and ? match no dots), types of modules, and
            modules of the model. All that match are equally likely. None chooses the input and all
            layers of an ``nn.Sequential`` but the last; it leaves out the input if that holds
            integers, such as token ids.
        mixer: the mixer to draw with, such as ``CutMix()`` or ``Schedule(MixUp(), until=0.9)``;
            None uses ``MixUp(2.0)``. Partners and all random numbers are drawn by this one. Boxes
            and masks need feature maps (B, C, H, W) or (B, H, W, C), on which they cover the same
            part as on the images.
        **options: of :class:`Mixer`: partners, fields, integers, maximum, pixelwise, seed. Fields
            and integers refer to the input; maximum applies wherever the batch is mixed.

    Raises:
        TypeError, ValueError: an argument has the wrong type, or no layer matches.
        RuntimeError: in training, if a mix is not applied because its layer or the whole model was
            not called, or if the layer is called again for another input.
        ValueError: in training, if it is unknown which axes of a layer's output are the batch, or
            height and width.

    Hooks stay on the model until :meth:`release`, the end of ``with mixup:``, or the end of a
    Learner's training. In copies of the model they do nothing.

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
        super().__init__(mixer, **options)
        if mixer.form is not None:
            raise ValueError(f"{mixer!r} mixes no hidden activations: give ManifoldMixUp another")
        if self.half:
            raise ValueError("ManifoldMixUp cannot mix half a batch into the other: set half=False")
        model = unwrap(model)
        self.layers = default_layers(model) if layers is None else select_layers(model, layers)
        self._skips_integer_input = layers is None
        inner = [layer for layer in self.layers if layer != INPUT]
        # A weak reference: hooks that kept their mixer alive would stay on the model for ever.
        self._hooks = Hooks(model, inner, weakref.ref(self))

    at_layers = True

    @property
    def model(self) -> nn.Module:
        """The module in which it mixes, without wrappers."""
        return self._hooks.model

    @property
    def reads_batch(self) -> bool:
        return self._overrides(ManifoldMixUp) or bool(self.mixer.reads_batch)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if not self.mixer.reads_batch:
            return mix
        mix = complete_inner(self.mixer, mix, batch)
        if mix.other is not None:
            raise ValueError(
                f"{self.mixer!r} takes its partners from a pool, or makes its own, for which there "
                "are no hidden activations: leave out the pool, or mix the input alone"
            )
        return mix

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        """Draw a mix and a layer for the next forward pass, and mix the targets.

        Args:
            x: (B, ...), a tensor or a nested batch.
            y: (B, ...) targets of any kind, or a nested batch of them.
            other: not supported: the partners come from the batch.
            inplace: overwrite the tensors of the batch, if the layer drawn is the input.

        Returns:
            The batch, in which only the fields of ``maximum`` have changed, or all of it if the
            layer drawn is the input; and its targets as :class:`MixedTarget`.

        Raises:
            TypeError: the layer drawn is the input, which holds integers, and ``integers`` is
                "raise".
            ValueError: sizes do not match; or this is a data loader's worker, which has a copy of
                the model.
            RuntimeError: the last mix was not applied, or this call is inside a compiled function.
        """
        self.begin_call(other)
        layer = self.draw_layer(x, self.random)
        if layer == INPUT:
            return super().__call__(x, y, inplace=inplace)
        mix = self.draw(x, y)
        target = mix.target_of_fields(y, None, self.pixelwise)
        if self.maximum is not None:
            x = mix.apply_to_fields(x, fields=(), maximum=self.maximum)
        self.apply_at(layer, mix.partner, mix.patterns or (Blend(mix.weight),), x)
        return x, target

    def begin_call(self, other: Any) -> None:
        """Attach the hooks, and raise the errors of a call that do not depend on its batch."""
        if is_compiling():
            # The layer is drawn in Python, and would be a constant of the graph.
            raise RuntimeError(
                "ManifoldMixUp cannot be compiled: compile the model, and call ManifoldMixUp "
                "outside of compiled functions"
            )
        if other is not None:
            raise ValueError(
                "ManifoldMixUp takes the partners from the batch: give no second batch"
            )
        if get_worker_info() is not None and self._hooks.on_layers:
            raise ValueError(
                "ManifoldMixUp cannot draw in a data loader's worker, whose copy of the model is "
                "not the one that is trained: mix in the training loop, or set num_workers=0"
            )
        self._hooks.attach()
        self._hooks.check_applied()

    def apply_at(self, layer: str, partner: Tensor, patterns: tuple[Pattern, ...], x: Any) -> None:
        """Let the next forward pass, which is of the batch ``x``, apply patterns to a layer."""
        if any(isinstance(pattern, Columns | LoudnessBlend) for pattern in patterns):
            raise ValueError(
                f"{self.mixer!r} mixes columns or waveforms, which hidden activations are not: set "
                "layers='input', or give another mixer="
            )
        self._hooks.pending = LayerMix(layer, partner, patterns, _square(x, len(partner)))

    def mix_second_half(self, x: Any) -> None:
        """Let the mix that was drawn last be applied to the second half of a larger batch.

        Call it between the draw and the forward pass. It does nothing if the layer drawn was the
        input, which is mixed already.

        Args:
            x: the batch for the forward pass: first the samples that stay clean, and then, as many,
                those for which the mix was drawn.
        """
        pending = self._hooks.pending
        if pending is None:
            return
        partner, count = pending.partner, len(pending.partner)
        own = torch.arange(count, device=partner.device)
        is_second = torch.arange(2 * count, device=partner.device) >= count
        self._hooks.pending = LayerMix(
            pending.layer,
            torch.cat((own, partner + count)),
            tuple(p.map(lambda t: torch.cat((t, t))).only(is_second) for p in pending.patterns),
            _square(x, 2 * count),
        )

    def draw_layer(self, x: Any, random: RandomState) -> str:
        """Draw the layer for a batch, by the state of the mixer that draws the mix."""
        layers = self.layers
        skips = self._skips_integer_input and self.integers == "raise"
        if skips and not can_be_blended(x, self.fields, self.maximum):
            layers = layers[1:]
        # By a hash instead of a generator, which would be made for a single number. The draw's
        # number, not yet counted, is that of the mix that is drawn next.
        own, rank, worker, _ = random.key
        drawn = derive_seed(own, "layer", random.draws, rank, worker)
        return layers[drawn % len(layers)]

    def check_inside(self, outer: str) -> None:
        if outer == "Choice":
            return
        raise ValueError(
            f"a {outer} cannot draw with ManifoldMixUp: give the other mixers to ManifoldMixUp, "
            "as mixer="
        )

    def release(self) -> None:
        """Remove the hooks from the model, and drop a mix that was not applied.

        The next call attaches them again.
        """
        self._hooks.remove()

    def __enter__(self) -> Self:
        self._hooks.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a ManifoldMixUp belongs to its model and cannot be copied or pickled: save its "
            "state_dict(), and load it into a new one"
        )


def _square(x: Any, count: int) -> tuple[Tensor, ...]:
    """The tensors of a batch of ``count`` samples with another axis of that length."""
    tensors = [leaf for _, leaf in leaves(x) if isinstance(leaf, Tensor)]
    return tuple(tensor for tensor in tensors if count in tensor.shape[1:])
