"""What is given as a network is one, and not only what makes one."""

from collections.abc import Collection
from inspect import signature
from typing import Any

from vicinal.errors import VicinalError


def check_network(model: Any) -> None:
    """Check that a network was made, and not only named.

    Raises:
        VicinalError: it is a class or a function that makes one, or something else.
    """
    if isinstance(model, str):
        raise VicinalError(
            f'{model!r} is only the name of a network: use vision_learner(dls, "{model}"), or give '
            f'create_model("{model}", dls.c)'
        )
    is_class = isinstance(model, type)
    if not is_class and hasattr(model, "parameters"):
        return
    name = getattr(model, "__name__", repr(model))
    if is_class or callable(model):
        parameters, made = _parameters(model), f"{name}(…)"
        if not is_class and ("n_out" in parameters or "weights" in parameters):
            argument = "n_out" if "n_out" in parameters else "num_classes"  # torchvision's
            made = f"{name}({argument}=dls.c), or use vision_learner(dls, {name})"
        raise VicinalError(f"{name} makes a network and is none itself: call it, {made}")
    raise VicinalError(f"the model must be a network, an nn.Module, not {model!r}")


def _parameters(function: Any) -> Collection[str]:
    """The names of a function's parameters, where they can be known."""
    try:
        return signature(function).parameters
    except (TypeError, ValueError):  # such as of C
        return ()
