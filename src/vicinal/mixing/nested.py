"""Applying a mix to the tensors of a nested batch."""

from collections.abc import Collection
from functools import reduce
from operator import mul
from typing import Any, Literal

import torch
from torch import Tensor

from vicinal.mixing.apply import apply, check_arguments
from vicinal.mixing.batch import (
    are_strings,
    check_same_structure,
    each_leaf,
    is_blendable,
    is_named,
    leaves,
    map_leaves,
    path_name,
    share_memory,
)
from vicinal.mixing.maximum import Maximum
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.target import MixedTarget
from vicinal.mixing.tensors import are_coordinates, is_mask, may_be_mask
from vicinal.mixing.unsupported import check_supported, why_unsupported

COORDINATES_ARE_NOT_MIXED = (
    "boxes and keypoints cannot be mixed like the images that they belong to: mix them by "
    "DetectionMixUp, or name the other fields in fields="
)
Integers = Literal["raise", "leave", "paste"]

# Arguments below are annotated with Any, because torch 2.6 cannot compile functions whose types are
# unions.


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
    """Apply patterns to the tensors of a batch; the arguments are those of :meth:`Mix.__call__`."""
    # Not the weight of the mix, which is that of the targets: methods such as Remix change it, but
    # the samples still keep the shares of their patterns.
    lam = None if maximum is None else reduce(mul, [pattern.weight for pattern in patterns])
    patterns_of = {"mix": patterns, "maximum": () if lam is None else (Maximum(lam),)}

    # Check all leaves before writing any: after an error, an in-place batch is unchanged.
    others = () if other is None else (check_same_structure(x, other),)
    blends = not all(pattern.copies for pattern in patterns)
    plan: list[tuple[Any, Any, Any]] = []  # path, leaf and action

    def check_leaf(path: Any, leaf: Any, second: Any = None) -> None:
        action = _action(path, leaf, fields, integers, maximum)
        if action == "mix" and are_coordinates(path, leaf, x):
            raise TypeError(_at(path, COORDINATES_ARE_NOT_MIXED))
        if action == "mix" and blends and integers == "leave" and is_mask(path, leaf):
            action = None
        if action is not None:
            _check_leaf(path, leaf, partner, patterns_of[action], other, second, inplace)
        if action == "mix" and blends:
            _check_values(path, leaf, x, fields, maximum)
        plan.append((path, leaf, action))

    each_leaf(check_leaf, x, *others)
    to_mix = [leaf for _, leaf, action in plan if action == "mix"]
    _check_plan([path for path, *_ in plan], to_mix, fields, maximum)

    split = [pattern.for_tensors(to_mix) for pattern in patterns if to_mix]
    patterns_per_tensor = iter([*zip(*split, strict=True)])
    tensors = [
        leaf for *_, leaf, _ in plan if isinstance(leaf, Tensor) and not why_unsupported(leaf)
    ]
    actions = iter([action for *_, action in plan])
    done: list[tuple[Any, Any, str, Tensor]] = []

    def apply_to_leaf(path: Any, leaf: Any, second: Any = None) -> Any:
        action = next(actions)
        if action is None:
            return leaf
        own = next(patterns_per_tensor) if action == "mix" else patterns_of[action]
        # A tensor that appears twice is mixed once. Compared by `is`, because torch.compile would
        # recompile for every new id().
        for tensor, partners, previous, mixed in done:
            if tensor is leaf and partners is second and previous == action:
                return mixed
        # In place, other views of the same memory would be mixed twice, or would change though they
        # are not to be mixed: such tensors are mixed into new memory.
        alone = not any(share_memory(leaf, view) for view in tensors if view is not leaf)
        mixed = apply(leaf, partner, own, other=second, inplace=inplace and alone)
        done.append((leaf, second, action, mixed))
        return mixed

    return map_leaves(apply_to_leaf, x, *others)


