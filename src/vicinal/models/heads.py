"""The head that fastai puts on the body of a known network."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError

# fastai's norms: those of batches, instances and layers, with timm's subclasses of them.
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm)


class AdaptiveConcatPool2d(nn.Module):
    """The highest value of each channel, and then the means: (B, C, H, W) to (B, 2C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.adaptive_max_pool2d(x, 1), nn.functional.adaptive_avg_pool2d(x, 1)
        return torch.cat(pooled, dim=1)


class SigmoidRange(nn.Module):
    """A sigmoid between two values, for outputs that are known to lie there."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * (self.high - self.low) + self.low


def create_head(
    nf: int,
    n_out: int,
    lin_ftrs: Sequence[int] | None = None,
    ps: float | Sequence[float] = 0.5,
    pool: bool = True,
    concat_pool: bool = True,
    first_bn: bool = True,
    bn_final: bool = False,
    y_range: tuple[float, float] | None = None,
) -> nn.Sequential:
    """fastai's head: pooling, and linear layers that each follow a batch norm and a dropout.

    Args:
        nf: the number of features that the body gives.
        n_out: the number of outputs.
        lin_ftrs: the widths of the hidden layers; None for one of 512.
        ps: dropout before the last layer, of which the layers before have half; or one for each.
        pool: pool feature maps (B, nf, H, W); otherwise it takes vectors (B, nf).
        concat_pool: pool by maximum and mean, both; otherwise by mean.
        first_bn: a batch norm comes first.
        bn_final: a batch norm comes last.
        y_range: outputs lie between these, by a sigmoid.

    Raises:
        VicinalError: ``ps`` has not one dropout for each linear layer.

    Source: fastai's ``create_head``, with the same layers in the same order.

    >>> [type(layer).__name__ for layer in create_head(8, 3, ps=0)]
    ['AdaptiveConcatPool2d', 'Flatten', 'BatchNorm1d', 'Linear', 'ReLU', 'BatchNorm1d', 'Linear']
    >>> create_head(8, 3).eval()(torch.randn(4, 8, 5, 5)).shape
    torch.Size([4, 3])
    """
    widths = [nf * (2 if pool and concat_pool else 1), *([512] if lin_ftrs is None else lin_ftrs)]
    dropouts = [float(ps)] if isinstance(ps, (int, float)) else list(ps)
    if len(dropouts) == 1:
        dropouts = [dropouts[0] / 2] * (len(widths) - 1) + dropouts
    if len(dropouts) != len(widths):
        raise VicinalError(
            f"ps must be one dropout, or one for each of the {len(widths)} layers, not {ps}"
        )
    layers: list[nn.Module] = []
    if pool:
        layers += [AdaptiveConcatPool2d() if concat_pool else nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for number, (width, dropout) in enumerate(zip(widths, dropouts, strict=True)):
        is_last = number == len(widths) - 1
        has_norm = first_bn or number > 0
        if has_norm:
            norm = nn.BatchNorm1d(width)
            nn.init.constant_(norm.bias, 1e-3)  # as fastai's
            layers.append(norm)
        if dropout:
            layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(width, n_out if is_last else widths[number + 1], bias=not has_norm))
        if not is_last:
            layers.append(nn.ReLU(inplace=True))
    if bn_final:
        layers.append(nn.BatchNorm1d(n_out, momentum=0.01))
    if y_range is not None:
        layers.append(SigmoidRange(*y_range))
    return nn.Sequential(*layers)


@torch.no_grad()
def initialise(head: nn.Module) -> None:
    """Draw the weights of all layers but norms from He's normal distribution; biases are 0.

    Source: K. He et al., Delving deep into rectifiers (2015), as fastai does for its heads.
    """
    for module in head.modules():
        if isinstance(module, NORMS):
            continue
        weight: Any = getattr(module, "weight", None)
        bias: Any = getattr(module, "bias", None)
        if isinstance(weight, Tensor) and weight.ndim > 1:
            nn.init.kaiming_normal_(weight)
        if isinstance(bias, Tensor):
            bias.zero_()
