"""SmoothMix: another sample shows through a soft, round spot."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import shares
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import SoftMasks


class SmoothMix(Method):
    """Blend another sample into each, most in one spot and less around it; the target counts, too.

    The partner's part of a pixel at a distance d from the centre is exp(-d**2 / (2 * sigma**2)).
    The centre is the upper left corner of any pixel. On an image that is not square, each axis is
    measured by its own length, so that the spot is an ellipse. The weight is the mean of what the
    pixels keep.

    Args:
        sigma: smallest and largest sigma, as shares of the image's sides, drawn evenly between
            them; (0, 0) mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            no images (B, ..., H, W), or integers, which cannot be blended.

    Source: J.-H. Lee, M. Z. Zaheer, M. Astrid, S.-I. Lee, SmoothMix: a Simple Yet Effective Data
    Augmentation to Train Robust Classifiers, CVPR Workshops 2020; the range of sigma and the place
    of the centre are OpenMixup's, which is for square images. There, each sample keeps the share of
    its label that its image has lost; here, as in the paper, the share that the image has kept.

    >>> mixer = SmoothMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

    drawn_types = (SoftMasks,)

    def __init__(
        self, sigma: tuple[float, float] = (0.25, 0.5), **options: Unpack[MethodOptions]
    ) -> None:
        super().__init__(**options)
        self.sigma = shares("sigma", sigma)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> SoftMasks:
        uniform = torch.rand(3, count, generator=generator, dtype=torch.float64, device="cpu")
        low, high = self.sigma
        sigma = low + (high - low) * uniform[0]
        down, across = (
            _slope(length, place, length * sigma)
            for length, place in zip(size, uniform[1:], strict=True)
        )
        # A Gaussian of two variables is the product of two of one: no exp for every pixel.
        return SoftMasks(1 - down.unsqueeze(2) * across.unsqueeze(1))


def _slope(length: int, place: Tensor, sigma: Tensor) -> Tensor:
    """(B, length) float32 along one axis."""
    # No pixel has the distance 0 to a corner, so that sigma may be 0.
    centre = (length * place).floor() - 0.5
    distance = torch.arange(length, device="cpu") - centre.unsqueeze(1)
    return (distance / sigma.unsqueeze(1)).square().div_(-2).exp_().float()
