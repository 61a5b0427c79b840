"""Nested batches: tensors inside dicts, tuples, dataclasses and other pytrees."""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixing.target import MixedTarget


def map_leaves(function: Callable[..., Any], batch: Any, *others: Any, path: Any = ()) -> Any:
    """Apply ``function(path, leaf, *other leaves)`` to every leaf, and build the batch anew.

    Dataclasses are entered also where nobody has registered them as pytrees.

    >>> map_leaves(lambda path, leaf: f"{name(path)}={leaf}", {"a": 1, "b": (2, 3)})
    {'a': "['a']=1", 'b': ("['b'][0]=2", "['b'][1]=3")}
    """

    def visit(inner: Any, leaf: Any, *rest: Any) -> Any:
        where = (*path, *inner)
        if not dataclasses.is_dataclass(leaf) or isinstance(leaf, type | MixedTarget):
            return function(where, leaf, *rest)
        changed = {
            field.name: map_leaves(
                function,
                getattr(leaf, field.name),
                *(getattr(other, field.name) for other in rest),
                path=(*where, pytree.GetAttrKey(field.name)),
            )
            for field in dataclasses.fields(leaf)
            if field.init
        }
        return dataclasses.replace(leaf, **changed)

    if isinstance(batch, Tensor):
        return visit((), batch, *others)
    return pytree.tree_map_with_path(
        visit, batch, *others, is_leaf=lambda part: isinstance(part, MixedTarget)
    )


def like(batch: Any, other: Any) -> Any:
    """The other batch, if it is built like the first."""
    first, second = (pytree.tree_structure(b) for b in (batch, other))
    if first != second:
        raise ValueError(
            f"the second batch is built as {second}, the first as {first}: give both the same"
        )
    return other


def leaves(batch: Any) -> list[tuple[Any, Any]]:
    """The leaves with their paths, in order."""
    found: list[tuple[Any, Any]] = []
    map_leaves(lambda path, leaf: found.append((path, leaf)), batch)
    return found


def name(path: Any) -> str:
    """A path as it is written in Python."""
    return pytree.keystr(path)


def is_named(path: Any, names: Collection[str | int]) -> bool:
    """Whether a dict key, attribute or position on the path is among the names."""
    return any(
        getattr(key, "key", getattr(key, "name", getattr(key, "idx", None))) in names
        for key in path
    )


def first_tensor(batch: Any) -> Tensor:
    """The first tensor of a nested batch: it tells how many samples there are, and where.

    >>> import torch
    >>> first_tensor({"image": torch.zeros(3, 2), "name": ["a", "b", "c"]}).shape
    torch.Size([3, 2])
    """
    if isinstance(batch, Tensor) and batch.ndim:
        return batch
    for _, leaf in leaves(batch):
        leaf = leaf.own if isinstance(leaf, MixedTarget) else leaf
        if isinstance(leaf, Tensor) and leaf.ndim:
            return leaf
    raise TypeError(f"a batch must hold at least one tensor, not only {type(batch).__name__}")


def batch_size(x: Any, y: Any = None) -> int:
    """The number of samples in a batch, checked against its targets."""
    count = len(first_tensor(x))
    if y is not None and len(first_tensor(y)) != count:
        raise ValueError(
            f"x has {count} samples, but y has {len(first_tensor(y))}: "
            "a batch needs one target for each sample"
        )
    return count


def image_size(x: Any, fields: Collection[str | int] | None = None) -> tuple[int, int]:
    """Height and width of the first images (B, ..., H, W) in a nested batch."""
    for path, leaf in leaves(x):
        named = fields is None or is_named(path, fields)
        if named and isinstance(leaf, Tensor) and leaf.ndim >= 3:
            return leaf.shape[-2], leaf.shape[-1]
    raise ValueError(
        "there are no images (B, ..., H, W) to take regions from in this batch"
        + (f" under {', '.join(map(repr, fields))}" if fields is not None else "")
    )


def halves(batch: Any) -> tuple[Any, Any]:
    """Both halves of a batch, as views; of an odd one, both have the sample in the middle.

    >>> import torch
    >>> halves(torch.arange(5))
    (tensor([0, 1, 2]), tensor([2, 3, 4]))
    """
    count = len(first_tensor(batch))

    def rows(part: slice) -> Any:
        return map_leaves(
            lambda _, leaf: leaf[part] if isinstance(leaf, Tensor | list | tuple) else leaf, batch
        )

    return rows(slice((count + 1) // 2)), rows(slice(count // 2, None))
