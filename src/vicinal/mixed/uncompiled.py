"""Functions that ``torch.compile`` is to leave as they are."""

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from torch.compiler import is_compiling

F = TypeVar("F", bound=Callable[..., Any])


def uncompiled(function: F) -> F:
    """``torch.compiler.disable``, which does not import the compiler: nothing may be compiled.

    The compiler takes half of the time that ``import torch`` takes.

    >>> @uncompiled
    ... def double(x):
    ...     return x + x
    >>> double(2)
    4
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        # Of the two conditions, the compiler sees the first alone, which is true for it.
        if not (is_compiling() or "torch._dynamo" in sys.modules):
            return function(*args, **kwargs)
        disabled = getattr(function, "_vicinal_disabled", None)
        if disabled is None:
            import torch._dynamo

            disabled = torch._dynamo.disable(function)
            function._vicinal_disabled = disabled  # type: ignore[attr-defined]
        return disabled(*args, **kwargs)

    return called  # type: ignore[return-value]
