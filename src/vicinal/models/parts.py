"""What networks are written with in fastai's way."""

from typing import Any, Self

import torch
from torch import Tensor, nn

WIDTH = 2.0  # standard deviations at which the first weights of an embedding are cut


class Module(nn.Module):
    """torch's ``nn.Module`` for networks that need not call ``super().__init__()``.

    >>> class Double(Module):
    ...     def __init__(self):
    ...         self.linear = nn.Linear(2, 4)
    ...
    ...     def forward(self, x):
    ...         return self.linear(x)
    >>> Double()(torch.zeros(3, 2)).shape
    torch.Size([3, 4])
    """

    def __new__(cls, *args: Any, **options: Any) -> Self:
        made = super().__new__(cls)
        nn.Module.__init__(made)
        return made

    def __init__(self) -> None:
        """Nothing is left to do; who calls it all the same loses no layer."""


class Embedding(nn.Embedding):
    """torch's embedding with small first weights, as in fastai.

    Args:
        ni: how many things are embedded.
        nf: the numbers for each.
        std: the standard deviation of the first weights, which are normal, and cut at two of it.

    >>> Embedding(100, 8).weight.abs().max() <= 0.02
    tensor(True)
    """

    def __init__(self, ni: int, nf: int, std: float = 0.01) -> None:
        super().__init__(ni, nf)
        nn.init.trunc_normal_(self.weight, std=std, a=-WIDTH * std, b=WIDTH * std)


def sigmoid_range(x: Tensor, low: float, high: float) -> Tensor:
    """A sigmoid from ``low`` to ``high``.

    Args:
        x: any shape.
        low, high: between which the values lie.

    >>> sigmoid_range(torch.tensor([-100.0, 0.0, 100.0]), 0, 5)
    tensor([0.0000, 2.5000, 5.0000])
    """
    return torch.sigmoid(x) * (high - low) + low
