"""Regression in the units of the data, trained as if values were standardised."""

import torch
from torch import Tensor, nn

from vicinal.known_losses import averages_plainly


class Rescale(nn.Module):
    """A last layer: from standardised values to the data's units, ``x * std + mean``.

    Both are saved with the weights. Train with :class:`ScaledMSELoss`.

    Args:
        mean, std: of the training part's values.

    >>> Rescale(125.0, 7.0)(torch.tensor([[0.0], [1.0]]))
    tensor([[125.],
            [132.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, x: Tensor) -> Tensor:
        # In float32: values in the data's units may overflow 16 bits.
        return x.float() * self.std + self.mean


class ScaledMSELoss(nn.MSELoss):
    """The mean squared error in units of the values' variance, whatever their scale.

    After :class:`Rescale` its gradients are those of standardised values. Always predicting the
    training part's mean scores 1, and a perfect model 0: about ``1 - R**2``.

    Args:
        std: the standard deviation of the training part's values.
        reduction: "mean", "sum" or "none".

    >>> ScaledMSELoss(std=7.0)(torch.tensor([[125.0]]), torch.tensor([[132.0]]))
    tensor(1.)
    """

    def __init__(self, std: float, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.std = std

    @averages_plainly
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return super().forward(output / self.std, target / self.std)
