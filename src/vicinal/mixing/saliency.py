"""Saliency: how much each part of an image stands out, for methods that look at the pixels.

Nothing here needs a gradient or a network, reads a value on the host, or depends on the scale of
the pixels: bytes and normalised floats give the same maps.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.mixing.batch import is_blendable
from vicinal.mixing.completion import Batch
from vicinal.mixing.tensors import has_channels_last, image_size

Saliency = Callable[[Tensor], Tensor]

SIDE = 64  # pixels, to about which larger images are reduced: objects of this scale stand out
RADIUS = 3  # of the blur, whose standard deviation is as large
_KERNEL = [torch.exp(torch.tensor(-0.5 * (i / 3) ** 2)).item() for i in range(-RADIUS, RADIUS + 1)]


@torch.no_grad()
def spectral_residual(images: Tensor) -> Tensor:
    """Saliency by the spectral residual: what a smooth spectrum does not explain.

    The logarithm of an image's amplitude spectrum, minus its mean over 3 x 3 frequencies, is the
    part that is particular to the image. With the image's phases, this residual is transformed
    back, and blurred.

    Args:
        images: (B, C, H, W) floats or uint8, of any range. Three channels are red, green and blue;
            others are averaged.

    Returns:
        (B, h, w) float32, 0 or more, and all 0 for an image of one colour. h and w are H and W for
        images whose shorter side is below 96 pixels; larger ones are reduced by the whole factor
        that brings it nearest to 64.

    Source: X. Hou, L. Zhang, Saliency Detection: A Spectral Residual Approach, CVPR 2007, who
    reduce images to 64 pixels. The blur, of 7 x 7 pixels and a standard deviation of 3, and the
    modulus, which is not squared, are those of GuidedMixup's code. That code reduces images higher
    than 128 pixels to squares of 128; smaller ones, up to 95 pixels, have the same maps. The spots
    are those of OpenCV's ``StaticSaliencySpectralResidual``, most often to the pixel or the next.

    >>> images = torch.zeros(1, 3, 32, 32)
    >>> images[:, :, 20:23, 8:11] = 1.0
    >>> row, column = divmod(int(spectral_residual(images).flatten().argmax()), 32)
    >>> 20 <= row < 23 and 8 <= column < 11
    True
    """
    grey = _grey(_reduced(images))
    if not grey.numel():
        return grey
    spectrum = torch.fft.fft2(grey)
    amplitude = (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt()
    logarithm = amplitude.log()
    # Replicated at the border, and not continued periodically, as in the authors' code.
    around = F.pad(logarithm.unsqueeze(1), (1, 1, 1, 1), mode="replicate")
    residual = (logarithm - F.avg_pool2d(around, 3, stride=1).squeeze(1)).exp()
    found = blurred(torch.fft.ifft2(spectrum * (residual / amplitude)).abs())
    # The spectrum of a constant image is rounding errors, which the division would enlarge.
    span = grey.amax((1, 2), keepdim=True) - grey.amin((1, 2), keepdim=True)
    size = grey.abs().amax((1, 2), keepdim=True)
    return found.where(span > 1e-5 * size, 0.0)


def _reduced(images: Tensor) -> Tensor:
    """Images whose shorter side is near :data:`SIDE`: of each cell, the mean of its middle pixels.

    One or four of them, and not all: to read every pixel would take longer than mixing does.
    """
    factor = max(round(min(images.shape[-2:]) / SIDE), 1)
    if factor == 1:
        return images.float()
    height, width = (side // factor * factor for side in images.shape[-2:])
    images = images[..., :height, :width]
    first, second = (factor - 1) // 2, factor // 2
    rows = images[..., first::factor, :].float()
    if first == second:
        return rows[..., first::factor]
    rows = rows + images[..., second::factor, :]
    return (rows[..., first::factor] + rows[..., second::factor]) / 4


def _grey(images: Tensor) -> Tensor:
    """(B, H, W) of (B, C, H, W) images."""
    if images.shape[1] != 3:
        return images.mean(1)
    red, green, blue = images.unbind(1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def blurred(maps: Tensor) -> Tensor:
    """Maps (B, H, W), blurred by a standard deviation of 3 pixels, and reflected at the border.

    >>> blurred(torch.ones(1, 4, 4)).allclose(torch.ones(4, 4))
    True
    """
    # Sums of slices: under autocast, a convolution would compute in 16 bits.
    for axis in (-2, -1):
        side = maps.shape[axis]
        radius = min(RADIUS, side - 1)
        kernel = _KERNEL[RADIUS - radius : RADIUS + radius + 1]
        edges = [0, 0, radius, radius] if axis == -2 else [radius, radius]
        padded = F.pad(maps.unsqueeze(1), edges + [0] * (4 - len(edges)), mode="reflect")[:, 0]
        parts = (padded.narrow(axis, i, side) * weight for i, weight in enumerate(kernel))
        maps = sum(parts, torch.zeros_like(maps)) / sum(kernel)
    return maps


def check_saliency(name: str, value: Any) -> Any:
    """The argument, which must be None or callable; a TypeError that names it otherwise."""
    if value is not None and not callable(value):
        raise TypeError(
            f"{name} must be a function from images (B, C, H, W) to maps (B, H, W), not {value!r}"
        )
    return value


def images_in(x: Any, batch: Batch) -> Tensor:
    """The first images of the samples ``x`` of a batch, as (B, C, H, W).

    Channels come first, wherever the batch has them; the slices of volumes count as channels. What
    has integers or no channels may be masks: they are taken only where there is nothing else.
    """
    part = Batch(x, None, None, batch.fields, batch.integers, batch.maximum).mixed()
    found = [tensor for tensor in part if tensor.ndim >= 3]
    image = found[0]
    for tensor in found[1:]:  # not min(key=…), which torch 2.6 cannot compile
        image = tensor if _rank(tensor) < _rank(image) else image
    if has_channels_last(image, image_size([image])):
        image = image.movedim(-1, 1)
    return (image.flatten(1, -3) if image.ndim > 3 else image.unsqueeze(1)).detach()


def _rank(tensor: Tensor) -> int:
    """Lower for what rather is an image."""
    return 2 * (not is_blendable(tensor)) + (tensor.ndim < 4)


@torch.no_grad()
def maps_of(images: Tensor, saliency: Saliency | None) -> Tensor:
    """Maps (B, h, w) float32, 0 or more, of one :data:`Saliency` or the spectral residual.

    Raises:
        TypeError, ValueError: the function returned something else.
    """
    found = (saliency or spectral_residual)(images)
    if not isinstance(found, Tensor):
        raise TypeError(f"the saliency must be a tensor (B, H, W), not {type(found).__name__}")
    if found.ndim == 4 and found.shape[1] == 1:
        found = found.squeeze(1)
    if found.ndim != 3 or len(found) != len(images):
        raise ValueError(
            f"the saliency of images {tuple(images.shape)} must have the shape (B, H, W), not "
            f"{tuple(found.shape)}"
        )
    return found.detach().float().nan_to_num(0.0, 0.0, 0.0).clamp(min=0)


def peaks(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """(B, 2) int64: row and column of the most salient pixel, of images of this height and width.

    It is the first of several that are equal; of a map without any, the middle of the image.

    >>> maps = torch.zeros(2, 4, 4)
    >>> maps[0, 3, 1] = 1.0
    >>> peaks(maps, (8, 8))
    tensor([[7, 3],
            [4, 4]])
    """
    height, width = maps.shape[1:]
    middle = torch.tensor([size[0] // 2, size[1] // 2], device=maps.device)
    if not maps.numel():
        return middle.expand(len(maps), 2)
    flat = maps.flatten(1)
    index = flat.argmax(1)
    row, column = index // width, index % width
    # The middle of the cell that a pixel of a reduced map stands for.
    found = torch.stack(
        [(2 * row + 1) * size[0] // (2 * height), (2 * column + 1) * size[1] // (2 * width)], 1
    )
    return found.where((flat.amax(1) > flat.amin(1)).unsqueeze(1), middle)


def places(
    maps: Tensor, starts: Tensor, sides: Tensor, size: tuple[int, ...], *, least: bool
) -> Tensor:
    """Where boxes cover the least or the most saliency.

    Args:
        maps: (B, h, w) of images of this height and width.
        starts: (B, 2) int64: rows and columns of pixels, which hold where a map is constant.
        sides: (B, 2) int64: the heights and widths of the boxes, in pixels, at most ``size``.
        size: height and width of the images.
        least: whether they cover the least.

    Returns:
        (B, 2) int64: the row and the column where each box begins, inside of the image.

    >>> maps = torch.zeros(1, 4, 4)
    >>> maps[0, 3, 2] = 1.0
    >>> places(maps, torch.zeros(1, 2).long(), torch.tensor([[1, 1]]), (4, 4), least=False)
    tensor([[3, 2]])
    """
    height, width = maps.shape[1:]
    if not maps.numel():
        return starts
    reduced = height / size[0], width / size[1]
    scale = torch.tensor(reduced, dtype=torch.float32, device=maps.device)
    down, across = (sides * scale).round().long().clamp(min=1).unsqueeze(2).unbind(1)
    # From sums over all pixels above and to the left, those over the box that begins at each pixel.
    total = F.pad(maps.cumsum(1).cumsum(2), (1, 0, 1, 0))
    row, column = (torch.arange(side, device=maps.device) for side in (height, width))
    bottom, right = row + down, column + across
    index = bottom.clamp(max=height).unsqueeze(2).expand(-1, -1, width + 1)
    strips = total.gather(1, index) - total[:, :height]
    index = right.clamp(max=width).unsqueeze(1).expand(-1, height, -1)
    covered = strips.gather(2, index) - strips[:, :, :width]
    outside = (bottom > height).unsqueeze(2) | (right > width).unsqueeze(1)
    covered = (covered if least else -covered).masked_fill(outside, torch.inf)
    found = covered.flatten(1).argmin(1)
    found = torch.stack([found // width * size[0] // height, found % width * size[1] // width], 1)
    largest = torch.tensor(size, device=maps.device) - sides
    is_constant = maps.amax((1, 2)) == maps.amin((1, 2))
    return starts.where(is_constant.unsqueeze(1), found.minimum(largest))
