"""The roads that laying may take, for tests that lead small batches along each of them."""

from contextlib import contextmanager

import pytest

from vicinal.mixing import apply as apply_module
from vicinal.mixing import compiled


@contextmanager
def on(road):
    """Lead small batches the way of those on machines without numba, and of large ones there."""
    with pytest.MonkeyPatch.context() as patch:
        if road != "compiled":
            patch.setattr(compiled, "loops", lambda: None)
        if road == "walking":
            patch.setattr(apply_module, "LARGE_ROW", 0)
        yield
