"""Small convolutional networks for series, to be trained from scratch."""

import difflib
from collections import OrderedDict

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.models.made import remember

OWN = ("series_resnet", "series_inception")


class _Residual(nn.Module):
    """Layers, and their input beside them, by a convolution of width 1."""

    def __init__(self, layers: nn.Module, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = nn.Sequential(nn.Conv1d(n_in, n_out, 1, bias=False), nn.BatchNorm1d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = (self.layers(x) + self.shortcut(x)).relu()
        return found


class _Inception(nn.Module):
    """Convolutions of three widths and a maximum beside each other."""

    def __init__(self, n_in: int, filters: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(n_in, filters, 1, bias=False) if n_in > 1 else nn.Identity()
        inside = filters if n_in > 1 else n_in
        self.convolutions = nn.ModuleList(
            nn.Conv1d(inside, filters, width, padding=width // 2, bias=False) for width in widths
        )
        self.largest = nn.Sequential(
            nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(n_in, filters, 1, bias=False)
        )
        self.norm = nn.BatchNorm1d(filters * (len(widths) + 1))

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)
        found = [*(convolution(narrow) for convolution in self.convolutions), self.largest(x)]
        whole: Tensor = self.norm(torch.cat(found, dim=1))
        return whole


class _MeanOverTime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=2)


def series_resnet(n_in: int, n_out: int, width: int = 32) -> nn.Sequential:
    """A residual network for series, (B, n_in, time) floats to (B, n_out).

    Three blocks of three convolutions over 7, 5 and 3 steps, and the mean over time. Its layers are
    ``block1`` to ``block3``, which keep the time, ``mean`` (B, 2 * width) and ``head``.

    Args:
        n_in: the number of channels.
        n_out: the number of classes.
        width: channels of the first block; the others have twice as many.

    Source: Z. Wang, W. Yan, T. Oates, Time series classification from scratch with deep neural
    networks: a strong baseline (IJCNN 2017), section II.C, with half of its channels, a quarter of
    its parameters; the first convolution is over 7 steps in place of 8, so that it keeps the
    length.

    >>> series_resnet(n_in=3, n_out=5)(torch.zeros(2, 3, 40)).shape
    torch.Size([2, 5])
    """
    blocks, before = [], n_in
    for filters in (width, 2 * width, 2 * width):
        layers: list[nn.Module] = []
        inside = before
        for kernel in (7, 5, 3):
            convolution = nn.Conv1d(inside, filters, kernel, padding=kernel // 2, bias=False)
            layers += [convolution, nn.BatchNorm1d(filters), nn.ReLU()]
            inside = filters
        blocks.append(_Residual(nn.Sequential(*layers[:-1]), before, filters))
        before = filters
    return _sequence(blocks, before, n_out)


def series_inception(n_in: int, n_out: int, filters: int = 32) -> nn.Sequential:
    """One network of InceptionTime, (B, n_in, time) floats to (B, n_out).

    Two blocks of three inception modules each, with convolutions over 39, 19 and 9 steps, and the
    mean over time. Its layers are ``block1`` and ``block2``, which keep the time, ``mean`` (B,
    4 * filters) and ``head``.

    Args:
        n_in: the number of channels.
        n_out: the number of classes.
        filters: of each of the four branches of a module.

    Source: H. Ismail Fawaz et al., InceptionTime: finding AlexNet for time series classification
    (Data Mining and Knowledge Discovery 2020), section 3.1; widths are odd, in place of 40, 20 and
    10, so that each convolution keeps the length. The paper averages five such networks.

    >>> series_inception(n_in=3, n_out=5)(torch.zeros(2, 3, 40)).shape
    torch.Size([2, 5])
    """
    blocks, before, widths = [], n_in, (39, 19, 9)
    for _ in range(2):
        layers: list[nn.Module] = []
        inside = before
        for _ in range(3):
            layers += [_Inception(inside, filters, widths), nn.ReLU()]
            inside = 4 * filters
        blocks.append(_Residual(nn.Sequential(*layers[:-1]), before, inside))
        before = inside
    return _sequence(blocks, before, n_out)


def _sequence(blocks: list[_Residual], width: int, n_out: int) -> nn.Sequential:
    named: list[tuple[str, nn.Module]] = [
        (f"block{number}", block) for number, block in enumerate(blocks, 1)
    ]
    last: list[tuple[str, nn.Module]] = [
        ("mean", _MeanOverTime()),
        ("head", nn.Linear(width, n_out)),
    ]
    return nn.Sequential(OrderedDict([*named, *last]))


def create_series_model(name: str, n_in: int, n_out: int) -> nn.Sequential:
    """One of our own networks for series, by name.

    Args:
        name: ``series_resnet`` or ``series_inception``.
        n_in: the number of channels.
        n_out: the number of classes; 1 for values.

    Raises:
        VicinalError: there is no network of that name; near names are offered.

    >>> create_series_model("series_resnet", 1, 6).head.out_features
    6
    """
    check_series_model(name)
    make = {"series_resnet": series_resnet, "series_inception": series_inception}[name]
    return remember(make(n_in, n_out), "series_model", name=name, n_in=n_in, n_out=n_out)


def check_series_model(name: str) -> None:
    """Raise a VicinalError if none of our own networks has that name."""
    if name not in OWN:
        near = difflib.get_close_matches(name, OWN)
        hint = f"did you mean {near[0]}?" if near else f"use {' or '.join(OWN)}"
        raise VicinalError(f"there is no network for series named {name}: {hint}")
