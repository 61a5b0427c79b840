"""Trees of tensors and plain values on disk, which are read without running any code."""

import json
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.tensor_file import read_tensors, write_tensors

TREE = "tree"  # the name of the text among the tensors; a header could not hold a long one
DTYPES = {str(v).removeprefix("torch."): v for v in vars(torch).values() if type(v) is torch.dtype}
UNKNOWN_TO_SAFETENSORS = {"complex128", "complex32"}  # stored as bytes
SEQUENCES: dict[str, Callable[[Iterable[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "Size": torch.Size,
}


def save_tree(file: Path, tree: Any) -> None:
    """Write a tree of tensors and plain values, atomically.

    Args:
        file: an existing file is replaced in one step.
        tree: dicts (with keys of any plain values), lists, tuples, sets and deques of tensors,
            NumPy arrays, numbers, strings, bytes, dtypes, devices and None. All are stored exactly,
            tensors with their strides.

    Raises:
        TypeError: the tree contains something else; the message names it.
    """
    encoder = _Encoder()
    text = json.dumps(encoder.encode_all(tree))
    stored = {str(n): _flat(tensor) for n, tensor in enumerate(encoder.tensors)}
    stored[TREE] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    write_tensors(file, stored)


def check_tree(tree: Any) -> None:
    """Raise the error that :func:`save_tree` would raise, without writing or copying anything."""
    _Encoder().encode_all(tree)


def load_tree(file: Path) -> Any:
    """Read what :func:`save_tree` wrote; tensors are on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        VicinalError: it is damaged, or not such a file.
    """
    if not file.exists():
        raise FileNotFoundError(file)
    try:
        tensors, metadata = read_tensors(file)
        # Earlier versions had the text in the metadata.
        text = metadata[TREE] if TREE in metadata else tensors[TREE].numpy().tobytes()
        return _decoded(json.loads(text), tensors)
    except VicinalError:
        raise
    except (
        SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError, AttributeError
    ) as error:  # fmt: skip
        raise VicinalError(
            f"{file} cannot be read ({error}): it is damaged or not a checkpoint"
        ) from None


class _Encoder:
    """Turns a tree into JSON, in which numbers stand for tensors."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def encode_all(self, tree: Any) -> Any:
        try:
            return self.encode(tree)
        except RecursionError:
            raise TypeError("its state is nested too deeply or contains itself") from None

    def encode(self, value: Any, *where: Any) -> Any:
        """Encode what is found under these keys."""
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return {"number": [value.dtype.str, value.tobytes().hex()]}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Tensor):
            return {"tensor": self._tensor(value, where)}
        if isinstance(value, dict):
            return {
                "dict": [
                    [self.encode(key, *where, "a key"), self.encode(inner, *where, key)]
                    for key, inner in value.items()
                ]
            }
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            content = torch.frombuffer(bytearray(value.tobytes() or b"-"), dtype=torch.uint8)
            self.tensors.append(content)
            return {"array": [value.dtype.str, list(value.shape), len(self.tensors) - 1]}
        if type(value).__name__ in SEQUENCES and type(value) is SEQUENCES[type(value).__name__]:
            return {type(value).__name__: self._inner(value, where)}
        if type(value) is deque:
            return {"deque": [value.maxlen, self._inner(value, where)]}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        raise _refusal(type(value).__name__, where)

    def _inner(self, values: Iterable[Any], where: tuple[Any, ...]) -> list[Any]:
        return [self.encode(value, *where, n) for n, value in enumerate(values)]

    def _tensor(self, tensor: Tensor, where: tuple[Any, ...]) -> list[Any]:
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
            raise _refusal(f"{tensor.layout} {tensor.device} {tensor.dtype} Tensor", where)
        if hasattr(tensor, "__tensor_flatten__"):  # it consists of others
            raise _refusal(type(tensor).__name__, where)
        self.tensors.append(tensor)
        strides = list(tensor.stride()) if _is_dense(tensor) else None
        return [
            len(self.tensors) - 1, list(tensor.shape), strides, str(tensor.dtype)[len("torch.") :]
        ]  # fmt: skip


def _refusal(kind: str, where: tuple[Any, ...]) -> TypeError:
    place = "".join(f"[{key!r}]" for key in where)
    return TypeError(
        f"a state of type {kind} is no tensor and no plain value{f', at {place}' if place else ''}"
    )


def _is_dense(tensor: Tensor) -> bool:
    """Whether each element of its memory belongs to one place of the tensor."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def _flat(tensor: Tensor) -> Tensor:
    """A copy of the tensor's elements, in the order in which they lie in memory."""
    tensor = tensor.detach().as_subclass(Tensor)  # type: ignore[arg-type]
    tensor = tensor.resolve_conj().resolve_neg()
    if _is_dense(tensor):
        flat = tensor.as_strided((tensor.numel(),), (1,)).to("cpu", copy=True)
    else:
        flat = tensor.to("cpu", copy=True).contiguous().flatten()
    is_known = str(flat.dtype).removeprefix("torch.") not in UNKNOWN_TO_SAFETENSORS
    return flat if is_known else flat.view(torch.uint8)


def _decoded(text: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(text, dict):
        return text
    ((kind, content),) = text.items()
    if kind == "dict":
        return {_decoded(key, tensors): _decoded(value, tensors) for key, value in content}
    if kind in SEQUENCES:
        return SEQUENCES[kind](_decoded(value, tensors) for value in content)
    if kind == "tensor":
        return tensors[content] if isinstance(content, str) else _tensor(content, tensors)
    if kind == "deque":
        return deque((_decoded(value, tensors) for value in content[1]), maxlen=content[0])
    if kind in ("number", "array"):
        return _numpy(kind, content, tensors)
    return VALUES[kind](content)


def _tensor(content: list[Any], tensors: dict[str, Tensor]) -> Tensor:
    number, shape, strides, dtype = content
    flat = tensors[str(number)]
    # A clone, as a file's tensors lie at any address, and dot products round by the alignment.
    flat = (flat if flat.dtype == DTYPES[dtype] else flat.view(DTYPES[dtype])).clone()
    # A storage that is too small raises.
    return flat.view(shape) if strides is None else flat.as_strided(shape, strides)


def _numpy(kind: str, content: list[Any], tensors: dict[str, Tensor]) -> Any:
    dtype = np.dtype(content[0])
    if dtype.kind not in "biufc":
        raise ValueError(f"no numbers: {dtype}")
    if kind == "number":
        return np.frombuffer(bytes.fromhex(content[1]), dtype)[0]
    _, shape, number = content
    count = int(np.prod(shape))
    return np.frombuffer(tensors[str(number)].numpy().tobytes(), dtype, count).reshape(shape).copy()


VALUES: dict[str, Callable[[Any], Any]] = {
    "dtype": DTYPES.__getitem__,
    "device": torch.device,
    "complex": lambda parts: complex(*parts),
    "bytes": bytes.fromhex,
}
