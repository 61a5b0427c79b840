"""A network in a table: its layers, what they give, and how many parameters they have."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vicinal.mixing.batch import leaves

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

LONGEST = 40  # characters of a layer's name


class Summary(str):
    """A text that is displayed as it is printed."""

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Layer:
    """A layer in the order of its first call.

    Args:
        name, kind: of the module.
        shapes: of its outputs.
        parameters, trained: their numbers; a parameter counts in the first layer that has it.
    """

    name: str
    kind: str
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    parameters: int = 0
    trained: int = 0


def summary(learn: "Learner") -> Summary:
    """The layers of a learner's network; see :meth:`Learner.summary`."""
    learn.dls.check_samples()
    model = learn.model
    x = learn.dls.valid.first()[0]
    with torch.no_grad(), learn.evaluating(), _calls(model) as layers:
        learn.output(x)
    _count(model, layers)
    parameters = list(model.parameters())
    total = sum(p.numel() for p in parameters)
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    shapes = _shapes(x)
    loss = learn.loss_func
    lines = [
        f"{type(model).__name__}, for a batch of shape {_text(shapes)}",
        "",
        *_table(layers),
        "",
        f"parameters: {total:,}, of which {_share(trained, total)} trained",
        f"loss function: {getattr(loss, '__name__', type(loss).__name__)}",
    ]
    if learn.cbs:
        lines.append(f"callbacks: {', '.join(callback.name for callback in learn.cbs)}")
    return Summary("\n".join(lines))


@contextmanager
def _calls(model: nn.Module) -> Iterator[list[Layer]]:
    """Within this context, the layers that are called are noted: modules without children."""
    layers: dict[nn.Module, Layer] = {}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        layer = layers.setdefault(module, Layer(names[module], type(module).__name__))
        if not layer.shapes:
            layer.shapes = _shapes(output)
        called[:] = layers.values()

    names = {module: name for name, module in model.named_modules()}
    called: list[Layer] = []
    leaf = [module for module in names if not list(module.children())]
    handles = [module.register_forward_hook(note) for module in leaf]
    try:
        yield called
    finally:
        for handle in handles:
            handle.remove()


def _count(model: nn.Module, layers: list[Layer]) -> None:
    """Count the parameters of each layer; those of no layer of the table get a row of their own."""
    row = {layer.name: layer for layer in layers}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        while owner and owner not in row:
            owner = owner.rpartition(".")[0]
        if owner not in row:
            row[name] = layer = Layer(name, "parameter")
            layers.append(layer)
            owner = name
        row[owner].parameters += parameter.numel()
        row[owner].trained += parameter.numel() * parameter.requires_grad


def _table(layers: list[Layer]) -> list[str]:
    rows = [("layer", "kind", "output", "parameters", "trained")]
    for layer in layers:
        counts = ("", "")
        if layer.parameters:
            counts = (f"{layer.parameters:,}", _share(layer.trained, layer.parameters))
        rows.append((_cut(layer.name), layer.kind, _text(layer.shapes), *counts))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if number > 2 else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _share(trained: int, total: int) -> str:
    """How many are trained.

    >>> _share(3, 3), _share(0, 3), _share(1, 3)
    ('all', 'none', '1')
    """
    return "all" if trained == total else f"{trained:,}" if trained else "none"


def _shapes(output: Any) -> list[tuple[int, ...]]:
    return [tuple(leaf.shape) for _, leaf in leaves(output) if isinstance(leaf, Tensor)]


def _text(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes))


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"
