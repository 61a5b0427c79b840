"""set_seed: one seed for all global generators."""

import numpy as np  # noqa: F401 - loaded, so that it is seeded, too
import torch

from vicinal.rng import seed_all


def set_seed(s: int, reproducible: bool = False) -> None:
    """Seed the global generators of Python, NumPy and torch, on all devices.

    Args:
        s: 0 to 2**32 - 1, which is what NumPy takes.
        reproducible: also let cuDNN choose algorithms that give the same result each time, which
            may be slower.

    >>> set_seed(42)
    >>> before = torch.rand(1)
    >>> set_seed(42)
    >>> bool(torch.rand(1) == before)
    True
    """
    seed_all(s)
    if reproducible:
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
