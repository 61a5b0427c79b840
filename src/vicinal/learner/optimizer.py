"""Parameter groups, and a learning rate for each."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from vicinal.errors import VicinalError

# fastai's defaults: momentum and decay of AdamW that suit one-cycle training.
AdamW = partial(torch.optim.AdamW, betas=(0.9, 0.99), eps=1e-5, weight_decay=0.01)

Rates = float | slice
Splitter = Callable[[nn.Module], list[list[nn.Parameter]]]


def one_group(model: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters in one group."""
    return [list(model.parameters())]


def make_optimizer(
    opt_func: Callable[..., torch.optim.Optimizer], layers: list[list[nn.Parameter]], lr: Rates
) -> torch.optim.Optimizer:
    """An optimizer over all parameters that require grad, without weight decay of norms and biases.

    Args:
        opt_func: from (parameter groups, lr=) to the optimizer.
        layers: lists of parameters, the first layers first.
        lr: a number, or a slice; see :func:`spread`.

    Raises:
        VicinalError: no parameter requires grad, or the optimizer cannot train these.
    """
    rates = spread(lr, len(layers))
    groups: list[dict[str, Any]] = []
    for parameters, rate in zip(layers, rates, strict=True):
        trained = [p for p in parameters if p.requires_grad]
        # Norms and biases have one dimension, and no reason to be small.
        decayed = [p for p in trained if p.ndim > 1]
        plain = [p for p in trained if p.ndim <= 1]
        groups += [{"params": decayed, "lr": rate}, {"params": plain, "lr": rate}]
        if plain:
            groups[-1]["weight_decay"] = 0.0
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise VicinalError("the model has no parameter to train: unfreeze one")
    try:
        return opt_func(groups, lr=rates[-1])
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


def freeze_body(model: nn.Module, layers: list[list[nn.Parameter]]) -> None:
    """Freeze all parameters but the last list, and those of batch norms, which have to adapt."""
    norms = {
        parameter
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
        for parameter in module.parameters()
    }
    for group in layers[:-1]:
        for parameter in group:
            parameter.requires_grad_(parameter in norms and parameter.requires_grad)


def spread(lr: Rates, groups: int) -> list[float]:
    """A learning rate for each group of layers.

    ``slice(lowest, highest)`` is spread evenly on a logarithmic scale; ``slice(highest)`` gives the
    last group that rate and the others a tenth of it.

    >>> spread(slice(1e-4, 1e-2), 3)
    [0.0001, 0.001, 0.01]
    """
    if not isinstance(lr, slice):
        return [float(lr)] * groups
    highest = float(lr.stop)
    if lr.start is None:
        return [highest / 10] * (groups - 1) + [highest]
    if groups == 1:
        return [highest]
    step = (math.log(highest) - math.log(lr.start)) / (groups - 1)
    return [float(f"{lr.start * math.exp(step * i):.12g}") for i in range(groups)]
