"""Nested batches: tensors inside dicts, tuples, dataclasses and other pytrees."""

import copy
import dataclasses
import operator
from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from vicinal.mixing.target import MixedTarget
from vicinal.mixing.unsupported import check_supported, why_unsupported


def map_leaves(
    function: Callable[..., Any],
    batch: Any,
    *others: Any,
    path: Any = (),
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Apply ``function(path, leaf, *other leaves)`` to every leaf, and rebuild the batch.

    Dataclasses and mappings, such as transformers' ``BatchEncoding``, are traversed even if they
    are not registered as pytrees. Mixed targets, packed sequences and lists of strings are leaves.

    Args:
        function: whose results are the leaves of the new batch.
        batch: a tensor, or tensors in dicts, tuples, lists, dataclasses and other pytrees.
        others: batches of the same structure.
        path: the path of ``batch`` in a larger one.
        is_leaf: whether to stop at a container.

    >>> map_leaves(lambda path, leaf: f"{path_name(path)}={leaf}", {"a": 1, "b": (2, 3)})
    {'a': "['a']=1", 'b': ("['b'][0]=2", "['b'][1]=3")}
    """

    def visit(inner: Any, leaf: Any, *rest: Any) -> Any:
        where = (*path, *inner)
        if isinstance(leaf, (Tensor, type, MixedTarget)) or stop(leaf):
            return function(where, leaf, *rest)
        if isinstance(leaf, MutableMapping):
            names, key_of, get = list(leaf.keys()), pytree.MappingKey, operator.getitem
        elif dataclasses.is_dataclass(leaf):
            names = [field.name for field in dataclasses.fields(leaf) if field.init]
            key_of, get = pytree.GetAttrKey, getattr  # type: ignore[assignment]
        else:
            return function(where, leaf, *rest)
        parts = {name: get(leaf, name) for name in names}
        changed = {
            name: map_leaves(
                function,
                part,
                *[get(other, name) for other in rest],
                path=(*where, key_of(name)),
                is_leaf=is_leaf,
            )
            for name, part in parts.items()
        }
        return _rebuilt(leaf, {n: part for n, part in changed.items() if part is not parts[n]})

    def stop(part: Any) -> bool:
        is_whole = isinstance(part, (MixedTarget, PackedSequence)) or are_strings(part)
        return is_whole or (is_leaf is not None and is_leaf(part))

    if isinstance(batch, Tensor):
        return visit((), batch, *others)
    found, structure = pytree.tree_flatten(batch, is_leaf=stop)
    rest = [pytree.tree_flatten(other, is_leaf=stop)[0] for other in others]
    paths = _paths(structure, len(found))
    visited = [visit(*parts) for parts in zip(paths, found, *rest, strict=True)]
    return pytree.tree_unflatten(visited, structure)


def are_strings(part: Any) -> bool:
    """Whether this is a list of names, of which a batch has as many as samples."""
    if type(part) not in (list, tuple) or not part or type(part[0]) is not str:
        return False
    return all(type(entry) is str for entry in part)


def _rebuilt(whole: Any, changed: dict[Any, Any]) -> Any:
    """A mapping or dataclass with other parts; itself if none is another."""
    if not changed:
        return whole
    if isinstance(whole, MutableMapping):
        made: Any = copy.copy(whole)
        for name, part in changed.items():
            made[name] = part
        return made
    fields = type(whole).__dataclass_fields__.values()
    if all(field._field_type is not dataclasses._FIELD_INITVAR for field in fields):  # type: ignore[attr-defined]
        return dataclasses.replace(whole, **changed)
    # Its __init__ takes values that nobody has any more: it is copied, and not made again.
    for field in dataclasses.fields(whole):
        if not field.init and isinstance(getattr(whole, field.name, None), Tensor):
            raise TypeError(
                f"{type(whole).__name__} computes {field.name!r} from values that it does not "
                "keep (InitVar), so that it cannot be made again for a mixed batch: keep them in "
                "fields, or mix a dict"
            )
    made = copy.copy(whole)
    for name, part in changed.items():
        object.__setattr__(made, name, part)
    return made


def _paths(structure: Any, count: int) -> list[Any]:
    # On a copy with numbers as leaves: torch 2.6 cannot compile a flattening with both paths and
    # is_leaf.
    numbers = pytree.tree_unflatten(list(range(count)), structure)
    try:
        return [path for path, _ in pytree.tree_flatten_with_path(numbers)[0]]
    except ValueError:  # a class that was registered without keys
        return [()] * count


def leaves(batch: Any) -> list[tuple[Any, Any]]:
    """The leaves with their paths, in order."""
    if isinstance(batch, Tensor):
        return [((), batch)]
    found: list[tuple[Any, Any]] = []
    each_leaf(lambda path, leaf: found.append((path, leaf)), batch)
    return found


def each_leaf(function: Callable[..., Any], batch: Any, *others: Any, **options: Any) -> None:
    """Call ``function`` as :func:`map_leaves` does, and make no batch of the results."""

    def call(path: Any, leaf: Any, *rest: Any) -> Any:
        function(path, leaf, *rest)
        return leaf

    map_leaves(call, batch, *others, **options)


def check_same_structure(batch: Any, other: Any) -> Any:
    """The other batch; a ValueError unless it has the structure of the first."""
    first, second = ([path_name(path) for path, _ in leaves(b)] for b in (batch, other))
    if first != second:
        raise ValueError(
            f"the second batch consists of {_listed(second)}, the first of {_listed(first)}: give "
            "both the same structure"
        )
    return other


def _listed(paths: list[str]) -> str:
    return ", ".join(path or "one tensor" for path in paths) or "nothing"


def path_name(path: Any) -> str:
    """A path as Python code, such as ``['image'][0]``."""
    return pytree.keystr(path)


def is_named(path: Any, names: Collection[str | int]) -> bool:
    """Whether a dict key, attribute or position on the path is among the names."""
    return any(
        getattr(key, "key", getattr(key, "name", getattr(key, "idx", None))) in names
        for key in path
    )


def copied(batch: Any) -> Any:
    """A batch with copies of its tensors, for what may write into them.

    >>> tensor = torch.zeros(2)
    >>> _ = copied((tensor, "name"))[0].add_(1)
    >>> tensor
    tensor([0., 0.])
    """
    return map_leaves(lambda _, leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, batch)


def first_tensor(batch: Any, name: str = "a batch") -> Tensor:
    """The first tensor of a nested batch, from which batch size and device are read.

    Args:
        batch: a tensor, or a nested batch.
        name: of the batch, for the message.

    Raises:
        TypeError: it holds no tensor.

    >>> import torch
    >>> first_tensor({"image": torch.zeros(3, 2), "name": ["a", "b", "c"]}).shape
    torch.Size([3, 2])
    """
    if isinstance(batch, Tensor) and batch.ndim and why_unsupported(batch) is None:
        return batch  # the usual case, without traversing anything
    unsupported = None
    for _, leaf in leaves(batch):
        leaf = leaf.own if isinstance(leaf, MixedTarget) else leaf
        unsupported = unsupported or why_unsupported(leaf)
        if isinstance(leaf, Tensor) and leaf.ndim and why_unsupported(leaf) is None:
            return leaf
    if unsupported is not None:
        raise TypeError(unsupported)
    kind = type(batch).__name__
    raise TypeError(
        f"{name} must hold at least one tensor, not only {kind}: convert it, by torch.as_tensor or "
        "the collate function"
    )


def batch_size(x: Any, y: Any = None) -> int:
    """The number of samples in a batch; a ValueError if there are not as many targets."""
    count = first_tensor(x, "x").shape[0]
    if y is not None and first_tensor(y, "y").shape[0] != count:
        raise ValueError(
            f"x has {count} samples, but y has {len(first_tensor(y))}: "
            "a batch needs one target for each sample"
        )
    return count


def is_blendable(x: Tensor) -> bool:
    """Whether values can be averaged: floats, complex numbers and uint8, but no other integers."""
    return x.is_floating_point() or x.is_complex() or x.dtype == torch.uint8


def tensors_to_mix(
    x: Any,
    fields: Collection[str | int] | None,
    integers: str,
    maximum: Collection[str | int] | None = None,
) -> list[Tensor]:
    """The tensors of a nested batch that are mixed, without those named in ``maximum``."""
    chosen = []
    for path, leaf in leaves(x):
        is_chosen = fields is None or is_named(path, fields)
        if not is_chosen or (maximum and is_named(path, maximum)):
            continue
        check_supported(leaf)
        if isinstance(leaf, Tensor) and (integers != "leave" or is_blendable(leaf)):
            chosen.append(leaf)
    return chosen


def copy_if_shared(x: Any, y: Any, fields: Any, integers: str, maximum: Any) -> Any:
    """The targets, copied if mixing ``x`` in place would overwrite them.

    In autoencoders, for example, the target is the sample itself.
    """
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return y.clone() if share_memory(x, y) else y
    mixed = tensors_to_mix(x, fields, integers)
    if maximum:
        mixed += tensors_to_mix(x, maximum, "paste")

    def copy_shared(_: Any, leaf: Any) -> Any:
        shared = isinstance(leaf, Tensor) and any(share_memory(leaf, t) for t in mixed)
        return leaf.clone() if shared else leaf

    return map_leaves(copy_shared, y)


def find_masks(y: Any, sizes: Sequence[tuple[int, ...]]) -> Tensor:
    """The first masks among the targets: integers (B, *size), or (B, 1, *size), as (B, *size)."""
    tensors = [leaf for _, leaf in leaves(y) if isinstance(leaf, Tensor)]
    for tensor in tensors:
        is_integer = not (tensor.is_floating_point() or tensor.is_complex())
        for size in sizes if is_integer else ():
            if tuple(tensor.shape[1:]) in (tuple(size), (1, *size)):
                return tensor.reshape(len(tensor), *size)
    wanted = " or ".join(f"(B, {', '.join(map(str, size))})" for size in sizes)
    found = ", ".join(f"{tuple(tensor.shape)} of {tensor.dtype}" for tensor in tensors)
    raise ValueError(
        f"there are no masks among the targets: give {wanted} integers, not {found or 'none'}"
    )


def halves(batch: Any) -> tuple[Any, Any]:
    """Both halves of a batch, as views. Of an odd batch, both contain the sample in the middle.

    Lists with an entry for each sample are split, too.

    >>> import torch
    >>> halves(torch.arange(5))
    (tensor([0, 1, 2]), tensor([2, 3, 4]))
    """
    count = len(first_tensor(batch))

    def is_list(part: Any) -> bool:
        if not isinstance(part, (list, tuple)) or len(part) != count:
            return False
        return not any(isinstance(leaf, Tensor) for _, leaf in leaves(part))

    def rows(part: slice) -> Any:
        views: list[tuple[Tensor, Tensor]] = []

        def cut(_: Any, leaf: Any) -> Any:
            check_supported(leaf)
            if isinstance(leaf, Tensor) and leaf.ndim:
                # The same tensor must remain the same view: a tensor that appears twice is mixed
                # once. Compared by `is`, because torch.compile would recompile for every new id().
                for whole, view in views:
                    if whole is leaf:
                        return view
                views.append((leaf, leaf[part]))
                return views[-1][1]
            return leaf[part] if is_list(leaf) else leaf

        return map_leaves(cut, batch, is_leaf=is_list)

    return rows(slice((count + 1) // 2)), rows(slice(count // 2, None))


def share_memory(x: Tensor, y: Tensor) -> bool:
    """Whether both are views of the same storage, even if they do not overlap in it."""
    if x is y:
        return True
    # Views of the same values have the same dtype, except real views of complex tensors.
    if (x.dtype != y.dtype and not (x.is_complex() or y.is_complex())) or is_compiling():
        return False
    return torch._C._is_alias_of(x, y)  # type: ignore[attr-defined]


def overlap(x: Tensor, y: Tensor) -> bool:
    """Whether the memory between the first and the last element of both has a part in common."""
    if not share_memory(x, y) or not (x.numel() and y.numel()):
        return False
    (start, stop), (other_start, other_stop) = _extent(x), _extent(y)
    return start < other_stop and other_start < stop


def _extent(x: Tensor) -> tuple[int, int]:
    steps = zip(x.shape, x.stride(), strict=True)
    last = sum((size - 1) * stride for size, stride in steps)
    return x.data_ptr(), x.data_ptr() + (last + 1) * x.element_size()


def check_second_tensor(x: Tensor, other: Tensor) -> None:
    """Raise a ValueError where a tensor of a second batch is not like that of the first."""
    if other.shape != x.shape or other.dtype != x.dtype:
        raise ValueError(
            f"the second batch has shape {tuple(other.shape)} and dtype {other.dtype}, the first "
            f"{tuple(x.shape)} and {x.dtype}: give both the same"
        )
