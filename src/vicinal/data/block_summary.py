"""A DataBlock step by step: what it makes of a source, printed as it is made."""

from typing import Any

from torch import Tensor

from vicinal.data.blocks import LabelledItems
from vicinal.data.samples import listed
from vicinal.mixing.batch import leaves


def summarize(block: Any, source: Any, bs: int, show_batch: bool, **kwargs: Any) -> None:
    """Print each step; an error comes after the steps before it.

    Args:
        block: the DataBlock.
        source: as for its ``dataloaders``.
        bs: samples in the batch; fewer where there are fewer.
        show_batch: draw it; ``kwargs`` are of ``dls.show_batch``.
    """
    names = [type(each).__name__ for each in (block.inputs, block.target)]
    _line("blocks", " and ".join(names))
    data = block.labelled(source)
    for name, text in _found(data, block):
        _line(name, text)
    _line("item_tfms", _listed(block.item_tfms))
    count = max(2, min(bs, len(data.train)))
    dls = block.dataloaders(source, bs=count)
    _line("batch_tfms", _listed(dls.train.transforms))
    x, y = dls.one_batch()
    _line("batch", f"{_shapes(x)}, with targets {_shapes(y)}, on {dls.device}")
    if show_batch:
        dls.show_batch(**kwargs)


def _found(data: LabelledItems, block: Any) -> list[tuple[str, str]]:
    targets = data.targets
    first = data.train[0] if len(data.train) else 0
    is_x = block.get_x is not None
    lines = [
        ("items", f"{len(data.items):,}, the first one {_short(data.items[0])}"),
        ("parts", f"{len(data.train):,} for training, {len(data.valid):,} for validation"),
        ("input", f"{_short(data.x[first])}, of the first training item{' by get_x' * is_x}"),
    ]
    value = targets.values[first]
    value = value.tolist() if isinstance(value, Tensor) else value
    if isinstance(value, int) and targets.vocab is not None:
        value = targets.vocab[value]
    lines.append(("target", f"{_short(value)}, of the same item"))
    if targets.vocab is not None:
        lines.append(("classes", f"{len(targets.vocab):,} ({listed(targets.names or [])})"))
    return lines


def _line(name: str, text: str) -> None:
    print(f"{name + ':':<12}{text}")


def _short(value: Any) -> str:
    if hasattr(value, "iloc"):  # a row
        value = dict(value)
    text = str(value) if hasattr(value, "__fspath__") else repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _listed(transforms: Any) -> str:
    own = [
        repr(each) if "__repr__" in vars(type(each)) else type(each).__name__ for each in transforms
    ]
    return ", ".join(own) or "none"


def _shapes(batch: Any) -> str:
    found = [leaf for _, leaf in leaves(batch) if isinstance(leaf, Tensor)]
    return " and ".join(
        f"{'x'.join(map(str, leaf.shape))} {str(leaf.dtype).removeprefix('torch.')}"
        for leaf in found
    )
