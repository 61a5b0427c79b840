"""What distinguishes the settings of two comparisons, so that stored results are not mixed up."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from vicinal.mixing import Mixer
from vicinal.rng import RandomState

# What a mixer has beside its options: caches, and what its seed is, which each run sets.
_PRIVATE = ("random", "_blocks", "_op_id", "_outer_draw", "_changes")


def identity(value: Any, seen: tuple[int, ...] = ()) -> str:
    """A text that differs where settings differ: their contents, without seeds and addresses.

    Args:
        value: numbers, texts, tensors, mixers, callbacks, functions, classes, and containers and
            objects of them.
        seen: the objects that hold it.

    >>> identity([0.1, "a"]), identity(nn.Linear)
    ("[0.1,'a']", "<class 'torch.nn.modules.linear.Linear'>")
    >>> import torch
    >>> identity(torch.zeros(2000)) == identity(torch.zeros(2000).index_fill(0, torch.tensor(9), 1))
    False
    """
    if id(value) in seen:
        return "..."
    seen = (*seen, id(value))

    def listed(values: Any) -> str:
        return ",".join(identity(each, seen) for each in values)

    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    if isinstance(value, np.ndarray):
        content = hashlib.blake2b(value.tobytes(), digest_size=16).hexdigest()
        return f"{value.dtype}{value.shape}{content}"
    if isinstance(value, RandomState):
        return "random"
    if isinstance(value, Mapping):
        return f"{{{listed(sorted(value.items(), key=lambda item: str(item[0])))}}}"
    if isinstance(value, list | tuple):
        return f"[{listed(value)}]"
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}({identity(value.state_dict(), seen)}{_plain(value)})"
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        return _of_object(value, seen)
    return _of_object(value, seen) if isinstance(value, Mixer) else _plain(value)


def _of_object(value: Any, seen: tuple[int, ...]) -> str:
    state = {name: each for name, each in vars(value).items() if name not in _PRIVATE}
    return f"{type(value).__qualname__}{identity(state, seen)}"


def _plain(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
