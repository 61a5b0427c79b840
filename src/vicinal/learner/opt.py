"""``learn.opt``: the optimizer of a training, by fastai's words."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from torch import nn

from vicinal.errors import VicinalError
from vicinal.learner.optimizer import spread


class Hyper(MutableMapping[str, float]):
    """The settings of a group of layers: "lr", and "wd", "mom", "sqr_mom" and "eps" if it has them.

    "lr" and "mom" may be set, as by callbacks.

    Args:
        groups: the optimizer's parameter groups of these layers; those of norms and biases may lack
            weight decay.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.groups = groups

    def _settings(self) -> dict[str, float]:
        group = self.groups[0]
        found = {"lr": group["lr"]}
        decays = [each["weight_decay"] for each in self.groups if "weight_decay" in each]
        if decays:
            found["wd"] = max(decays)
        if "betas" in group:
            found["mom"], found["sqr_mom"] = group["betas"][:2]
        elif "momentum" in group:
            found["mom"] = group["momentum"]
        if "alpha" in group:
            found["sqr_mom"] = group["alpha"]
        if "eps" in group:
            found["eps"] = group["eps"]
        return found

    def __getitem__(self, name: str) -> float:
        return self._settings()[name]

    def __setitem__(self, name: str, value: float) -> None:
        if name not in ("lr", "mom") or name not in self:
            raise VicinalError(
                f"{name!r} of an optimizer cannot be set here: set 'lr' or 'mom', give wd= to the "
                "training, or make another optimizer by opt_func="
            )
        for group in self.groups:
            if name == "lr":
                group["lr"] = value
            elif "betas" in group:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value

    def __delitem__(self, name: str) -> None:
        raise VicinalError(f"{name!r} of an optimizer cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings())

    def __len__(self) -> int:
        return len(self._settings())

    def __repr__(self) -> str:
        return repr(self._settings())


class Opt:
    """A torch optimizer with fastai's ``hypers`` and ``set_hyper``; all else is its own.

    Args:
        optimizer: of a training.
        layers: lists of parameters, the first layers first.

    >>> import torch
    >>> first, last = torch.zeros(2, 2), torch.zeros(2)
    >>> groups = [{"params": [first]}, {"params": [last], "weight_decay": 0.0}]
    >>> opt = Opt(torch.optim.SGD(groups, lr=0.1, weight_decay=0.01), [[first], [last]])
    >>> opt.set_hyper("lr", slice(0.01, 0.1))
    >>> [hyper["lr"] for hyper in opt.hypers], opt.hypers[0]
    ([0.01, 0.1], {'lr': 0.01, 'wd': 0.01, 'mom': 0})
    >>> opt.param_groups[1]["lr"]
    0.1
    """

    def __init__(self, optimizer: Any, layers: Sequence[Sequence[nn.Parameter]]) -> None:
        self._optimizer, self._layers = optimizer, layers

    @property
    def hypers(self) -> list[Hyper]:
        """The settings of each group of layers that is trained."""
        found = []
        for layer in self._layers:
            own = {id(parameter) for parameter in layer}
            groups = [g for g in self._optimizer.param_groups if id(g["params"][0]) in own]
            if groups:
                found.append(Hyper(groups))
        return found

    def set_hyper(self, name: str, value: Any) -> None:
        """Set "lr" or "mom" of all groups: to a number, or rates by a slice or a list."""
        hypers = self.hypers
        values = spread(value, len(hypers)) if name == "lr" else [value] * len(hypers)
        for hyper, each in zip(hypers, values, strict=True):
            hyper[name] = each

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)

    def __repr__(self) -> str:
        return repr(self._optimizer)
