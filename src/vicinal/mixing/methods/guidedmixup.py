"""GuidedMixUp: blend samples that stand out in different places, pixel by pixel."""

from typing import Any, TypedDict, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.mixing.arguments import Fields
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, Per
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.nested import Integers
from vicinal.mixing.paste import SoftMasks
from vicinal.mixing.pending import Pending
from vicinal.mixing.saliency import Saliency, blurred, check_saliency, images_in, maps_of


class GuidedOptions(TypedDict, total=False):
    """The keyword arguments of :class:`GuidedMixUp`: there is no ``partners``."""

    per: Per
    p: float
    half: bool
    fields: Fields | None
    integers: Integers
    maximum: Fields | None
    pixelwise: bool | None
    seed: int | None


class GuidedMixUp(Method):
    """Blend samples that stand out in different places, pixel by pixel.

    Each image has a saliency map, blurred and divided by its sum. A sample keeps of each pixel the
    share s / (s + t), where s and t are its own and its partner's saliency there. The weight of the
    target is the mean of these shares.

    Partners are chosen by the maps, such that little that is salient covers the other's: the whole
    batch becomes one cycle. It begins with the sample of the most distant pair, and continues each
    time with the most distant of the samples that are left, by the Euclidean distance of the maps.
    Partners of a second batch, or of the second half of this one, are its rows.

    Args:
        saliency: a function from images (B, C, H, W), with the values of the batch, to maps
            (B, H, W), which may be smaller than the images; None is
            :func:`spectral_residual`, the paper's Guided-SR. Gradients of the loss
            make it Guided-AP. It is called without gradients.
        **options: of :class:`Method` and :class:`Mixer`: per, p, half, fields, integers, maximum,
            pixelwise, seed. Nothing else than whether a sample is mixed is random.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W), or integers, which cannot be blended; or the function returns
            no maps of them.

    To choose the partners takes B steps, one after the other, and B x B distances. They are taken
    on the device, without a value read on the host.

    Source: M. Kang, S. Kim, GuidedMixup: An Efficient Mixup Strategy Guided by Saliency Maps, AAAI
    2023. On images above 95 pixels, maps are computed and compared at about 64 pixels and enlarged,
    where the authors' code works at 128 and blurs the enlarged map. A pixel where neither image is
    salient is shared equally; theirs becomes nan. OpenMixup chooses the partners too late: it pairs
    images, labels and saliency at random before, and what it chooses has no effect.

    >>> x = torch.zeros(2, 1, 32, 32)
    >>> x[0, :, 4:7, 4:7] = x[1, :, 24:27, 24:27] = 1.0
    >>> mixed, _ = GuidedMixUp(seed=0)(x, torch.arange(2))  # both squares show
    >>> bool(mixed[0, 0, 5, 5] > 0.8), bool(mixed[0, 0, 25, 25] > 0.8)
    (True, True)
    """

    drawn_types = (Pending,)
    block_size = 16
    # complete() replaces the partners: the order that costs nothing to draw.
    partners: Any = "reverse"

    def __init__(
        self, *, saliency: Saliency | None = None, **options: Unpack[GuidedOptions]
    ) -> None:
        super().__init__(**options)
        # Not an option of this mixer: without an attribute of its own, the repr does not show it,
        # and wrappers do not adopt it.
        del self.partners
        self.saliency = check_saliency("saliency", saliency)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Pending:
        return Pending(torch.ones(count, dtype=torch.bool, device="cpu"))

    @torch.no_grad()
    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (drawn,) = mix.patterns
        assert isinstance(drawn, Pending)
        device = drawn.mixed.device
        images = images_in(batch.x, batch)
        own = self._shares(images)
        if batch.other is None:
            partner = farthest_cycle(own)
            other = own.index_select(0, partner)
            partner = move(partner, device)
        else:
            partner = mix.partner
            other = self._shares(images_in(batch.other[0], batch))
        total = own + other
        keep = (own / total).where(total > 0, 0.5)
        if keep.shape[1:] != images.shape[2:] and keep.numel():
            keep = _enlarged(keep, images)
        keep = move(keep, device).where(drawn.mixed[:, None, None], 1.0)
        masks = SoftMasks(keep)
        return Mix(partner, masks.weight, (masks,))

    def _shares(self, images: Tensor) -> Tensor:
        """(B, h, w) blurred saliency, with a sum of 1."""
        maps = maps_of(images, self.saliency)
        if not maps.numel():
            return maps
        maps = blurred(maps)
        total = maps.sum((1, 2), keepdim=True)
        return (maps / total).where(total > 0, 1 / maps[0].numel())


def _enlarged(keep: Tensor, images: Tensor) -> Tensor:
    size = (images.shape[-2], images.shape[-1])
    enlarged = F.interpolate(keep.unsqueeze(1), size, mode="bilinear", align_corners=False)
    return enlarged.squeeze(1).clamp(0, 1)


def farthest_cycle(maps: Tensor) -> Tensor:
    """One cycle through all samples, from each to the most distant one that is left.

    Args:
        maps: (B, ...) floats, between which the Euclidean distance is.

    Returns:
        (B,) int64: the partner of each sample.

    >>> farthest_cycle(torch.tensor([[0.0], [1.0], [5.0], [9.0]]))
    tensor([3, 2, 0, 1])
    """
    count = len(maps)
    partner = torch.zeros(count, dtype=torch.int64, device=maps.device)
    if count < 2:
        return partner
    flat = maps.flatten(1)
    distance = torch.cdist(flat, flat)
    distance.fill_diagonal_(-torch.inf)
    first = row = (distance.argmax() // count).view(1)
    for _ in range(count - 1):
        distance.index_fill_(1, row, -torch.inf)  # it has its place: no one's partner any more
        following = distance.index_select(0, row).argmax(1)
        partner.index_copy_(0, row, following)
        row = following
    return partner.index_copy_(0, row, first)
