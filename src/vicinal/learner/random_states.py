"""The states of all global random generators of this process."""

import random
from typing import Any

import numpy as np
import torch


def random_states() -> dict[str, Any]:
    """Of torch, on the CPU and on this process's GPU, of NumPy and of Python.

    Networks, optimizers and callbacks may draw from any of them.
    """
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": np.random.get_state(),  # noqa: NPY002
        "python": random.getstate(),
    }


def set_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Set them back.

    Args:
        states: of :func:`random_states`; those of earlier versions have torch's alone.
        device: of the training. The state of a GPU is left where it trains on none.
    """
    torch.set_rng_state(states["cpu"])
    if states["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"])
    if "numpy" in states:
        np.random.set_state(states["numpy"])  # noqa: NPY002
        random.setstate(states["python"])
