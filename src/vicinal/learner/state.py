"""Trees of tensors and plain values on disk: safetensors, so that loading them runs no code."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.files import write_whole

KINDS = {"dict": dict, "list": list, "tuple": tuple}


def save_tree(file: Path, tree: Any) -> None:
    """Write dicts, lists and tuples of tensors, numbers, strings and None, atomically.

    Args:
        file: an existing file is replaced in one step.
        tree: tensors and floats are stored exactly; keys may be strings or integers.

    Raises:
        TypeError: the tree contains something else.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_encoded(tree, tensors))
    write_whole(file, save(tensors, metadata={"tree": text}))


def load_tree(file: Path) -> Any:
    """Read what :func:`save_tree` wrote; tensors are on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        VicinalError: it is damaged, or not such a file.
    """
    if not file.exists():
        raise FileNotFoundError(file)
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return _decoded(json.loads(opened.metadata()["tree"]), tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise VicinalError(
            f"{file} cannot be read ({error}): it is damaged or not a checkpoint"
        ) from None


def _encoded(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree as JSON, in which names stand for tensors."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        # A clone, because safetensors refuses memory that is shared.
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": [[key, _encoded(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return {kind: [_encoded(value, tensors) for value in tree]}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"a state of type {type(tree).__name__} cannot be saved: give plain values")


def _decoded(text: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(text, dict):
        return text
    ((kind, content),) = text.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decoded(value, tensors) for key, value in content}
    return KINDS[kind](_decoded(value, tensors) for value in content)
