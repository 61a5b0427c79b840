"""CopyPaste: paste objects of another image along their masks, for instance segmentation."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.detection.form import DetectionMixer, DetectionOptions
from vicinal.detection.samples import Objects
from vicinal.detection.scene import Scene, Size, whole
from vicinal.errors import VicinalError
from vicinal.mixing.arguments import number


class CopyPaste(DetectionMixer):
    """Paste a random subset of another image's objects, along their masks.

    Each object of the partner is pasted with probability 1/2, and at least one, at its own place:
    both images have their upper left corners in common, and a mixed image has its own size. Objects
    are pasted without blending, as the paper found it to make no difference. Crowds are not pasted,
    as their masks hold more than the objects.

    Boxes, masks, keypoints and areas of what is covered become those of what is still visible; a
    box is around what is left of its mask. Batches and targets are those of
    :class:`DetectionMixUp`, with ``"masks"``. ``"weights"`` are 1, as pixels are copied.

    The paper rescales both images by random factors from 0.1 to 2 before ("large scale jittering"):
    torchvision's ``v2.ScaleJitter``, in the transforms of the data, does that.

    Args:
        min_visible: the visible share of an object, in [0, 1], below which it is dropped. The
            default is the paper's: only what is covered completely, or is outside, is dropped.
        **options: of :class:`DetectionMixer`, :class:`Method` and :class:`Mixer`: format,
            normalized, image_fields, per, p, partners, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
        VicinalError: there are no masks; images and targets do not match, or a box is no box of its
            image; the message names it.

    Source: G. Ghiasi, Y. Cui, A. Srinivas, R. Qian, T.-Y. Lin, E. D. Cubuk, Q. V. Le, B. Zoph,
    Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, CVPR 2021.

    >>> images, masks = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    >>> masks[0, 0, :, :4], masks[1, 0, :, 2:6] = 1, 1
    >>> boxes = torch.tensor([[[0.0, 0, 4, 8]], [[2.0, 0, 6, 8]]])
    >>> targets = [{"boxes": b, "masks": m} for b, m in zip(boxes, masks)]
    >>> images, targets = CopyPaste(seed=0)(images, targets)
    >>> targets[0]["boxes"]
    tensor([[0., 0., 2., 8.],
            [2., 0., 6., 8.]])
    """

    def __init__(self, *, min_visible: float = 0.0, **options: Unpack[DetectionOptions]) -> None:
        super().__init__(**options)
        self.min_visible = number("min_visible", min_visible, upper=1.0)

    def numbers(self, count: int, generator: torch.Generator) -> Tensor:
        # How many objects there are is not known yet: a seed for each image chooses among them.
        seeds = torch.randint(2**31, (count, 1), generator=generator, device="cpu")
        return seeds.double()

    def scene(
        self,
        i: int,
        numbers: list[float],
        partner: list[int],
        sizes: list[Size],
        objects: list[Objects] | None,
    ) -> Scene | None:
        if objects is None or objects[i].masks is None:
            raise VicinalError(
                "CopyPaste pastes objects along their masks, and the targets have none: give "
                "'masks', (N, H, W), or use DetectionCutMix or Mosaic"
            )
        j, (height, width) = partner[i], sizes[i]
        if i == j:
            return None
        masks = objects[j].masks
        assert masks is not None  # all targets have the same fields
        inside = masks[:, :height, :width] != 0
        count, total = inside.flatten(1).sum(1), (masks != 0).flatten(1).sum(1)
        # What would be dropped is not pasted either: its pixels would have no box.
        can_be = (count > 0) & (count >= self.min_visible * total)
        can_be &= ~objects[j].crowd.to(masks.device)
        if not bool(can_be.any()):
            return None
        chosen = _subset(can_be.cpu(), int(numbers[0])).to(masks.device)
        bottom, right = inside.shape[1:]
        cutout = torch.zeros(height, width, dtype=torch.bool, device=masks.device)
        cutout[:bottom, :right] = inside[chosen].any(0)
        window = (0, 0, bottom, right)
        pasted = whole(j, sizes[j], window=window, chosen=chosen, cutout=cutout)
        return Scene(sizes[i], (whole(i, sizes[i]), pasted), min_visible=self.min_visible)


def _subset(can_be: Tensor, seed: int) -> Tensor:
    """A random subset of those that can be chosen, at least one of them."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(len(can_be), generator=generator, device="cpu").masked_fill(~can_be, 2.0)
    return (scores < 0.5) | (scores == scores.min())
