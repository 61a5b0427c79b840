"""Frozen dataclasses of tensors as pytrees."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from torch.utils import _pytree as pytree

Class = TypeVar("Class", bound=type)


def tensors_as_leaves(*fields: str) -> Callable[[Class], Class]:
    """Register a frozen dataclass as a pytree with these fields as leaves.

    Without names, they are those that the class lists as its ``tensors``. Its other fields are
    constants of the structure: torch.compile guards on them, and pytrees with different constants
    do not match.

    Unflattening skips the class's own checks: a pytree may carry anything at its leaves (shapes,
    None, spec objects), and torch relies on that.
    """

    def register(cls: Class) -> Class:
        leaves = fields or cls.tensors  # type: ignore[attr-defined]
        constants = [f.name for f in dataclasses.fields(cls) if f.name not in leaves]

        def flatten(made: Any) -> Any:
            return [getattr(made, f) for f in leaves], tuple(getattr(made, c) for c in constants)

        def unflatten(values: Any, context: Any) -> Any:
            made: Any = object.__new__(cls)
            for field, value in zip((*leaves, *constants), (*values, *context), strict=True):
                object.__setattr__(made, field, value)
            return made

        pytree.register_pytree_node(
            cls,
            flatten,
            unflatten,
            serialized_type_name=f"vicinal.{cls.__name__}",
        )
        return cls

    return register
