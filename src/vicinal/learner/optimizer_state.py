"""The state of an optimizer, exactly: also of one inside of another, and in any dtype."""

from collections.abc import Iterator
from typing import Any

from torch import Generator, Tensor
from torch.optim import Optimizer


def inner_optimizers(optimizer: Any) -> dict[str, Optimizer]:
    """The optimizers that one of them wraps, as SAM and Lookahead do, by their attributes."""
    return {name: each for name, each in vars(optimizer).items() if isinstance(each, Optimizer)}


def optimizer_state(optimizer: Any) -> dict[str, Any]:
    """The ``state_dict()`` of an optimizer, and what it lacks: generators, and optimizers in it.

    The SAM that most people copy gives its own state alone, without the moments of its base;
    timm's Adahessian draws by a generator of its own.
    """
    own = optimizer.state_dict()
    known = {id(tensor) for tensor in _tensors(own)}
    inner = {name: each.state_dict() for name, each in inner_optimizers(optimizer).items()}
    lacking = {
        name: state
        for name, state in inner.items()
        if any(id(tensor) not in known for tensor in _tensors(state))
    }
    generators = {name: [each.device, each.get_state()] for name, each in _generators(optimizer)}
    return {"own": own, "inner": lacking, "generators": generators}


def restore_optimizer(optimizer: Any, saved: dict[str, Any]) -> None:
    """Bring a new optimizer to the state that :func:`optimizer_state` gave.

    torch's ``load_state_dict`` would cast all tensors to the dtypes of their parameters.
    """
    own = saved.get("own", saved)  # earlier versions saved it alone
    optimizer.load_state_dict(own)
    _undo_casts(optimizer, own)
    for name, state in saved.get("inner", {}).items():
        inner = getattr(optimizer, name)
        shared = inner.param_groups
        inner.load_state_dict(state)
        _undo_casts(inner, state)
        # Schedules write to the groups of the outer one.
        if len(shared) == len(optimizer.param_groups):
            inner.param_groups = optimizer.param_groups
    for name, (device, state) in saved.get("generators", {}).items():
        # A new one, as optimizers may change to the device of their parameters at their first step.
        generator = Generator(device)
        generator.set_state(state)
        setattr(optimizer, name, generator)


def _generators(optimizer: Any) -> list[tuple[str, Generator]]:
    return [(name, each) for name, each in vars(optimizer).items() if isinstance(each, Generator)]


def _undo_casts(optimizer: Any, saved: dict[str, Any]) -> None:
    if saved.keys() != {"state", "param_groups"}:
        return  # a format of its own
    for group, saved_group in zip(optimizer.param_groups, saved["param_groups"], strict=True):
        for parameter, key in zip(group["params"], saved_group["params"], strict=True):
            if key in saved["state"]:
                loaded = optimizer.state[parameter]
                optimizer.state[parameter] = _like(saved["state"][key], loaded)


def _like(saved: Any, loaded: Any) -> Any:
    """The loaded value, in which the tensors have the dtypes that were saved."""
    if isinstance(saved, Tensor) and isinstance(loaded, Tensor):
        return loaded if loaded.dtype == saved.dtype else saved.to(loaded.device)
    if isinstance(saved, dict) and isinstance(loaded, dict):
        loaded.update({key: _like(saved[key], loaded[key]) for key in loaded if key in saved})
    elif type(saved) is list and isinstance(loaded, list):
        loaded[:] = map(_like, saved, loaded)
    return loaded


def _tensors(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, dict | list | tuple):
        for each in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(each)
