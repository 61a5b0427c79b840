"""Hooks that apply a mix to the output of a layer, in one forward pass of a model.

Three things make this harder than one hook on one layer:

- ``torch.compile`` looks for hooks only when it compiles. So they are on the model, on every layer
  that may be mixed, for the whole training, and what they do depends on the mix that is active.
- Gradient checkpointing calls layers again during the backward pass, and must get the same outputs.
  So the mix of a forward pass becomes active again when the gradient reaches that pass's output.
- Other forward passes happen in between: of validation, of other draws, or of a single layer. None
  of these may be mixed, and a mix that was not applied must not go unnoticed, because the targets
  are mixed already.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Variable
from torch.compiler import is_compiling
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from vicinal.errors import VicinalError
from vicinal.mixing.apply import apply, apply_channels_first, check_arguments
from vicinal.mixing.batch import are_strings, leaves, map_leaves, path_name, share_memory
from vicinal.mixing.combine import combined
from vicinal.mixing.layouts import Layout, are_channels_last, layout_of
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.tensors import longest

# The number of the backward pass that is running, as it is when gradient checkpointing calls
# modules; else -1. Dynamo cannot trace this call: check is_compiling() first.
_backward_pass = torch._C._current_graph_task_id  # type: ignore[attr-defined]


@dataclass(eq=False)
class LayerMix:
    """The mix of one layer, in one forward pass and in what is recomputed of it.

    It holds the parts of a :class:`Mix` instead of the mix, which is callable: torch 2.6 recompiles
    for each callable object.
    """

    layer: str
    partner: Tensor
    patterns: tuple[Pattern, ...]
    # Of the batch, those with another axis as long as that of the samples.
    square_inputs: tuple[Tensor, ...] = ()
    # (n, B), if the layer gives n blends of all samples, which the model then returns in their
    # place; and whether it has to return them as they are.
    shares: Tensor | None = None
    is_last: bool = False
    blends: Tensor | None = None
    version: int = 0  # of the blends, counted up where they are changed in place
    calls: int = 0  # how often the forward pass has called the layer
    is_finished: bool = False  # whether the forward pass is over
    nodes: set[Any] = field(default_factory=set)  # of autograd, that depend on what was mixed


class Hooks:
    """The hooks on a model, and the mixes that they apply.

    Args:
        model: the model; one draw is for one forward pass of it.
        layers: the names of its layers that may be mixed.
        owner: returns the mixer that draws for them, or None if it was garbage-collected.
    """

    def __init__(self, model: nn.Module, layers: Iterable[str], owner: Callable[[], Any]) -> None:
        self.model, self.owner = model, owner
        # Created once, and put back after release(): compiled code has guards on their identity.
        self.on_layers = {layer: _LayerHook(layer, layout_of(model, layer)) for layer in layers}
        self.handles: list[RemovableHandle] = []
        self.pending: LayerMix | None = None  # for the next forward pass
        self.active: LayerMix | None = None  # in the running forward pass, or its recomputation
        self.backward_identified = False  # whether the running backward pass has set `active`

    def attach(self) -> None:
        """Register the hooks on the model, unless they are."""
        if self.handles:
            return
        for hook in tuple(self.model._forward_pre_hooks.values()):
            others = getattr(hook, "__self__", None)
            if isinstance(others, Hooks) and others.owner() is None:
                others.remove()  # their mixer was dropped without release()
        self.handles = [self.model.register_forward_pre_hook(self._enter)]
        for layer, hook in self.on_layers.items():
            module = self.model.get_submodule(layer)
            self.handles.append(module.register_forward_hook(hook, with_kwargs=True))
        # Last, as the only layer of a model may be the model itself.
        leave = self.model.register_forward_hook(self._leave, always_call=True)
        self.handles.append(leave)

    def remove(self) -> None:
        """Remove the hooks, and drop a mix that was not applied."""
        for handle in self.handles:
            handle.remove()
        self.handles = []
        self.pending = None
        self._end_backward()

    def check_applied(self) -> None:
        """Raise a RuntimeError if the last mix was not applied."""
        if self.pending is None:
            return
        layer, self.pending = self.pending.layer, None
        raise RuntimeError(
            f"the last mix, for layer {layer!r}, was not applied: call the model in training mode "
            "after every draw, and before the next one, which a loader that fetches batches ahead "
            "does not do (if you did, call torch.compiler.reset(), because the model was compiled "
            "before this mixer's first draw), or call release() to skip a batch"
        )

    def __reduce__(self) -> tuple[type["Hooks"], tuple[Any, ...]]:
        # Copies of the model, as for an average of its weights, copy its hooks: these do nothing.
        return Hooks, (nn.Identity(), (), _no_owner)

    def _enter(self, module: nn.Module, args: Any) -> None:
        is_copy = not is_compiling() and module is not self.model
        if is_copy and module.training and self.pending is not None:
            self.pending = None
            raise RuntimeError(
                "DataParallel splits a batch among copies of the model, in which partners may be "
                "missing: use DistributedDataParallel, or a single GPU"
            )
        if is_compiling() or _backward_pass() < 0:
            mix = None
            if module.training:
                mix, self.pending = self.pending, None
            self._set_active(mix)
        elif not self.backward_identified:
            # A reentrant checkpoint runs the whole model without a graph at first: there was no
            # output to hook, and the mix to repeat is unknown.
            raise RuntimeError(
                "reentrant gradient checkpointing recomputes the whole model, and does not know "
                "the mix: set use_reentrant=False, or checkpoint the layers one by one"
            )

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if not is_compiling() and _backward_pass() >= 0:
            return
        mix = self.active
        if mix is not None:
            mix.is_finished = True
            if not is_compiling():
                mix.nodes.clear()  # or they would keep the graph alive, and it them
        # Compiled code cannot hook the output, which would activate the mix again. There, the mix
        # stays active, and a recomputation uses the mix of the last forward pass.
        if not is_compiling():
            self._set_active(None)
        if output is None:  # the forward pass has raised: this hook is registered with always_call
            return
        if mix is not None and not mix.calls:
            raise RuntimeError(
                f"the mix for layer {mix.layer!r} was not applied, as this forward pass did not "
                "call the layer: choose others that it calls (if it did, call "
                "torch.compiler.reset(), because the model was compiled before this mixer's first "
                "draw)"
            )
        if mix is not None and mix.shares is not None:
            _check_blends(mix, output)
        if not is_compiling():  # which does not support hooks on intermediate tensors
            for _, leaf in leaves(output):
                if isinstance(leaf, Tensor) and leaf.grad_fn is not None:
                    leaf.register_hook(functools.partial(self._start_backward, mix))

    def _set_active(self, mix: LayerMix | None) -> None:
        """From now on, apply this mix to its layer, and none to the others."""
        # Every attribute is written and none is read: a read would make compiled code guard on the
        # value before, and recompile for each layer that was mixed last.
        for hook in self.on_layers.values():
            hook.mix = None
        if mix is not None:
            self.on_layers[mix.layer].mix = mix
        self.active = mix

    def _start_backward(self, mix: LayerMix | None, grad: Tensor) -> None:
        """The gradient has reached a forward pass: parts of it may be recomputed from now on."""
        self.backward_identified = True
        self._set_active(mix)
        Variable._execution_engine.queue_callback(self._end_backward)  # type: ignore[attr-defined]

    def _end_backward(self) -> None:
        self.backward_identified = False
        self._set_active(None)


class _LayerHook:
    """The hook on a layer; a class, so that all layers of one type share compiled code."""

    def __init__(self, layer: str, layout: Layout) -> None:
        self.layer, self.layout = layer, layout
        self.mix: LayerMix | None = None

    def __reduce__(self) -> tuple[type["_LayerHook"], tuple[str, Layout]]:
        return _LayerHook, (self.layer, self.layout)

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        mix = self.mix
        if mix is None:
            return None
        if not mix.is_finished:
            mix.calls += 1
            if mix.calls > 1:  # only the first call of a forward pass is mixed
                if not is_compiling():
                    self._check_follows(mix, (args, kwargs), output)
                return None
        elif not is_compiling() and _backward_pass() < 0:
            return None  # a call of the layer by itself, outside of the model's forward pass
        elif mix.calls > 1:
            raise RuntimeError(
                f"layer {self.layer!r} is called {mix.calls} times in a forward pass, and gradient "
                "checkpointing does not reveal which call it recomputes: choose another layer"
            )
        # An embedding of what the batch itself holds has the samples where the batch has them.
        is_first = type(module).forward is nn.Embedding.forward and not is_compiling()
        is_first = is_first and any(part is given for part in args for given in mix.square_inputs)
        mixed = self._apply(mix, output, is_first)
        if not is_compiling() and not mix.is_finished:
            mix.nodes.update(_nodes(mixed))
            if mix.is_last:
                mix.blends, mix.version = mixed, _version(mixed)
        return mixed

    def _check_follows(self, mix: LayerMix, inputs: Any, output: Any) -> None:
        """Raise a RuntimeError if a later call of the layer does not depend on what was mixed.

        In a recurrent network it does. In a network that calls one encoder for each of two inputs,
        the second one would bypass the mix. Without gradients, there is no telling.
        """
        if not mix.nodes:
            return
        if _reach(_nodes(inputs), mix.nodes):
            mix.nodes.update(_nodes(output))
            return
        count = mix.partner.shape[0]
        parts = [part for part in pytree.tree_leaves(output) if isinstance(part, Tensor)]
        if any(part.is_floating_point() and count in part.shape[:2] for part in parts):
            raise RuntimeError(
                f"layer {self.layer!r} is called again for inputs that do not depend on its first "
                "call, which alone is mixed: choose a layer through which all inputs pass together"
            )

    def _apply(self, mix: LayerMix, output: Any, is_first: bool) -> Any:
        """Mix the floats in the layer's output, which may be nested."""
        done: list[tuple[Tensor, Tensor]] = []  # a tensor that is returned twice is mixed once

        def location(path: Any) -> str:
            return f"layer {mix.layer!r}" + (f", output{path_name(path)}" if path else "")

        def apply_to_leaf(path: Any, leaf: Any) -> Any:
            if leaf is None or isinstance(leaf, (str, int, float)) or are_strings(leaf):
                return leaf
            if not isinstance(leaf, Tensor):
                kind = type(leaf).__name__
                raise TypeError(f"{location(path)}: a {kind} cannot be mixed: choose other layers")
            if not (leaf.is_floating_point() or leaf.is_complex()) or not leaf.ndim:
                return leaf
            for own, mixed in done:
                if own is leaf:
                    return mixed
            try:
                axis = 0 if is_first else self._batch_axis(mix, leaf, len(done), path)
                mixed = _apply_along(axis, mix, leaf, self.layout)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{location(path)}: {error}") from None
            done.append((leaf, mixed))
            return mixed

        mixed = map_leaves(apply_to_leaf, output)
        if not done:
            raise ValueError(
                f"{location(())} returns nothing that can be mixed: choose other layers"
            )
        return mixed

    def _batch_axis(self, mix: LayerMix, leaf: Tensor, number: int, path: Any) -> int:
        """The axis of the batch in the float tensor with this number in the layer's output."""
        count, shape = mix.partner.shape[0], leaf.shape
        known = self.layout.batch
        if known is not None:
            axis = known[0] if not path or getattr(path[0], "idx", None) == 0 else known[1]
            if self.layout.is_sequence and (leaf.ndim < 3 or shape[axis] != count):
                raise ValueError(
                    f"the mix was drawn for {count} samples, but this tensor has shape "
                    f"{tuple(shape)}: the batch must be its axis {axis}, as batch_first= says"
                )
            return axis
        is_unclear = leaf.ndim == 3 or (leaf.ndim == 2 and self.layout.is_embedding)
        if not is_unclear or shape[0] != count:  # apply() rejects the latter
            return 0
        if leaf.ndim == 3 and shape[1] == self.layout.width != shape[2]:  # (B, C, T)
            return 0
        # In two dimensions, an embedding is of one number for each sample, or of positions, (T, C).
        is_square = shape[1] == count if leaf.ndim == 3 else bool(mix.square_inputs)
        # Written and not read, unless it matters: see Hooks._set_active.
        proof = f"is_first_{number}"
        if not is_square:
            setattr(self, proof, True)
        elif (self.layout.may_be_second or mix.square_inputs) and not getattr(self, proof, False):
            raise ValueError(
                f"in shape {tuple(shape)}, the first axis of {count} may be the batch or a "
                "sequence: choose a batch size that differs from the length of the sequences, at "
                "least for the first batch"
            )
        return 0


