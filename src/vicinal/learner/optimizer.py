"""Parameter groups, and a learning rate for each."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import nn

from vicinal.errors import VicinalError

Rates = float | slice | Sequence[float]
Splitter = Callable[[nn.Module], list[list[nn.Parameter]]]


def one_group(model: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters in one group."""
    return [list(model.parameters())]


def make_optimizer(
    opt_func: Callable[..., torch.optim.Optimizer],
    layers: list[list[nn.Parameter]],
    lr: Rates,
    wd: float | None = None,
    wd_bn_bias: bool = False,
) -> torch.optim.Optimizer:
    """An optimizer over all parameters that require grad, without weight decay of norms and biases.

    Args:
        opt_func: from (parameter groups, lr=) to the optimizer.
        layers: lists of parameters, the first layers first.
        lr: a number, a slice, or a rate for each list; see :func:`spread`.
        wd: weight decay, 0 or more; None for the optimizer's own.
        wd_bn_bias: norms and biases decay, too.

    Raises:
        VicinalError: no parameter requires grad, the optimizer cannot train these, or it has no
            weight decay and one is given.
    """
    rates = spread(lr, len(layers))
    groups: list[dict[str, Any]] = []
    for parameters, rate in zip(layers, rates, strict=True):
        trained = [p for p in parameters if p.requires_grad]
        # Norms and biases have one dimension, and no reason to be small.
        decayed = [p for p in trained if p.ndim > 1]
        plain = [p for p in trained if p.ndim <= 1]
        groups += [{"params": decayed, "lr": rate}, {"params": plain, "lr": rate}]
        if wd is not None:
            groups[-2]["weight_decay"] = groups[-1]["weight_decay"] = wd
        if plain and not wd_bn_bias:
            groups[-1]["weight_decay"] = 0.0
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise VicinalError("the model has no parameter to train: unfreeze one")
    optimizer = _made(opt_func, groups, rates[-1])
    defaults = getattr(optimizer, "defaults", {})
    if wd and defaults and "weight_decay" not in defaults:  # torch takes any key, and ignores it
        raise VicinalError(f"{type(optimizer).__name__} has no weight decay: leave wd out")
    return optimizer


def own_rate(opt_func: Any, lr: Rates) -> Rates:
    """The learning rate that ``partial(opt_func, lr=…)`` carries, or the given one."""
    return opt_func.keywords.get("lr", lr) if isinstance(opt_func, partial) else lr


def check_decay(wd: Any) -> None:
    """Raise a VicinalError where a weight decay is no number of 0 or more, nor None."""
    is_number = isinstance(wd, Real) and not isinstance(wd, bool)
    if wd is not None and not (is_number and 0 <= wd < math.inf):
        raise VicinalError(f"the weight decay wd must be a number of 0 or more, not {wd!r}")


def _made(
    opt_func: Callable[..., torch.optim.Optimizer], groups: list[dict[str, Any]], lr: float
) -> torch.optim.Optimizer:
    try:
        return opt_func(groups, lr=lr)
    except ValueError as error:
        if "parameter groups" in str(error):  # torch's LBFGS takes none
            return _of_one_group(opt_func, groups)
        if str(error).startswith("Muon only supports 2D"):
            raise VicinalError(
                "torch.optim.Muon takes weights of two dimensions alone, and this network has "
                "others: give opt_func=vicinal.muon_adamw, which trains those by AdamW"
            ) from None
        raise


def _of_one_group(
    opt_func: Callable[..., torch.optim.Optimizer], groups: list[dict[str, Any]]
) -> torch.optim.Optimizer:
    """An optimizer that takes parameters, but no groups of them; weight decay is its own."""
    rates = sorted({group["lr"] for group in groups})
    if len(rates) > 1:
        raise VicinalError(
            f"this optimizer takes one learning rate for all parameters, not those from {rates[0]} "
            f"to {rates[-1]}: give a number, and train by another method than fine_tune"
        )
    return opt_func([p for group in groups for p in group["params"]], lr=rates[0])


def spread(lr: Rates, groups: int) -> list[float]:
    """A learning rate for each group of layers.

    ``slice(lowest, highest)`` is spread evenly on a logarithmic scale; ``slice(highest)`` gives the
    last group that rate and the others a tenth of it. A list gives each group its own.

    Raises:
        VicinalError: a list has not a rate for each group, or one is no number above 0.

    >>> spread(slice(1e-4, 1e-2), 3)
    [0.0001, 0.001, 0.01]
    """
    if isinstance(lr, slice):
        highest = _number(lr.stop, lr)
        if not lr.start:
            return [highest / 10] * (groups - 1) + [highest]
        if groups == 1:
            return [highest]
        lowest = _number(lr.start, lr)
        step = (math.log(highest) - math.log(lowest)) / (groups - 1)
        return [float(f"{lowest * math.exp(step * i):.12g}") for i in range(groups)]
    if isinstance(lr, Sequence) and not isinstance(lr, str):
        rates = [_number(each, lr) for each in lr]
        if len(rates) == 1:
            return rates * groups
        if len(rates) != groups:
            raise VicinalError(
                f"{len(rates)} learning rates are given, and there are {groups} parameter groups: "
                "give one for each, or slice(lowest, highest)"
            )
        return rates
    return [_number(lr, lr)] * groups


def _number(rate: Any, lr: Any) -> float:
    try:
        number = float(rate)
    except (TypeError, ValueError):
        number = math.nan
    # One rate alone may be 0: a training that changes nothing but the state of layers.
    if 0 < number < math.inf or (number == 0 and rate is lr):
        return number
    inside = "" if rate is lr else f" in {lr}"
    raise VicinalError(f"learning rates must be numbers above 0, not {rate!r}{inside}")
