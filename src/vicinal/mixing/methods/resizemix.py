"""ResizeMix: paste the whole of another sample, shrunk, on each."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import shares
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.paste import ResizedBoxes


class ResizeMix(Method):
    """Paste the whole of another sample, shrunk, on each.

    The patch has tau of the image's height and width, rounded down. Its centre is uniform over the
    image, and a patch that extends beyond the border is shifted inside. If a side would have less
    than one pixel, nothing is pasted. The weight of the target is the exact share of pixels that a
    sample keeps.

    Args:
        scope: the smallest and the largest tau, a fraction of the image's sides, drawn uniformly
            between them; (0, 0) mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W).

    Source: J. Qin, J. Fang, Q. Zhang, W. Liu, X. Wang, X. Wang, ResizeMix: Mixing Data with
    Preserved Object Information and True Labels, arXiv 2012.11101 (2020); scope, nearest-neighbour
    sampling and the shift are from the authors' code. That code draws one tau for a batch and a
    centre for each sample, and samples by tau instead of the rounded sides.

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
        for length, centre in zip(size, uniform[1:], strict=True):
            side = (length * tau).long()
            start = (length * centre).long() - side // 2
            start = start.clamp(min=0).minimum(length - side)
            edges += [start, start + side]
        return ResizedBoxes(torch.stack(edges, 1), size)
