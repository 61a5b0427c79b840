"""AdamW with fastai's defaults: torch's, in one pass over memory, and without its compiler."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from vicinal.mixed.uncompiled import uncompiled

FUSED_DTYPES = (torch.float32, torch.float64)  # torch's other way rounds lower ones at each step


def _torchs(name: str) -> Any:
    """A method of torch's AdamW, without the decorators that import the compiler.

    They keep it from being compiled, and take as long as ``import torch``; nothing is compiled yet.
    """
    return inspect.unwrap(getattr(torch.optim.AdamW, name))


_step = _torchs("step")


class AdamW(torch.optim.AdamW):
    """torch's AdamW with the defaults of fastai's Adam, which suit one-cycle training.

    On a CPU, parameters in float32 and float64 are stepped by torch's fused kernel, which reads and
    writes each number once. It takes a third of the time for a small network, and rounds otherwise
    in the last digits. Elsewhere, or where ``foreach``, ``fused``, ``capturable`` or
    ``differentiable`` is given, everything is as torch does it.

    Args:
        params: parameters, or groups of them as dicts.
        lr: the learning rate.
        betas: of the means of the gradient and of its square.
        eps: is added to the root of the second.
        weight_decay: is multiplied by the rate, and not mixed into the gradient.
        **options: of ``torch.optim.AdamW``.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization (2019).

    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = AdamW([weight], lr=0.1, weight_decay=0.0)
    >>> weight.sum().backward()
    >>> _ = optimizer.step()
    >>> weight
    Parameter containing:
    tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-5,
        weight_decay: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, **options)

    state_dict = uncompiled(_torchs("state_dict"))
    load_state_dict = uncompiled(_torchs("load_state_dict"))
    zero_grad = uncompiled(_torchs("zero_grad"))
    _add_param_group = uncompiled(_torchs("add_param_group"))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options of its own where they differ."""
        self._add_param_group(param_group)
        group = self.param_groups[-1]
        is_free = group["fused"] is None and group["foreach"] is None
        if is_free and not (group["capturable"] or group["differentiable"]):
            # Only in the group, as in the defaults it would also change what scales gradients.
            group["fused"] = all(map(_can_be_fused, group["params"])) or None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step by the gradients that there are, or that a closure computes.

        Returns:
            What the closure returns; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        self.param_groups = self._merged()
        try:
            with torch.set_grad_enabled(self.defaults["differentiable"]):
                _step(self)
        finally:
            self.param_groups = groups
        return loss

    def _init_group(self, group: dict[str, Any], *collected: Any) -> Any:
        """Collect the tensors of a group; those of the fused kernel in the order of memory.

        The kernel for the CPU goes through the memory of a parameter, its gradient and its moments
        as if they had one order: of others it would pair other elements, without an error. Where
        that order is not the dimensions', it copies some of them first, which takes as long again.
        """
        has_complex = super()._init_group(group, *collected)
        *lists, _ = collected  # the last are the numbers of steps
        lists = [each for each in lists if each]  # without amsgrad, one is empty
        if group["fused"] and lists and lists[0][0].device.type == "cpu":
            rows = [_in_order(row) for row in zip(*lists, strict=True)]
            if None in rows:
                group["fused"] = None
            else:
                for each, tensors in zip(lists, zip(*rows, strict=True), strict=True):
                    each[:] = tensors
        return has_complex

    def _merged(self) -> list[dict[str, Any]]:
        """The groups, where those of equal options are one: each costs a call of the kernel.

        Only fused ones, as there every number is stepped by itself, whatever stands beside it.
        """
        merged: list[dict[str, Any]] = []
        for group in self.param_groups:
            like = next((each for each in merged if self._are_alike(each, group)), None)
            if like is None:
                merged.append({**group, "params": list(group["params"])})
            else:
                like["params"] += group["params"]
        return merged

    def _are_alike(self, first: dict[str, Any], second: dict[str, Any]) -> bool:
        if not first["fused"] or isinstance(first["lr"], Tensor):
            return False
        return all(first[name] == second[name] for name in self.defaults)


def _in_order(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """Tensors of one shape, with their dimensions in the order of memory; None if it differs.

    None, too, where elements do not fill a block of memory.
    """
    if all(each.is_contiguous() for each in tensors):
        return tensors
    strides = tensors[0].stride()
    order = sorted(range(len(strides)), key=strides.__getitem__, reverse=True)
    views = tuple(each.permute(order) for each in tensors)
    return views if all(each.is_contiguous() for each in views) else None


def _can_be_fused(parameter: Tensor) -> bool:
    is_plain = type(parameter) in (Tensor, torch.nn.Parameter)
    return is_plain and parameter.device.type == "cpu" and parameter.dtype in FUSED_DTYPES
