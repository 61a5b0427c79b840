"""SaliencyMix: paste a box around the most salient spot of another sample on each."""

from typing import Unpack

import torch

from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.paste import Boxes
from vicinal.mixing.saliency import Saliency, check_saliency, images_in, maps_of, peaks


class SaliencyMix(Method):
    """Paste a box around the most salient spot of another sample on each.

    The box has sqrt(1 - λ) of the image's height and width, rounded down, with λ from
    Beta(alpha, alpha). Its centre is the most salient pixel of the partner, and what falls outside
    is clipped. It is pasted at the same place. The weight of the target is the exact share of
    pixels that a sample keeps.

    Args:
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        saliency: a function from images (B, C, H, W), with the values of the batch, to maps
            (B, H, W), which may be smaller than the images; None is
            :func:`spectral_residual`. It is called without gradients.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W), or the function returns no maps of them.

    Source: A. F. M. S. Uddin, M. S. Monira, W. Shin, T. Chung, S.-H. Bae, SaliencyMix: A Saliency
    Guided Data Augmentation Strategy for Better Regularization, ICLR 2021. Their code and
    OpenMixup's take one λ for a batch (``per="batch"``), look at one of its images, and cut all
    others at the most salient spot of this one; here every box is at the spot of its own image.
    They find it by OpenCV's fine-grained detector, to which they give normalised floats: it reads
    bytes, and what it finds in floats has nothing to do with what it finds in the same image as
    bytes. A box of theirs with an odd side is one pixel smaller.

    >>> x = torch.zeros(2, 1, 16, 16)
    >>> x[1, :, 9:12, 3:6] = 1.0  # the only spot in the second image
    >>> mixed, target = SaliencyMix(seed=0)(x, torch.tensor([0, 1]))
    >>> bool(mixed[0, 0, 10, 4] == 1), bool(target.weight[0] < 1)
    (True, True)
    """

    drawn_types = (Boxes,)
    block_size = 16

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        saliency: Saliency | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.saliency = check_saliency("saliency", saliency)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Boxes:
        """Boxes at the upper left corner, which :meth:`complete` moves."""
        cut = sample_lam(self.alpha, count, generator).neg_().add_(1).sqrt_()
        sides = [cut.mul(length).long() for length in size]
        none = torch.zeros(count, dtype=torch.int64, device="cpu")
        return Boxes(torch.stack([none, sides[0], none, sides[1]], 1), size)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (boxes,) = mix.patterns
        assert isinstance(boxes, Boxes)
        source = batch.x if batch.other is None else batch.other[0]
        spots = peaks(maps_of(images_in(source, batch), self.saliency), boxes.size)
        spots = move(spots, mix.partner.device)
        if batch.other is None:
            spots = spots.index_select(0, mix.partner)
        edges = []
        for side, length, centre in zip(
            boxes.size, boxes.corners[:, 1::2].unbind(1), spots.unbind(1), strict=True
        ):
            start = centre - length // 2
            edges += [start.clamp(min=0), (start + length).clamp(max=side)]
        corners = torch.stack(edges, 1)
        # Boxes without pixels stay where they are: they are neutral.
        corners = corners.where((boxes.corners[:, 1::2] > 0).all(1, keepdim=True), 0)
        boxes = Boxes(corners, boxes.size)
        return Mix(mix.partner, boxes.weight, (boxes,))
