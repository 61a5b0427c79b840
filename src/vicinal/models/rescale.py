"""Regression in the units of the data, trained as if values were standardised."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from vicinal.known_losses import averages_plainly


class Rescale(nn.Module):
    """A last layer: from standardised values to the data's units, ``x * std + mean``.

    Both are saved with the weights. Train with :class:`ScaledMSELoss`.

    Args:
        mean, std: of the training part's values.
        dtype: of the values, float32 or float64. Small differences between large values, such as
            dates in seconds, need float64, and so do targets; on Apple's GPUs, which have none, it
            becomes float32.

    >>> Rescale(125.0, 7.0)(torch.tensor([[0.0], [1.0]]))
    tensor([[125.],
            [132.]])
    """

    mean: Tensor
    std: Tensor
    _is_affine = True  # for MultiMix

    def __init__(self, mean: float, std: float, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=dtype))
        self.register_buffer("std", torch.tensor(std, dtype=dtype))

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move or convert the buffers."""
        try:
            return super()._apply(fn, recurse)
        except TypeError:  # from MPS: it has no float64
            self.mean, self.std = self.mean.float(), self.std.float()
            return super()._apply(fn, recurse)

    def forward(self, x: Tensor) -> Tensor:
        # Values in the data's units may overflow 16 bits. torch 2.6 writes torch.promote_types into
        # an exported graph, which it cannot load again.
        dtype = self.mean.dtype if self.mean.dtype.itemsize >= 4 else torch.float32
        return x.to(dtype) * self.std + self.mean


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
