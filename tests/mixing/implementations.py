"""The implementations of applying patterns, for tests that force small batches through each."""

from contextlib import contextmanager

import pytest

from vicinal.mixing import apply as apply_module
from vicinal.mixing import compiled


@contextmanager
def using(implementation):
    """Dispatch as on machines without numba, or, "row by row", as for large rows there."""
    with pytest.MonkeyPatch.context() as patch:
        if implementation != "compiled":
            patch.setattr(compiled, "loops", lambda: None)
        if implementation == "row by row":
            patch.setattr(apply_module, "LARGE_ROW", 0)
        yield
