"""AttentiveMix: paste the parts of another sample that a network attends to."""

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from vicinal.mixing.arguments import whole
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.paste import Masks
from vicinal.mixing.pending import Pending
from vicinal.mixing.saliency import images_in


class AttentiveMix(Method):
    """Paste the parts of another sample that a network attends to: Attentive CutMix.

    The partner is divided into a grid, as fine as the feature map of a pretrained network is. The
    cells of the largest values are pasted at the same place. The weight of the target is the exact
    share of pixels that a sample keeps: 1 - top_k / cells, where the grid divides the image evenly.

    Args:
        attention: a network, in evaluation mode, or a function from images (B, C, H, W), as in the
            batch, to their feature maps (B, N, h, w), which are averaged over N, or to maps
            (B, h, w). It is called without gradients, once a batch. A network gets floats in its
            own dtype.
        top_k: the number of cells that are pasted; all where the grid has fewer.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W), the network returns no maps of them, or it is in training
            mode, in which its batch norm would count these batches, too.

    Any network without its last pooling will do: ``timm.create_model("resnet50",
    pretrained=True).eval().forward_features`` gives 7 x 7 cells for images of 224 pixels, of which
    the paper pastes 6. A network, rather than a function, must be frozen, by
    ``requires_grad_(False)``, where mixers are copied, as :func:`compare` does. Small images need a
    network for their size: of 32 pixels, that one makes a single cell.

    Source: D. Walawalkar, Z. Shen, Z. Liu, M. Savvides, Attentive CutMix: An Enhanced Data
    Augmentation Approach for Deep Learning Based Image Classification, ICASSP 2020. The authors'
    code takes the cells from the last of the channels alone; the mean over all of them is
    OpenMixup's.

    >>> def brightness(images):
    ...     return torch.nn.functional.avg_pool2d(images, 4)  # (B, C, 4, 4) of 16 x 16 pixels
    >>> x = torch.zeros(2, 1, 16, 16)
    >>> x[1, :, 8:12, 4:8] = 1.0
    >>> mixed, target = AttentiveMix(brightness, top_k=1, seed=0)(x, torch.arange(2))
    >>> bool((mixed[0, 0, 8:12, 4:8] == 1).all()), target.weight
    (True, tensor([0.9375, 0.9375]))
    """

    drawn_types = (Pending,)
    block_size = 16

    def __init__(
        self,
        attention: nn.Module | Callable[[Tensor], Tensor],
        top_k: int = 6,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        if not callable(attention):
            raise TypeError(
                "attention must be a network, or a function from images (B, C, H, W) to feature "
                f"maps (B, N, h, w), not {attention!r}"
            )
        self._attention = attention
        self.top_k = whole("top_k", top_k)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Pending:
        return Pending(torch.ones(count, dtype=torch.bool, device="cpu"))

    @torch.no_grad()
    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (drawn,) = mix.patterns
        assert isinstance(drawn, Pending)
        partner = mix.partner
        images = images_in(batch.x if batch.other is None else batch.other[0], batch)
        cells = self._cells(images)
        if batch.other is None:
            cells = cells.index_select(0, move(partner, cells.device))
        keep = ~cells
        for axis, side in ((1, images.shape[2]), (2, images.shape[3])):
            nearest = torch.arange(side, device=keep.device) * keep.shape[axis] // side
            keep = keep.index_select(axis, nearest)
        keep = move(keep, partner.device) | ~drawn.mixed[:, None, None]
        masks = Masks(keep)
        return Mix(partner, masks.weight, (masks,))

    def _cells(self, images: Tensor) -> Tensor:
        """(B, h, w) bool, true for the cells of the largest values."""
        if isinstance(self._attention, nn.Module) and self._attention.training:
            raise ValueError(
                "the network of attention is in training mode, where looking at images changes it: "
                "call its eval()"
            )
        if isinstance(self._attention, nn.Module) and images.is_floating_point():
            dtypes = [p.dtype for p in self._attention.parameters() if p.is_floating_point()]
            images = images.to(dtypes[0]) if dtypes else images
        if not len(images):
            return torch.zeros(0, 1, 1, dtype=torch.bool, device=images.device)
        found: Any = self._attention(images)
        if isinstance(found, Tensor) and found.ndim == 4:
            found = found.float().mean(1)
        if not isinstance(found, Tensor) or found.ndim != 3 or len(found) != len(images):
            kind = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                f"attention must return feature maps (B, N, h, w) or (B, h, w) for images "
                f"{tuple(images.shape)}, not {kind}"
            )
        flat = found.flatten(1).float()
        index = flat.topk(min(self.top_k, flat.shape[1]), dim=1).indices
        return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, index, True).view(found.shape)
