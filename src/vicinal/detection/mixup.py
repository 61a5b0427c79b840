"""DetectionMixUp: blend images of any sizes, with the boxes of both, for object detection."""

from typing import Unpack

import torch
from torch import Tensor

from vicinal.detection.form import DetectionMixer, DetectionOptions
from vicinal.detection.samples import Objects
from vicinal.detection.scene import Scene, Size, whole
from vicinal.mixing.arguments import number
from vicinal.mixing.beta import sample_lam


class DetectionMixUp(DetectionMixer):
    """Blend images of any sizes, with the boxes of both.

    Both images are placed at the upper left corner of a canvas with the larger height and the
    larger width, padded with zeros, so that no object is moved or resized, and are blended by a
    weight λ from Beta(alpha, alpha). The target holds the boxes of both, each with the weight of
    its image. With weight 1, an image and its target are unchanged.

    ``images, targets = mixer(images, targets)`` takes and gives what torchvision's detection models
    take: a list of images (C, H, W), floats or uint8, or one tensor (B, C, H, W); and for each a
    dict of ``"boxes"``, (N, 4) floats, and other tensors with N entries, such as ``"labels"``,
    ``"area"``, ``"iscrowd"``, ``"masks"`` (N, H, W) or ``"keypoints"`` (N, K, 3). N may be 0.
    ``"weights"`` is added: (N,) numbers in [0, 1], which torchvision's models ignore. They are
    multiplied with weights that are there already, so that one mixer can follow another.

    Args:
        alpha: of the distribution of λ; 0 mixes nothing.
        **options: of :class:`DetectionMixer`, :class:`Method` and :class:`Mixer`: format,
            normalized, image_fields, per, p, partners, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
        VicinalError: images and targets do not match, or a box is no box of its image; the message
            names it.

    Source: Z. Zhang, T. He, H. Zhang, Z. Zhang, J. Xie, M. Li, Bag of Freebies for Training Object
    Detection Neural Networks, arXiv 1902.04103 (2019), section 3.1.

    >>> images = [torch.zeros(3, 40, 60), torch.ones(3, 50, 30)]
    >>> boxes = torch.tensor([[0.0, 0.0, 20.0, 10.0]])
    >>> targets = [{"boxes": boxes, "labels": torch.tensor([label])} for label in (1, 2)]
    >>> images, targets = DetectionMixUp(seed=0)(images, targets)
    >>> [tuple(image.shape) for image in images]
    [(3, 50, 60), (3, 50, 60)]
    >>> targets[0]["labels"], bool(torch.isclose(targets[0]["weights"].sum(), torch.ones(())))
    (tensor([1, 2]), True)
    """

    def __init__(self, alpha: float = 1.5, **options: Unpack[DetectionOptions]) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)

    def numbers(self, count: int, generator: torch.Generator) -> Tensor:
        return sample_lam(self.alpha, count, generator).float().double()[:, None]

    def scene(
        self,
        i: int,
        numbers: list[float],
        partner: list[int],
        sizes: list[Size],
        objects: list[Objects] | None,
    ) -> Scene | None:
        (lam,), j = numbers, partner[i]
        if i == j or lam == 1:
            return None
        if lam == 0:
            return Scene(sizes[j], (whole(j, sizes[j]),))
        size = max(sizes[i][0], sizes[j][0]), max(sizes[i][1], sizes[j][1])
        return Scene(size, (whole(i, sizes[i]), whole(j, sizes[j])), lam)
