"""DetectionCutMix: paste a box of another image, with what is in it, for object detection."""

import math
from typing import Unpack

import torch
from torch import Tensor

from vicinal.detection.form import DetectionMixer, DetectionOptions
from vicinal.detection.samples import Objects
from vicinal.detection.scene import Scene, Size, whole
from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam


class DetectionCutMix(DetectionMixer):
    """Paste a box of another image at the same place, with the objects that are in it.

    The box has sqrt(1 - λ) of the height and the width that both images have in common, rounded
    down, with λ from Beta(alpha, alpha); its centre is uniform over this part, and what falls
    outside is clipped. Both images have their upper left corners in common, and a mixed image has
    its own size.

    Boxes, masks, keypoints and areas become those of what is still visible: of an image's objects,
    what the pasted box does not cover, and of its partner's, what is in it. Batches and targets are
    those of :class:`DetectionMixUp`. ``"weights"`` are 1, as pixels are copied, not blended.

    Args:
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        min_visible: the visible share of an object, in [0, 1], below which it is dropped: of its
            mask's pixels, or of its box's area if it has no mask. The default is that of YOLOv5.
        **options: of :class:`DetectionMixer`, :class:`Method` and :class:`Mixer`: format,
            normalized, image_fields, per, p, partners, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
        VicinalError: images and targets do not match, or a box is no box of its image; the message
            names it.

    Source: S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo, CutMix: Regularization Strategy to
    Train Strong Classifiers with Localizable Features, ICCV 2019, for the box that is pasted. It
    mixes labels of whole images; what becomes of objects is ours.

    >>> images = [torch.zeros(3, 40, 40), torch.ones(3, 40, 40)]
    >>> boxes = torch.tensor([[4.0, 4.0, 36.0, 36.0]])
    >>> targets = [{"boxes": boxes, "labels": torch.tensor([label])} for label in (1, 2)]
    >>> images, targets = DetectionCutMix(seed=0)(images, targets)
    >>> targets[0]["labels"].tolist(), targets[0]["boxes"].tolist()
    ([1, 2], [[4.0, 4.0, 36.0, 36.0], [4.0, 11.0, 24.0, 36.0]])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        min_visible: float = 0.1,
        **options: Unpack[DetectionOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)
        self.min_visible = number("min_visible", min_visible, upper=1.0)

    def numbers(self, count: int, generator: torch.Generator) -> Tensor:
        lam = sample_lam(self.alpha, count, generator)
        centre = torch.rand(count, 2, generator=generator, dtype=torch.float64, device="cpu")
        return torch.cat([lam[:, None], centre], 1)

    def scene(
        self,
        i: int,
        numbers: list[float],
        partner: list[int],
        sizes: list[Size],
        objects: list[Objects] | None,
    ) -> Scene | None:
        lam, *centre = numbers
        j = partner[i]
        edges = []
        for axis in (0, 1):
            length = min(sizes[i][axis], sizes[j][axis])
            side = math.floor(math.sqrt(1 - lam) * length)
            start = math.floor(centre[axis] * length) - side // 2
            edges.append((max(start, 0), min(start + side, length)))
        (top, bottom), (left, right) = edges
        if i == j or bottom <= top or right <= left:
            return None
        box = whole(j, sizes[j], window=(top, left, bottom, right))
        return Scene(sizes[i], (whole(i, sizes[i]), box), min_visible=self.min_visible)
