"""A network for the fastest training on small images: its first layer whitens patches."""

import torch
from torch import Tensor, nn


class WhitenNet(nn.Module):
    """Seven convolutions for images of 16 to 64 pixels, the first of which is not trained.

    It computes the principal components of patches of 2 by 2 pixels, all scaled to the same
    variance, and their negatives; see :meth:`whiten`. The others are initialized to the identity
    on their input channels, and norms have no trained scale.

    Args:
        n_out: the number of classes.
        widths: the channels of the three groups of two convolutions.

    >>> WhitenNet(10)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Source: K. Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU (2024), sections 3.1 to 3.3.
    """

    PATCH = 2

    def __init__(self, n_out: int, widths: tuple[int, int, int] = (64, 256, 256)) -> None:
        super().__init__()
        components = 2 * 3 * self.PATCH**2
        self.whitening = nn.Conv2d(3, components, self.PATCH)
        self.whitening.weight.requires_grad_(False)
        inputs = (components, *widths[:2])
        self.groups = nn.Sequential(*map(_group, inputs, widths))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.head = nn.Linear(widths[-1], n_out, bias=False)
        nn.init.normal_(self.head.weight)
        self.scale = 1 / widths[-1]

    def get_classifier(self) -> nn.Module:
        return self.head

    @torch.no_grad()
    def whiten(self, x: Tensor) -> None:
        """Set the first layer by the patches of (N, 3, H, W) normalised images."""
        patches = nn.functional.unfold(x, self.PATCH).movedim(1, 2).flatten(0, 1)
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (components / (variances + 5e-4).sqrt()).T
        weight = self.whitening.weight
        weight.copy_(torch.cat([filters, -filters]).view_as(weight))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.groups(nn.functional.gelu(self.whitening(x))))
        scores: Tensor = self.head(x.flatten(1)) * self.scale
        return scores


def _group(inputs: int, outputs: int) -> nn.Sequential:
    first, second = _convolution(inputs, outputs), _convolution(outputs, outputs)
    return nn.Sequential(
        first, nn.MaxPool2d(2), _norm(outputs), nn.GELU(), second, _norm(outputs), nn.GELU()
    )


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    made = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(made.weight[:inputs])
    return made


def _norm(channels: int) -> nn.BatchNorm2d:
    # In a short training the running statistics must keep pace with the weights.
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm
