"""Hooks that apply a mix to what a layer of a model gives.

They stay on the model while it is trained, and the mix that is active says what they do:
``torch.compile`` looks for hooks only when it compiles.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Variable
from torch.compiler import is_compiling
from torch.utils.hooks import RemovableHandle

from vicinal.mixing.apply import apply
from vicinal.mixing.batch import leaves, map_leaves, name
from vicinal.mixing.pattern import Pattern

# The number of the backward pass in the middle of which gradient checkpointing calls modules; else
# -1. Code that is compiled cannot ask, and who asks must know of itself whether it is compiled.
_backward_pass = torch._C._current_graph_task_id  # type: ignore[attr-defined]


@dataclass(eq=False)
class LayerMix:
    """What one layer mixes, in one forward pass and in what is computed anew of it.

    It holds the parts of a :class:`Mix`, for torch 2.6 compiles a callable anew for each object.
    """

    layer: str
    partner: Tensor
    patterns: tuple[Pattern, ...]
    calls: int = 0  # of the layer in the forward pass
    is_over: bool = False  # the forward pass


class Hooks:
    """The hooks on a model, and what they know of its forward passes.

    Args:
        model: one draw is for one forward pass of it.
        layers: the names of the layers in it to which mixes may be applied.
        owner: gives the mixer that draws for them, or None where it is lost.
    """

    def __init__(self, model: nn.Module, layers: Iterable[str], owner: Callable[[], Any]) -> None:
        self.model, self.owner = model, owner
        # Made once: compiled code knows them again when they were off in between.
        self.on_layers = {layer: _OnLayer(layer) for layer in layers}
        self.handles: list[RemovableHandle] = []
        self.waiting: LayerMix | None = None  # for the next forward pass
        self.active: LayerMix | None = None  # in the pass that goes on, or in what it computes anew
        self.is_followed = False  # whether it is known to which pass a backward pass belongs

    def attach(self) -> None:
        """Put the hooks on the model, where they are not yet."""
        if self.handles:
            return
        for hook in tuple(self.model._forward_pre_hooks.values()):
            others = getattr(hook, "__self__", None)
            if isinstance(others, Hooks) and others.owner() is None:
                others.remove()  # of a mixer that is lost, and was not released
        self.handles = [
            self.model.register_forward_pre_hook(self._enter),
            self.model.register_forward_hook(self._leave, always_call=True),
        ]
        for layer, hook in self.on_layers.items():
            self.handles.append(self.model.get_submodule(layer).register_forward_hook(hook))

    def remove(self) -> None:
        """Take them off again, and forget a mix that was not applied."""
        for handle in self.handles:
            handle.remove()
        self.handles = []
        self.waiting = None
        self._end_backward()

    def check_applied(self) -> None:
        """Raise a RuntimeError where the last mix was not applied."""
        if self.waiting is None:
            return
        layer, self.waiting = self.waiting.layer, None
        raise RuntimeError(
            f"the last mix, for layer {layer!r}, was not applied: call the model in training mode "
            "after every draw (if it was, call torch.compiler.reset(), for the model was compiled "
            "before this mixer's first draw), or release() where a batch is left out"
        )

    def __reduce__(self) -> tuple[type["Hooks"], tuple[Any, ...]]:
        return Hooks, (nn.Identity(), (), _nobody)  # in copies of the model they do nothing

    def _enter(self, module: nn.Module, args: Any) -> None:
        if is_compiling() or _backward_pass() < 0:
            mix = None
            if module.training:
                mix, self.waiting = self.waiting, None
            self._set_active(mix)
        elif not self.is_followed:
            raise RuntimeError(
                "reentrant gradient checkpointing computes the whole model anew, and does not tell "
                "what was mixed: take use_reentrant=False, or checkpoint the layers one by one"
            )

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if not is_compiling() and _backward_pass() >= 0:
            return
        mix = self.active
        if mix is not None:
            mix.is_over = True
        if not is_compiling():  # else what is computed anew is taken for part of the last pass
            self._set_active(None)
        if output is None:  # the forward pass has failed
            return
        if mix is not None and not mix.calls:
            raise RuntimeError(
                f"the mix for layer {mix.layer!r} was not applied, as this forward pass did not "
                "call the layer: choose layers= without it (if it does call it, call "
                "torch.compiler.reset(), for the model was compiled before this mixer's first draw)"
            )
        if not is_compiling():  # hooks on tensors cannot be compiled
            for _, leaf in leaves(output):
                if isinstance(leaf, Tensor) and leaf.grad_fn is not None:
                    leaf.register_hook(functools.partial(self._begin_backward, mix))

    def _set_active(self, mix: LayerMix | None) -> None:
        """From now on, apply this to its layer, and nothing to any other."""
        # All are written, and none is read: so compiled code does not depend on what was before.
        for hook in self.on_layers.values():
            hook.mix = None
        if mix is not None:
            self.on_layers[mix.layer].mix = mix
        self.active = mix

    def _begin_backward(self, mix: LayerMix | None, grad: Tensor) -> None:
        """The gradient has come to a forward pass, parts of which may now be computed anew."""
        self.is_followed = True
        self._set_active(mix)
        Variable._execution_engine.queue_callback(self._end_backward)  # type: ignore[attr-defined]

    def _end_backward(self) -> None:
        self.is_followed = False
        self._set_active(None)


class _OnLayer:
    """The hook on a layer; the same code compiles for all layers of a kind."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.mix: LayerMix | None = None

    def __reduce__(self) -> tuple[type["_OnLayer"], tuple[str]]:
        return _OnLayer, (self.layer,)

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        mix = self.mix
        if mix is None:
            return None
        if not mix.is_over:
            mix.calls += 1
            if mix.calls > 1:
                return None
        elif not is_compiling() and _backward_pass() < 0:
            return None  # somebody calls the layer alone
        elif mix.calls > 1:
            raise RuntimeError(
                f"layer {self.layer!r} is called {mix.calls} times in a forward pass, and "
                "gradient checkpointing does not tell which it computes anew: choose another layer"
            )
        return _apply(mix, output)


def _nobody() -> None:
    return None


def _apply(mix: LayerMix, output: Any) -> Any:
    """What a layer gives, mixed."""
    is_spatial = any(pattern.spatial for pattern in mix.patterns)
    done: list[tuple[Tensor, Tensor]] = []

    def place(path: Any) -> str:
        return f"layer {mix.layer!r}" + (f", output{name(path)}" if path else "")

    def apply_to_leaf(path: Any, leaf: Any) -> Any:
        if leaf is None or isinstance(leaf, (str, int, float)):
            return leaf
        if not isinstance(leaf, Tensor):
            kind = type(leaf).__name__
            raise TypeError(f"{place(path)}: a {kind} cannot be mixed: choose other layers")
        if not (leaf.is_floating_point() or leaf.is_complex()) or not leaf.ndim:
            return leaf
        for own, mixed in done:
            if own is leaf:
                return mixed
        if is_spatial and leaf.ndim < 4:
            raise ValueError(
                f"{place(path)}: a tensor of shape {tuple(leaf.shape)} has no height and width for "
                "boxes and masks: choose layers that give feature maps (B, C, H, W)"
            )
        try:
            mixed = apply(leaf, mix.partner, mix.patterns)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{place(path)}: {error}") from None
        done.append((leaf, mixed))
        return mixed

    mixed = map_leaves(apply_to_leaf, output)
    if not done:
        raise ValueError(f"{place(())} gives nothing that can be mixed: choose other layers")
    return mixed
