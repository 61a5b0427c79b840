"""What distinguishes the settings of two comparisons, so that stored results are not mixed up."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.mixing import Mixer
from vicinal.rng import RandomState

# What a mixer has beside its options: caches, and what its seed is, which each run sets.
_PRIVATE = (
    *("random", "_blocks", "_op_id", "_outer_draw", "_changes", "_is_constructed"),
    *("_given", "_given_changes", "_adopted"),  # of wrappers, about the mixers that they were given
)


def identity(value: Any, seen: tuple[int, ...] = ()) -> str:
    """A text that differs where settings differ: their contents, without seeds and addresses.

    Args:
        value: numbers, texts, tensors, mixers, callbacks, functions, classes, and containers and
            objects of them.
        seen: the objects that hold it.

    >>> identity([0.1, "a"]), identity(nn.Linear)
    ("[0.1,'a']", "<class 'torch.nn.modules.linear.Linear'>")
    >>> identity(torch.zeros(2000)) == identity(torch.zeros(2000).index_fill(0, torch.tensor(9), 1))
    False
    """
    if id(value) in seen:
        return "..."
    seen = (*seen, id(value))

    def listed(values: Any) -> str:
        return ",".join(identity(each, seen) for each in values)

    if isinstance(value, Tensor):
        # As bytes: NumPy has no bfloat16.
        as_bytes = value.detach().cpu().reshape(-1).view(torch.uint8).numpy()
        return f"{value.dtype}{tuple(value.shape)}{identity(as_bytes, seen)}"
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
    # Functions and classes are known by their names; a mixer is called, but is an object.
    if isinstance(value, Mixer) or (hasattr(value, "__dict__") and not callable(value)):
        state = {name: each for name, each in vars(value).items() if name not in _PRIVATE}
        return f"{type(value).__qualname__}{identity(state, seen)}"
    return _plain(value)


def _plain(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