def _nodes(parts: Any) -> set[Any]:
    """The nodes of autograd's graph that have made some tensors."""
    made = pytree.tree_leaves(parts)
    return {t.grad_fn for t in made if isinstance(t, Tensor) and t.grad_fn is not None}


def _reach(nodes: set[Any], wanted: set[Any]) -> bool:
    """Whether autograd's graph leads from some nodes back to one of the others."""
    seen, waiting = set(nodes), list(nodes)
    while waiting:
        node = waiting.pop()
        if node in wanted:
            return True
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return False


def _no_owner() -> None:
    return None


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; 0 where nobody counts."""
    return 0 if tensor.is_inference() else tensor._version


def _check_blends(mix: LayerMix, output: Any) -> None:
    """Raise a VicinalError unless the model returns what its layer has blended, and no more."""
    assert mix.shares is not None
    blends, mix.blends = mix.blends, None
    count, layer = len(mix.shares), f"layer {mix.layer!r}" if mix.layer else "the layer"
    for path, leaf in leaves(output):
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point() or not leaf.ndim:
            continue
        if leaf.shape[0] != count:
            raise VicinalError(
                f"{layer} gives {count} blends of the batch, but the model returns"
                f"{path_name(path)} a tensor of shape {tuple(leaf.shape)}: name the last linear "
                "layer, through which all that the model returns passes, as layer="
            )
        is_changed = blends is not None and _version(blends) != mix.version
        if blends is not None and (is_changed or not share_memory(leaf, blends)):
            raise VicinalError(
                f"the model does not return what its last linear layer, {mix.layer!r}, gives: name "
                "the one that classifies, as layer="
            )


def _apply_along(axis: int, mix: LayerMix, leaf: Tensor, layout: Layout) -> Tensor:
    """Mix a tensor whose batch is this axis."""
    if mix.shares is not None:
        if leaf.shape[axis] != mix.shares.shape[1]:
            raise ValueError(
                f"the mix was drawn for {mix.shares.shape[1]} samples, but this tensor has shape "
                f"{tuple(leaf.shape)}: call the model with the batch that was given"
            )
        return combined(mix.shares, leaf.transpose(0, axis)).transpose(0, axis)
    sizes = [pattern.size for pattern in mix.patterns if pattern.spatial]
    if not sizes and axis:
        return apply(leaf.transpose(0, axis), mix.partner, mix.patterns).transpose(0, axis)
    if not sizes:
        return apply(leaf, mix.partner, mix.patterns)
    size = longest(sizes)  # of volumes, where one pattern is cut in depth
    if leaf.ndim < len(size) + 2:
        raise ValueError(
            f"a tensor of shape {tuple(leaf.shape)} has no height and width for boxes and masks: "
            "choose layers that return feature maps (B, C, H, W)"
        )
    # Not by apply(), which would judge by the shape alone what is known here.
    is_last = are_channels_last(leaf, size, layout)
    first = leaf.movedim(-1, 1) if is_last else leaf
    check_arguments(first, mix.partner, mix.patterns, None, False)
    cut = apply_channels_first(first, mix.partner, mix.patterns)
    return cut.movedim(1, -1) if is_last else cut
