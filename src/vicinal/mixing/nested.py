"""Applying a mix to every tensor of a nested batch."""

from collections.abc import Collection
from functools import reduce
from operator import mul
from typing import Any, Literal

from torch import Tensor

from vicinal.mixing.apply import apply, check
from vicinal.mixing.batch import (
    check_same_structure,
    is_blendable,
    is_named,
    map_leaves,
    path_name,
    share_memory,
)
from vicinal.mixing.maximum import Maximum
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.target import MixedTarget

Integers = Literal["raise", "leave", "paste"]

# Types of arguments are Any in the functions below: torch 2.6 compiles none in which a union is
# written.


def apply_nested(
    x: Any,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    *,
    other: Any,
    inplace: bool,
    fields: Any,
    integers: Integers,
    maximum: Any,
) -> Any:
    """Apply patterns to the tensors of a batch; the arguments are those of :class:`Mix`."""
    # The weight of a mix is that of its targets, which some methods change: what matters here is
    # what is kept of samples.
    lam = None if maximum is None else reduce(mul, [pattern.weight for pattern in patterns])
    patterns_of = {"mixed": patterns, "maximum": () if lam is None else (Maximum(lam),)}

    # All are checked before one is touched: an error leaves the batch as it was.
    others = () if other is None else (check_same_structure(x, other),)
    found: list[tuple[Any, Any, Any]] = []

    def plan(path: Any, leaf: Any, second: Any = None) -> None:
        how = _how(path, leaf, fields, integers, maximum)
        if how is not None:
            _check_leaf(path, leaf, partner, patterns_of[how], other, second, inplace)
        found.append((path, leaf, how))

    map_leaves(plan, x, *others)
    tensors = [leaf for _, leaf, how in found if how == "mixed"]
    _check_plan([path for path, *_ in found], tensors, fields, maximum)

    parts = [pattern.for_tensors(tensors) for pattern in patterns if tensors]
    mixed_by = iter([*zip(*parts, strict=True)])
    there = [leaf for _, leaf, _ in found if isinstance(leaf, Tensor)]
    plans = iter(found)
    done: list[tuple[Any, Any, str, Tensor]] = []

    def apply_to_leaf(path: Any, leaf: Any, second: Any = None) -> Any:
        *_, how = next(plans)
        if how is None:
            return leaf
        own = next(mixed_by) if how == "mixed" else patterns_of[how]
        # One that appears twice is mixed once. Found by `is`, not by id(), for which torch.compile
        # would make a graph for every batch.
        for tensor, partners, before, mixed in done:
            if tensor is leaf and partners is second and before == how:
                return mixed
        # In place, another view of the same memory would be mixed twice, or though it shall stay.
        alone = not any(share_memory(leaf, view) for view in there if view is not leaf)
        mixed = apply(leaf, partner, own, other=second, inplace=inplace and alone)
        done.append((leaf, second, how, mixed))
        return mixed

    return map_leaves(apply_to_leaf, x, *others)


def is_mixable(leaf: Any, integers: Integers) -> bool:
    """Whether a leaf is mixed, and not left as it is; or a TypeError that says what it is."""
    if isinstance(leaf, MixedTarget):
        raise TypeError("this is a mixed target, not samples: mix the samples")
    if not isinstance(leaf, Tensor):
        if leaf is None or isinstance(leaf, (str, bytes, int, float, complex)):
            return False
        raise TypeError(
            f"a {type(leaf).__name__} cannot be mixed: give tensors, or name the fields to mix"
        )
    if leaf.is_floating_point() or is_blendable(leaf) or integers == "paste":
        return True
    if integers == "leave":
        return False
    raise TypeError(
        f"{str(leaf.dtype).removeprefix('torch.')} values cannot be blended: give floats or uint8 "
        "images (for token ids, mix their embeddings), or say integers='leave' or "
        "integers='paste'"
    )


def _how(path: Any, leaf: Any, fields: Any, integers: Integers, maximum: Any) -> Any:
    """What happens to a leaf: "mixed", "maximum", or None where it stays as it is."""
    is_maximum = maximum is not None and is_named(path, maximum)
    if not is_maximum and fields is not None and not is_named(path, fields):
        return None
    try:
        if is_maximum:
            return "maximum" if _is_comparable(leaf) else None
        return "mixed" if is_mixable(leaf, integers) else None
    except TypeError as error:
        raise TypeError(_at(path, error)) from None


def _is_comparable(leaf: Any) -> bool:
    if leaf is None:  # a mask that hides nothing: neither do both together
        return False
    if not isinstance(leaf, Tensor) or leaf.is_complex():
        kind = "complex" if isinstance(leaf, Tensor) else type(leaf).__name__
        raise TypeError(
            f"of {kind} values no maximum can be taken: give masks and lengths as real tensors"
        )
    return True


def _check_leaf(
    path: Any,
    leaf: Tensor,
    partner: Tensor,
    patterns: tuple[Pattern, ...],
    other: Any,
    second: Any,
    inplace: bool,
) -> None:
    try:
        if other is not None and not isinstance(second, Tensor):
            kind = type(second).__name__
            raise ValueError(f"the second batch holds a {kind} here, the first a tensor")
        check(leaf, partner, patterns, second, inplace)
    except (TypeError, ValueError) as error:
        raise type(error)(_at(path, error)) from None


def _check_plan(
    paths: list[Any], mixed: list[Tensor], fields: Any, maximum: Collection[str | int] | None
) -> None:
    for field in maximum or ():
        if not any(is_named(path, (field,)) for path in paths):
            raise ValueError(f"there is nothing to take the maximum of in this batch at {field!r}")
    takes_only_maximum = maximum is not None and fields is not None and not fields
    if not (takes_only_maximum or mixed):
        under = "" if fields is None else f" under {', '.join(map(repr, fields))}"
        raise ValueError(f"there is nothing to mix in this batch{under}")


def _at(path: Any, error: Exception) -> str:
    return f"batch{path_name(path)}: {error}" if path else str(error)
