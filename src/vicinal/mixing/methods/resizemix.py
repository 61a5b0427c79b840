"""ResizeMix: paste the whole of another sample, shrunk, on each."""

from typing import Literal, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import one_of, shares
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.paste import ResizedBoxes
from vicinal.mixing.saliency import Saliency, check_saliency, images_in, maps_of, places

Place = Literal["random", "plain", "salient"]


class ResizeMix(Method):
    """Paste the whole of another sample, shrunk, on each.

    The patch has tau of the image's height and width, rounded down. Its centre is uniform over the
    image, and a patch that extends beyond the border is shifted inside. If a side would have less
    than one pixel, nothing is pasted. The weight of the target is the exact share of pixels that a
    sample keeps.

    Args:
        scope: the smallest and the largest tau, a fraction of the image's sides, drawn uniformly
            between them; (0, 0) mixes nothing.
        place: where the patch is pasted. "random": around any pixel; "plain": where it covers the
            least saliency of the sample, whose object then stays in sight; "salient": where it
            covers the most. Where all places are equal, it is the random one.
        saliency: for "plain" and "salient", a function from images (B, C, H, W), with the values of
            the batch, to maps (B, H, W), which may be smaller than the images; None is
            :func:`spectral_residual`. It is called without gradients.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W).

    Source: J. Qin, J. Fang, Q. Zhang, W. Liu, X. Wang, X. Wang, ResizeMix: Mixing Data with
    Preserved Object Information and True Labels, arXiv 2012.11101 (2020); scope, nearest-neighbour
    sampling and the shift are from the authors' code. That code draws one tau for a batch and a
    centre for each sample, and samples by tau instead of the rounded sides. The paper studies
    mixing by saliency, too, and finds that it is hardly needed.

    >>> mixer = ResizeMix(seed=0)
    >>> x, y = mixer(torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 8, 8), torch.arange(2))
    >>> bool(torch.allclose(x[0].mean(), 1 - y.weight[0]))
    True
    """

    drawn_types = (ResizedBoxes,)
    block_size = 16

    def __init__(
        self,
        scope: tuple[float, float] = (0.1, 0.8),
        *,
        place: Place = "random",
        saliency: Saliency | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.scope = shares("scope", scope)
        self.place = one_of("place", place, ("random", "plain", "salient"))
        self.saliency = check_saliency("saliency", saliency)
        if saliency is not None and place == "random":
            raise ValueError("place='random' looks at no saliency: set place='plain' or 'salient'")

    @property
    def reads_batch(self) -> bool:
        return self.place != "random" or self._overrides(ResizeMix)

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

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (boxes,) = mix.patterns
        if self.place == "random":
            return mix
        assert isinstance(boxes, ResizedBoxes)
        maps = move(maps_of(images_in(batch.x, batch), self.saliency), mix.partner.device)
        starts, sides = boxes.corners[:, ::2], boxes.corners[:, 1::2] - boxes.corners[:, ::2]
        starts = places(maps, starts, sides, boxes.size, least=self.place == "plain")
        starts = starts * (sides > 0)  # an empty box stays neutral
        corners = torch.stack([starts, starts + sides], 2).flatten(1)
        return Mix(mix.partner, mix.weight, (ResizedBoxes(corners, boxes.size),))
