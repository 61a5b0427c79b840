"""fastai's optimizers by name: torch's, with fastai's arguments and defaults."""

from collections.abc import Callable
from typing import Any

import torch

from vicinal.errors import VicinalError
from vicinal.learner.adamw import AdamW


class _Decoupled(torch.optim.Optimizer):
    """Weight decay beside the step, as AdamW has it: no momentum collects it."""

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        decays = [group["weight_decay"] for group in self.param_groups]
        try:
            for group in self.param_groups:
                self._shrink(group)
                group["weight_decay"] = 0.0
            return super().step(closure)  # type: ignore[safe-super]
        finally:
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay

    @torch.no_grad()
    def _shrink(self, group: dict[str, Any]) -> None:
        trained = [p for p in group["params"] if p.grad is not None]
        if trained and group["weight_decay"]:
            torch._foreach_mul_(trained, 1 - group["lr"] * group["weight_decay"])


class _SGD(_Decoupled, torch.optim.SGD):
    pass


class _RMSprop(_Decoupled, torch.optim.RMSprop):
    pass


def Adam(
    params: Any,
    lr: float = 1e-3,
    mom: float = 0.9,
    sqr_mom: float = 0.99,
    eps: float = 1e-5,
    wd: float = 0.01,
    decouple_wd: bool = True,
) -> torch.optim.Optimizer:
    """:class:`torch.optim.AdamW`, with fastai's defaults: the optimizer of a Learner by default.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        mom, sqr_mom: the two betas.
        eps, wd: of :class:`torch.optim.AdamW`.
        decouple_wd: False adds the weight decay to the gradients: :class:`torch.optim.Adam`.

    Source: fastai's ``Adam``, whose steps are equal.

    >>> type(Adam([torch.zeros(1)])).__name__
    'AdamW'
    """
    kind = AdamW if decouple_wd else torch.optim.Adam
    return kind(params, lr=lr, betas=(mom, sqr_mom), eps=eps, weight_decay=wd)


def SGD(
    params: Any,
    lr: float = 1e-3,
    mom: float = 0.0,
    wd: float = 0.0,
    decouple_wd: bool = True,
) -> torch.optim.Optimizer:
    """:class:`torch.optim.SGD`, with weight decay beside the momentum.

    Args:
        params, lr, wd: as for :func:`Adam`.
        mom: the momentum.
        decouple_wd: False adds the weight decay to the gradients, as torch does.

    Source: fastai's ``SGD``, whose steps are equal.

    >>> weight = torch.ones(1, requires_grad=True)
    >>> weight.grad = torch.ones(1)
    >>> _ = SGD([weight], lr=0.1, wd=0.5).step()
    >>> weight  # 1 - 0.1 * 0.5 - 0.1
    tensor([0.8500], requires_grad=True)
    """
    kind = _SGD if decouple_wd else torch.optim.SGD
    return kind(params, lr=lr, momentum=mom, weight_decay=wd)


def RMSProp(
    params: Any,
    lr: float = 1e-3,
    mom: float = 0.0,
    sqr_mom: float = 0.99,
    eps: float = 1e-8,
    wd: float = 0.0,
    decouple_wd: bool = True,
) -> torch.optim.Optimizer:
    """:class:`torch.optim.RMSprop`, with weight decay beside the step.

    Args:
        params, lr, wd, decouple_wd: as for :func:`SGD`.
        mom: must be 0.
        sqr_mom: torch's ``alpha``.
        eps: of :class:`torch.optim.RMSprop`.

    Raises:
        VicinalError: there is a momentum.

    Source: fastai's ``RMSProp``, whose steps are equal.
    """
    if mom:
        raise VicinalError(
            "RMSProp with mom= steps otherwise in fastai than in torch: leave mom out, or give "
            f"opt_func=partial(torch.optim.RMSprop, momentum={mom}, alpha={sqr_mom})"
        )
    kind = _RMSprop if decouple_wd else torch.optim.RMSprop
    return kind(params, lr=lr, alpha=sqr_mom, eps=eps, weight_decay=wd)


def OptimWrapper(
    params: Any, opt: Callable[..., torch.optim.Optimizer], **options: Any
) -> torch.optim.Optimizer:
    """An optimizer of torch's, which a Learner takes as it is, too.

    ``opt_func=partial(OptimWrapper, opt=torch.optim.AdamW)`` and ``opt_func=torch.optim.AdamW`` are
    the same.
    """
    return opt(params, **options)
