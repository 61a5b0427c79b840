"""muon_adamw: Muon for the matrices of a network, and AdamW for the rest."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.learner.adamw import AdamW
from vicinal.learner.optimizer_state import optimizer_state, restore_optimizer


def muon_adamw(
    params: Iterable[Any], lr: float = 1e-3, *, weight_decay: float = 0.01, momentum: float = 0.95
) -> torch.optim.Optimizer:
    """torch's Muon for the weights of two dimensions, and AdamW for all others.

    Muon's steps are scaled to the size of AdamW's (``match_rms_adamw``), so that one learning rate,
    one weight decay and one schedule serve both. Embeddings and the last layer are matrices, too:
    Muon takes them here, where its authors leave them to AdamW.

    Args:
        params: parameters, or groups of them as dicts, with rates and weight decays of their own.
        lr: the learning rate.
        weight_decay: of both.
        momentum: of Muon.

    Returns:
        An optimizer with the groups of both: for ``opt_func=`` of a Learner, torch's schedules, a
        gradient scaler and checkpoints, as any other.

    Raises:
        VicinalError: this version of torch has no Muon.

    Source: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024); the
    scale is that of J. Liu et al., Muon is scalable for LLM training (2025), section 2.2.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> Learner(dls, torch.nn.Linear(2, 2), opt_func=muon_adamw).fit_one_cycle(1, 0.01)
         epoch ...
    """
    make_muon: Callable[..., torch.optim.Optimizer] | None = getattr(torch.optim, "Muon", None)
    if make_muon is None:
        raise VicinalError(
            f"torch {torch.__version__} has no torch.optim.Muon: install torch 2.9 or later, or "
            "use another optimizer"
        )
    params = list(params)
    groups = params if params and isinstance(params[0], dict) else [{"params": params}]
    matrices = _selected(groups, lambda parameter: parameter.ndim == 2)
    rest = _selected(groups, lambda parameter: parameter.ndim != 2)
    options: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
    parts = []
    if matrices:
        muon = {"momentum": momentum, "adjust_lr_fn": "match_rms_adamw"}
        parts.append(make_muon(matrices, **options, **muon))
    if rest:
        parts.append(AdamW(rest, **options))
    return CombinedOptimizer(parts)


class CombinedOptimizer(torch.optim.Optimizer):
    """Several optimizers, each of parameters of its own, as one.

    Args:
        parts: the optimizers. Their groups are those of this one, which schedules change.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        # Without defaults, as there are none that all parts share, such as betas.
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = list(parts)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if hasattr(self, "parts"):
            raise VicinalError("a combined optimizer takes no more groups: give all at once")
        super().add_param_group(param_group)

    def step(self, closure: Any = None) -> Any:
        """Step all parts by the gradients that there are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [optimizer_state(part) for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            restore_optimizer(part, state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def _selected(groups: Any, wanted: Callable[[Tensor], bool]) -> list[dict[str, Any]]:
    """The groups with some of their parameters (lists), without those that become empty."""
    selected = [{**group, "params": list(filter(wanted, group["params"]))} for group in groups]
    return [group for group in selected if group["params"]]