def is_mixable(leaf: Any, integers: Integers) -> bool:
    """Whether a leaf is mixed (or else unchanged); a TypeError if it is ambiguous."""
    if isinstance(leaf, MixedTarget):
        raise TypeError("this is a mixed target, not samples: mix the samples")
    check_supported(leaf)
    if not isinstance(leaf, Tensor):
        is_left = leaf is None or isinstance(leaf, (str, bytes, int, float, complex))
        if is_left or are_strings(leaf):
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
        "images (for token ids, mix their embeddings), or set integers='leave' or "
        "integers='paste'"
    )


def _action(path: Any, leaf: Any, fields: Any, integers: Integers, maximum: Any) -> Any:
    """What to do with a leaf: "mix", "maximum", or None to leave it unchanged."""
    is_maximum = maximum is not None and is_named(path, maximum)
    if not is_maximum and fields is not None and not is_named(path, fields):
        return None
    try:
        if is_maximum:
            return "maximum" if _is_comparable(leaf) else None
        return "mix" if is_mixable(leaf, integers) else None
    except TypeError as error:
        raise TypeError(_at(path, error)) from None


def _check_values(path: Any, leaf: Tensor, batch: Any, fields: Any, maximum: Any) -> None:
    """Raise a TypeError for what is, or may be, no values to average."""
    if is_mask(path, leaf):
        reason = (
            "are masks, which cannot be blended: name masks of padding in maximum=, or leave masks "
            "unchanged by fields= or integers='leave'"
        )
    elif leaf.dtype is torch.uint8 and may_be_mask(leaf, _averaged(batch, fields, maximum)):
        reason = (
            "may be masks or labels, which cannot be blended: give images as floats, or name in "
            "fields= what is to be mixed, and masks of padding in maximum="
        )
    else:
        return
    kind = str(leaf.dtype).removeprefix("torch.")
    raise TypeError(_at(path, f"{kind} values of shape {tuple(leaf.shape)} {reason}"))


def _averaged(batch: Any, fields: Any, maximum: Any) -> list[Tensor]:
    """The tensors of a batch that are blended, as far as their dtype tells."""
    return [
        leaf
        for path, leaf in leaves(batch)
        if isinstance(leaf, Tensor)
        and leaf.ndim
        and is_blendable(leaf)
        and (fields is None or is_named(path, fields))
        and not (maximum and is_named(path, maximum))
        and not is_mask(path, leaf)
    ]


def can_be_blended(x: Any, fields: Any, maximum: Any) -> bool:
    """Whether all tensors of a batch that are to be mixed hold values to average."""
    averaged = _averaged(x, fields, maximum)
    return all(
        is_blendable(leaf) and not is_mask(path, leaf) and not may_be_mask(leaf, averaged)
        for path, leaf in leaves(x)
        if isinstance(leaf, Tensor)
        and (fields is None or is_named(path, fields))
        and not (maximum and is_named(path, maximum))
    )


def _is_comparable(leaf: Any) -> bool:
    if leaf is None:  # no attention mask: nothing is masked, nor is it in the mixed batch
        return False
    check_supported(leaf)
    if not isinstance(leaf, Tensor) or leaf.is_complex():
        kind = "complex" if isinstance(leaf, Tensor) else type(leaf).__name__
        raise TypeError(f"{kind} values have no maximum: give masks and lengths as real tensors")
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
        check_arguments(leaf, partner, patterns, second, inplace)
    except (TypeError, ValueError) as error:
        raise type(error)(_at(path, error)) from None


def _check_plan(
    paths: list[Any], mixed: list[Tensor], fields: Any, maximum: Collection[str | int] | None
) -> None:
    for field in maximum or ():
        if not any(is_named(path, (field,)) for path in paths):
            raise ValueError(
                f"there is no {field!r} in this batch to take the maximum of: correct maximum="
            )
    takes_only_maximum = maximum is not None and fields is not None and not fields
    if not (takes_only_maximum or mixed):
        under = "" if fields is None else f" under {', '.join(map(repr, fields))}"
        raise ValueError(f"there is nothing to mix in this batch{under}")


def _at(path: Any, error: Exception | str) -> str:
    return f"batch{path_name(path)}: {error}" if path else str(error)
