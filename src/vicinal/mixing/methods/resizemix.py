"""ResizeMix: the whole of another sample, shrunk and pasted on each."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import shares
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import ResizedBoxes


class ResizeMix(Method):
    """Paste the whole of another sample on each, shrunk; the target counts the pixels, exactly.

    The patch has tau of the image's height and width, rounded down. Its centre lies anywhere on the
    image, and what would stick out is moved inside, so that all of the partner shows. Where tau
    leaves less than a pixel of a side, nothing is pasted and the weight is 1.

    Args:
        scope: smallest and largest tau, a share of the image's sides, drawn evenly between them;
            (0, 0) mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range; the batch holds
            no images (B, ..., H, W).

    Source: J. Qin, J. Fang, Q. Zhang, W. Liu, X. Wang, X. Wang, ResizeMix: Mixing Data with
    Preserved Object Information and True Labels, arXiv 2012.11101 (2020); the scope, the nearest
    pixels and the moving inside are those of the authors' code. That draws one tau a batch and a
    centre a sample, and finds the nearest pixels by tau, not by the rounded sides.

    >>> mixer = ResizeMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

    drawn_types = (ResizedBoxes,)
    block_size = 16

    def __init__(
        self, scope: tuple[float, float] = (0.1, 0.8), **options: Unpack[MethodOptions]
    ) -> None:
        super().__init__(**options)
        self.scope = shares("scope", scope)

    def pattern(
        self, count: int, size: tuple[int, int], generator: torch.Generator
    ) -> ResizedBoxes:
        edges: list[Tensor] = []
        uniform = torch.rand(3, count, generator=generator, dtype=torch.float64, device="cpu")
        low, high = self.scope
        tau = low + (high - low) * uniform[0]
        for length, place in zip(size, uniform[1:], strict=True):
            side = (length * tau).long()
            start = (length * place).long() - side // 2
            start = start.clamp(min=0).minimum(length - side)
            edges += [start, start + side]
        return ResizedBoxes(torch.stack(edges, 1), size)
