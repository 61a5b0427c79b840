"""SmoothMix: blend another sample into each, in a Gaussian spot."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import shares
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import SoftMasks


class SmoothMix(Method):
    """Blend another sample into each, in a Gaussian spot.

    At distance d from the centre, the partner's share of a pixel is exp(-d**2 / (2 * sigma**2)).
    The centre is the upper left corner of a uniformly drawn pixel. On an image that is not square,
    each axis has a sigma in proportion to its length, so that the spot is an ellipse. The weight of
    the target is the mean share that the pixels of a sample keep.

    Args:
        sigma: the smallest and the largest sigma, as fractions of the image's sides, drawn
            uniformly between them; (0, 0) mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W), or integers, which cannot be blended.

    Source: J.-H. Lee, M. Z. Zaheer, M. Astrid, S.-I. Lee, SmoothMix: a Simple Yet Effective Data
    Augmentation to Train Robust Classifiers, CVPR Workshops 2020; the range of sigma and the
    centre's position are OpenMixup's, which assumes square images. In OpenMixup, the label of a
    sample gets the share that its image has lost; here, as in the paper, the share that it keeps.

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
            _profile(length, centre, length * sigma)
            for length, centre in zip(size, uniform[1:], strict=True)
        )
        # A 2D Gaussian is the outer product of two 1D ones: H + W exponentials instead of H * W.
        return SoftMasks(1 - down.unsqueeze(2) * across.unsqueeze(1))


def _profile(length: int, centre: Tensor, sigma: Tensor) -> Tensor:
    """The partners' shares along one axis, (B, length) float32, for centres in [0, 1)."""
    # A corner is at least half a pixel from any pixel, so that sigma may be 0 without 0 / 0.
    centre = (length * centre).floor() - 0.5
    distance = torch.arange(length, device="cpu") - centre.unsqueeze(1)
    return (distance / sigma.unsqueeze(1)).square().div_(-2).exp_().float()
