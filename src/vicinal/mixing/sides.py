"""The two sides of nested mixed targets."""

from typing import Any

from torch import Tensor

from vicinal.mixing.batch import map_leaves
from vicinal.mixing.target import MixedTarget


def sides(target: Any) -> tuple[Any, Any]:
    """The own targets and the partners' of a nested batch of mixed ones."""

    if isinstance(target, MixedTarget):  # torch 2.6 cannot compile the traversal
        return target.own, target.partner

    def side(name: str) -> Any:
        return map_leaves(
            lambda _, leaf: getattr(leaf, name) if isinstance(leaf, MixedTarget) else leaf, target
        )

    return side("own"), side("partner")


def mixed_targets(target: Any) -> list[MixedTarget]:
    """The mixed targets of a nested batch."""
    if isinstance(target, MixedTarget):
        return [target]
    found: list[MixedTarget] = []

    def collect(_: Any, leaf: Any) -> None:
        if isinstance(leaf, MixedTarget):
            found.append(leaf)

    if not isinstance(target, Tensor):
        map_leaves(collect, target)
    return found
