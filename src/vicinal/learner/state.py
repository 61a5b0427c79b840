"""Trees of tensors and plain values on disk: safetensors, so that reading them can run no code."""

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
    """Write dicts, lists and tuples of tensors, numbers, strings and None, whole or not at all.

    Args:
        file: what was there before is replaced in one step.
        tree: tensors are kept bit by bit, floats exactly; keys may be strings or integers.

    Raises:
        TypeError: the tree holds something else.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_described(tree, tensors))
    write_whole(file, save(tensors, metadata={"tree": text}))


def load_tree(file: Path) -> Any:
    """Read what :func:`save_tree` wrote; tensors come to the CPU.

    Raises:
        FileNotFoundError: the file is not there.
        VicinalError: it is damaged, or of another kind.
    """
    if not file.exists():
        raise FileNotFoundError(file)
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return _rebuilt(json.loads(opened.metadata()["tree"]), tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise VicinalError(
            f"{file} cannot be read ({error}): it is damaged or no checkpoint"
        ) from None


def _described(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree as JSON, with a name in the place of each tensor."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        # A clone, because safetensors refuses memory that is shared.
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": [[key, _described(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        kind = "list" if isinstance(tree, list) else "tuple"
        return {kind: [_described(value, tensors) for value in tree]}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"a state of type {type(tree).__name__} cannot be kept: give plain values")


def _rebuilt(text: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(text, dict):
        return text
    ((kind, content),) = text.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _rebuilt(value, tensors) for key, value in content}
    return KINDS[kind](_rebuilt(value, tensors) for value in content)
