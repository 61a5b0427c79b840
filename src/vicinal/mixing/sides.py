"""The two sides of nested mixed targets."""

import dataclasses
from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

from vicinal.mixing.batch import map_leaves
from vicinal.mixing.target import MixedTarget


def sides(target: Any) -> tuple[Any, Any]:
    """The own targets and the partners' of a nested batch of mixed ones."""
    return map_targets(lambda y: y.own, target), map_targets(lambda y: y.partner, target)


def mixed_targets(target: Any) -> list[MixedTarget]:
    """The mixed targets of a nested batch."""
    found: list[MixedTarget] = []
    map_targets(found.append, target)
    return found


def map_targets(function: Callable[[MixedTarget], Any], target: Any) -> Any:
    """The nested batch with the function applied to each mixed target; other leaves as they are."""
    if isinstance(target, MixedTarget):
        return function(target)

    def apply(leaf: Any) -> Any:
        if isinstance(leaf, MixedTarget):
            return function(leaf)
        if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            # Only here, because torch 2.6 cannot compile it.
            return map_leaves(lambda _, part: apply(part), leaf)
        return leaf

    return pytree.tree_map(apply, target, is_leaf=lambda part: isinstance(part, MixedTarget))
