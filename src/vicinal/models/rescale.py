"""Values in their own units, learned as if they were standardised."""

import torch
from torch import Tensor, nn


class Rescale(nn.Module):
    """A network's last part: from standardised values to their own units, ``x * std + mean``.

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
        # In 32 bits: values in their own units may exceed what 16 bits hold.
        return x.float() * self.std + self.mean


class ScaledMSELoss(nn.MSELoss):
    """The mean squared error in units of the values' variance: with millions as with millionths.

    Behind :class:`Rescale` it has the gradients that standardised values would have. 1 is what the
    training part's mean would reach as estimate, 0 is perfect: about ``1 - R**2``.

    Args:
        std: the standard deviation of the training part's values.
        reduction: "mean", "sum" or "none".

    >>> ScaledMSELoss(std=7.0)(torch.tensor([[125.0]]), torch.tensor([[132.0]]))
    tensor(1.)
    """

    def __init__(self, std: float, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.std = std

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return super().forward(output / self.std, target / self.std)
