"""DetectionMixUp: blend images of any sizes, with the boxes of both, for object detection."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.mixing.batch import is_blendable
from vicinal.mixing.blend import interpolate_into
from vicinal.mixing.described import described
from vicinal.mixing.methods.mixup import MixUp
from vicinal.mixing.mixer import Partners

Target = Mapping[str, Any]


@described
class DetectionMixUp:
    """Blend images of any sizes, with the boxes of both.

    Both images are placed at the upper left corner of a canvas with the larger height and the
    larger width, padded with zeros, so that no object is moved or resized, and are blended by a
    weight λ from Beta(alpha, alpha). The target holds the boxes of both, each with the weight of
    its image. With weight 1, an image and its target are unchanged.

    Batches and targets are those of torchvision's detection models, which ignore ``"weights"``:
    they treat all boxes alike.

    Args:
        alpha: of the distribution of λ; 0 mixes nothing.
        p: the probability that an image is mixed at all.
        partners: as for :class:`Mixer`.
        image_fields: the names of tensors in a target that describe the whole image. An image keeps
            its own; all other tensors must have an entry for each box.
        seed: seeds the random numbers; None follows ``torch.manual_seed``, as for :class:`Mixer`.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.

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

    def __init__(
        self,
        alpha: float = 1.5,
        *,
        p: float = 1.0,
        partners: Partners = "cycle",
        image_fields: Collection[str] = ("image_id",),
        seed: int | None = None,
    ) -> None:
        self.mixer = MixUp(alpha, folded=False, p=p, partners=partners, seed=seed)
        self.image_fields = tuple(image_fields)

    def __call__(
        self, images: Tensor | Sequence[Tensor], targets: Sequence[Target]
    ) -> tuple[Tensor | list[Tensor], list[dict[str, Any]]]:
        """Mix a batch and its targets.

        Args:
            images: (C, H, W) floats or uint8, of any heights and widths, or one (B, C, H, W).
            targets: for each image a dict with ``"boxes"``, (N, 4) in pixels from the upper left
                corner, and other tensors with N entries, such as ``"labels"``, ``"area"``,
                ``"iscrowd"`` or ``"masks"``, (N, H, W). N may be 0.

        Returns:
            The mixed images, as a tensor if they were one, and their targets: for each field, the
            entries of the image followed by those of its partner; ``"weights"``, a number in (0, 1]
            for each box; and the image's own values of all other fields.

        Raises:
            VicinalError: images and targets do not match; the message names the field. Or boxes
                are relative to images of different sizes, as none is larger than 1.
        """
        _check_images(images, targets)
        fields = _fields_of_boxes(targets, self.image_fields)
        _check_entries(images, targets, fields)
        _check_units(images, targets)
        mix = self.mixer.draw(torch.empty(len(images), device="cpu"))
        mixed, found = [], []
        for i, (j, weight) in enumerate(
            zip(mix.partner.tolist(), mix.weight.tolist(), strict=True)
        ):
            shares = {i: weight, j: 1 - weight} if i != j else {i: 1.0}
            shares = {k: share for k, share in shares.items() if share > 0}
            mixed.append(_blended([images[k] for k in shares], weight))
            size = mixed[-1].shape[-2:]
            both = [(targets[k], share) for k, share in shares.items()]
            joined = {
                name: torch.cat([_fitted(target[name], size, name) for target, _ in both])
                for name in fields
            }
            weights = [target["boxes"].new_full(target["boxes"].shape[:1], w) for target, w in both]
            found.append({**targets[i], **joined, "weights": torch.cat(weights)})
        return (torch.stack(mixed) if isinstance(images, Tensor) else mixed), found

    def state_dict(self) -> dict[str, Any]:
        """The seed and the number of draws, which determine all later draws."""
        return self.mixer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the draws of the mixer whose ``state_dict()`` this is."""
        self.mixer.load_state_dict(state)

    def __repr__(self) -> str:
        return f"DetectionMixUp({self.mixer!r})"


def _blended(images: Sequence[Tensor], weight: float) -> Tensor:
    """Blend one or two images on a canvas that holds both."""
    size = torch.Size(
        max(sides) for sides in zip(*(image.shape[-2:] for image in images), strict=True)
    )
    canvas, *others = (_padded(image, size) for image in images)
    for other in others:
        interpolate_into(canvas, other, canvas, weight)
    return canvas


def _padded(planes: Tensor, size: torch.Size) -> Tensor:
    """A copy of (..., H, W) planes with zeros below and to the right."""
    return F.pad(planes, (0, size[1] - planes.shape[-1], 0, size[0] - planes.shape[-2]))


def _fitted(entries: Tensor, size: torch.Size, name: str) -> Tensor:
    return _padded(entries, size) if name == "masks" else entries


def _check_images(images: Tensor | Sequence[Tensor], targets: Sequence[Target]) -> None:
    if len(images) != len(targets) or not len(images):
        raise VicinalError(
            f"there are {len(images)} images and {len(targets)} targets: give one target for each "
            "image, and at least one"
        )
    first = images[0]
    for i, image in enumerate(images):
        if image.ndim != 3 or not is_blendable(image):
            raise VicinalError(
                f"images[{i}] has shape {tuple(image.shape)} and dtype {image.dtype}: give "
                "(C, H, W) floats or uint8"
            )
        if (image.shape[0], image.dtype) != (first.shape[0], first.dtype):
            raise VicinalError(
                f"images[{i}] has {image.shape[0]} channels of {image.dtype}, but images[0] has "
                f"{first.shape[0]} of {first.dtype}: give all images the same"
            )


def _fields_of_boxes(targets: Sequence[Target], image_fields: Collection[str]) -> list[str]:
    """The names of the tensors that have an entry for each box, the same in all targets."""
    fields = [
        [name for name in target if name not in image_fields and isinstance(target[name], Tensor)]
        for target in targets
    ]
    for i, names in enumerate(fields):
        if "weights" in names:
            raise VicinalError(f"targets[{i}] already has weights: mix a batch only once")
        if "boxes" not in names or set(names) != set(fields[0]):
            raise VicinalError(
                f"targets[{i}] holds tensors for {', '.join(names) or 'nothing'}, and targets[0] "
                f"for {', '.join(fields[0]) or 'nothing'}: give boxes, and the same fields in all"
            )
    return fields[0]


def _check_units(images: Tensor | Sequence[Tensor], targets: Sequence[Target]) -> None:
    """Reject boxes relative to their images, as a larger canvas would change what they mean."""
    if isinstance(images, Tensor) or len({image.shape[-2:] for image in images}) == 1:
        return
    boxes = torch.cat([target["boxes"].reshape(-1) for target in targets])
    largest = float(boxes.max()) if boxes.numel() else 0.0
    if 0 < largest <= 1.01:  # 1 and a little, which labelling tools give
        raise VicinalError(
            f"no number in the boxes is larger than {largest:.3g}, so they are relative to their "
            "images, which have different sizes: give boxes in pixels"
        )


def _check_entries(
    images: Tensor | Sequence[Tensor], targets: Sequence[Target], fields: Sequence[str]
) -> None:
    for i, target in enumerate(targets):
        boxes = target["boxes"]
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
            raise VicinalError(
                f"the boxes in targets[{i}] have shape {tuple(boxes.shape)} and dtype "
                f"{boxes.dtype}: give (N, 4) floats"
            )
        for name in fields:
            shape = target[name].shape
            if shape[:1] != boxes.shape[:1]:
                raise VicinalError(
                    f"{name!r} in targets[{i}] has shape {tuple(shape)}, but there are "
                    f"{len(boxes)} boxes: give an entry for each box, or name it in image_fields"
                )
            if name == "masks" and shape[1:] != images[i].shape[1:]:
                raise VicinalError(
                    f"the masks in targets[{i}] have shape {tuple(shape)}, but the image "
                    f"{tuple(images[i].shape)}: give both the same height and width"
                )
