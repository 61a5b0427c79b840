# ruff: noqa: NPY002
"""set_seed."""

import random

import numpy as np
import torch

from vicinal import set_seed


def draws():
    return random.random(), np.random.random(), torch.rand(1).item()


def test_it_seeds_all_global_generators():
    states = random.getstate(), np.random.get_state()
    try:
        set_seed(42)
        first = draws()
        assert all(a != b for a, b in zip(first, draws(), strict=True))
        set_seed(42)
        assert draws() == first
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
