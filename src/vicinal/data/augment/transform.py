"""The base class of transforms, and random numbers for them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.mixing.move import pin_and_move


class BatchTransform:
    """A transform of a batch of images (B, 3, H, W), uint8 or float in [0, 1].

    Attributes:
        moves_pixels: False where what an image shows stays at its place, so that its mask is right
            as it is.
    """

    moves_pixels = True

    def train(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x

    def valid(self, x: Tensor) -> Tensor:
        return x


def check(right: bool, rule: str, value: object) -> None:
    if not right:
        raise VicinalError(f"{rule}, not {value}")


def uniform(low: float, high: float, x: Tensor, generator: torch.Generator) -> Tensor:
    """One number for each row of ``x``, on its device."""
    draw = torch.rand(len(x), generator=generator, device="cpu") * (high - low) + low
    return pin_and_move(draw, x.device)


def chance(p: float, x: Tensor, generator: torch.Generator) -> Tensor:
    return uniform(0, 1, x, generator) < p


def by_channel(values: Sequence[float], x: Tensor) -> Tensor:
    """One number for each channel, (C, 1, 1), on the device of ``x``."""
    numbers = torch.tensor(values, dtype=torch.float32, device="cpu")
    return pin_and_move(numbers[:, None, None], x.device)


def to_unit_floats(x: Tensor) -> Tensor:
    """uint8 to floats in [0, 1]; floats as they are."""
    return x if x.is_floating_point() else x.float().div_(255)
