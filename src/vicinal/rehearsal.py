"""Calls of a criterion that leave no trace in it: those that check it at its first batch."""

import collections
import copy
import functools
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.utils import _pytree as pytree

from vicinal.mixing.batch import leaves


@contextmanager
def rehearsed(
    criterion: Callable[..., Any], output: Any = None, seed: int | None = None
) -> Iterator[Callable[[], bool]]:
    """Let a criterion be called, and set its state back afterwards: its own, and the generators'.

    The state is that of its modules, and of those that a function refers to: buffers and attributes
    of plain values, such as running means, queues and counts. In the meantime they are copies, so
    tensors that a graph holds stay as they are. What other objects keep is theirs.

    Args:
        criterion: a module, a function or any other callable.
        output: what it is called on, for the devices of the generators.
        seed: of all generators in the meantime; None to let them go on as they are.

    Yields:
        A function that tells whether the state has changed since.

    >>> norm = nn.BatchNorm1d(2)
    >>> with rehearsed(norm) as has_changed:
    ...     _ = norm(torch.rand(3, 2))
    ...     has_changed()
    True
    >>> norm.running_mean
    tensor([0., 0.])
    """
    owners, memo = _owners(criterion), {}  # type: ignore[var-annotated]
    saved = [(owner, dict(vars(owner))) for owner in owners]
    tensors = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]
    devices = sorted({leaf.device.index for leaf in tensors if leaf.is_cuda})
    with torch.random.fork_rng(devices=devices), _other_generators_kept():
        for owner, attributes in saved:
            vars(owner).update({name: _copied_state(v, memo) for name, v in attributes.items()})
        if seed is not None:
            _seed_all(seed, devices, memo)
        before = [_marks(vars(owner)) for owner in owners]
        try:
            yield lambda: before != [_marks(vars(owner)) for owner in owners]
        finally:
            for owner, attributes in saved:
                vars(owner).clear()
                vars(owner).update(attributes)


def is_written(copy: Any, given: Any) -> bool:
    """Whether the tensors of a batch that ``copied()`` gave have been written into since."""
    pairs = zip(leaves(copy), leaves(given), strict=True)
    tensors = [(new, old) for (_, new), (_, old) in pairs if isinstance(new, Tensor)]
    # Nobody counts what is written into the tensors of inference mode.
    return any(
        not torch.equal(new, old) if new.is_inference() else new._version for new, old in tensors
    )


def is_transformed() -> bool:
    """Whether torch.func's transforms are at work, in which values may not be compared."""
    return torch._C._are_functorch_transforms_active()


@contextmanager
def _other_generators_kept() -> Iterator[None]:
    """Python's and NumPy's global generators set back afterwards."""
    numpy, state = sys.modules.get("numpy"), random.getstate()
    numpy_state = numpy and numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(numpy_state)


def _seed_all(seed: int, devices: list[int], copies: dict[int, Any]) -> None:
    # Not torch.manual_seed: it would seed devices whose states are not kept.
    generators = [torch.default_generator, *(torch.cuda.default_generators[i] for i in devices)]
    generators += [found for found in copies.values() if isinstance(found, torch.Generator)]
    for generator in generators:
        generator.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def _owners(criterion: Any) -> list[Any]:
    """The objects whose attributes are a criterion's state."""
    if isinstance(criterion, nn.Module):
        found = list(criterion.modules())
    elif isinstance(criterion, functools.partial):
        parts = [criterion.func, *criterion.args, *criterion.keywords.values()]
        found = [owner for part in parts if callable(part) for owner in _owners(part)]
    elif inspect.ismethod(criterion):
        found = _owners(criterion.__self__)
    elif inspect.isfunction(criterion):
        found = [owner for module in _modules_named_in(criterion) for owner in module.modules()]
    else:
        is_instance = hasattr(criterion, "__dict__") and not isinstance(criterion, type)
        found = [criterion] if is_instance else []
    # A lazy module changes its class at its first call.
    is_lazy = any(isinstance(o, LazyModuleMixin) and o.has_uninitialized_params() for o in found)
    return [] if is_lazy else list({id(owner): owner for owner in found}.values())


def _modules_named_in(function: Callable[..., Any]) -> list[nn.Module]:
    try:
        names = inspect.getclosurevars(function)
    except ValueError:  # a name that has no value yet
        return []
    found = [*names.nonlocals.values(), *names.globals.values()]
    return [value for value in found if isinstance(value, nn.Module)]


_DICTS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)


def _copied_state(value: Any, memo: dict[int, Any]) -> Any:
    """A copy of a plain value; parameters, modules and other objects as they are."""
    if id(value) in memo:
        return memo[id(value)]
    found = value
    if isinstance(value, Tensor) and not value.requires_grad:
        found = value.clone()
    elif isinstance(value, torch.Generator):
        found = value.clone_state()
    elif _is_of_numpy(value):
        found = value.copy()
    elif type(value) in (list, set, tuple):
        found = type(value)(_copied_state(part, memo) for part in value)
    elif type(value) is collections.deque:
        found = collections.deque((_copied_state(part, memo) for part in value), value.maxlen)
    elif type(value) in _DICTS:
        found = memo[id(value)] = copy.copy(value)
        for name, part in value.items():
            found[name] = _copied_state(part, memo)
    memo[id(value)] = found
    return found


def _marks(value: Any) -> Any:
    """What changes with a plain value."""
    if isinstance(value, Tensor):
        return id(value), 0 if value.is_inference() else value._version
    if isinstance(value, dict):
        return [(name, _marks(part)) for name, part in value.items()]
    if isinstance(value, (list, tuple, collections.deque)):
        return [_marks(part) for part in value]
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if _is_of_numpy(value):
        return value.tobytes()
    return value if isinstance(value, (int, float, str)) else (id(value), _size(value))


def _size(value: Any) -> int:
    return len(value) if isinstance(value, set) else 0


def _is_of_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "tobytes")
