"""DetectionMix: one drawn mix of images and their objects, to be applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal.detection.coordinates import (
    format_of,
    from_xyxy,
    normalised,
    plain,
    wrapped,
)
from vicinal.detection.samples import Objects, fields_of, sizes_of
from vicinal.detection.scene import Layer, Scene, Size
from vicinal.detection.visible import visible
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.detection.form import ImagesWithBoxes


PIXEL = 0.99  # as boxes that are shares of their image are rounded


@dataclass(frozen=True, eq=False)
class DetectionMix:
    """A drawn mix of B images.

    Args:
        partner: (B,) int64, for each image the one that is mixed into it; the first of several.
        weight: (B,) float32 in [0, 1], the share of itself that each image keeps of its canvas.
        scenes: what is placed where, for each image.
        sizes: (height, width) of each image before it is mixed.
        form: how targets are to be read.
    """

    partner: Tensor
    weight: Tensor
    scenes: tuple[Scene, ...]
    sizes: tuple[Size, ...]
    form: "ImagesWithBoxes"

    def __call__(self, x: Any) -> Any:
        """Apply the mix to images: those that it was drawn for, or others of the same sizes.

        Args:
            x: (C, H, W) floats or uint8, a list of B, or one tensor (B, C, H, W).

        Returns:
            The mixed images, a list or a tensor.
        """
        sizes = sizes_of(x)
        if tuple(sizes) != self.sizes:
            raise VicinalError(
                f"the mix was drawn for images of the sizes {_listed(self.sizes)}, but these have "
                f"{_listed(sizes)}: apply it to the same batch"
            )
        mixed = [
            wrapped(scene.picture([plain(image) for image in x]), x[i], scene.size)
            for i, scene in enumerate(self.scenes)
        ]
        return wrapped(torch.stack(mixed), x, (0, 0)) if isinstance(x, Tensor) else mixed

    def target(self, y: Any) -> list[dict[str, Any]]:
        """The targets of the mixed images, with ``"weights"`` for the boxes.

        Args:
            y: the targets of the images that the mix was drawn for, a dict for each.
        """
        objects = self.form.objects(y, self.sizes)
        fields = fields_of(y, self.form.image_fields)
        return [self._one(i, scene, y, objects, fields) for i, scene in enumerate(self.scenes)]

    def _one(
        self, i: int, scene: Scene, y: Any, objects: Sequence[Objects], fields: Sequence[str]
    ) -> dict[str, Any]:
        """The target of one mixed image."""
        if not scene.is_mixed:
            ones = torch.ones_like(plain(y[i]["boxes"])[:, 0])
            return {"weights": ones, **_copied(y[i])}
        parts = [
            self._part(scene, number, y[layer.source], objects[layer.source], fields)
            for number, layer in enumerate(scene.layers)
        ]
        joined = {
            name: wrapped(_joined([part[name] for part in parts]), y[i].get(name), scene.size)
            for name in [*fields, "weights"]
        }
        return {**_copied(y[i], but=fields), **joined}

    def _part(
        self, scene: Scene, number: int, target: Any, objects: Objects, fields: Sequence[str]
    ) -> dict[str, Tensor]:
        """What is left of the objects of one layer: the entries of each field."""
        layer = scene.layers[number]
        seen = visible(
            objects.boxes,
            objects.masks,
            objects.keypoints,
            layer=layer,
            covers=scene.covers(number),
            own=self.sizes[layer.source],
            canvas=scene.size,
        )
        sides = seen.boxes[:, 2:] - seen.boxes[:, :2]
        # What was less than a pixel wide before stays, as it is what the user gave.
        is_thin = (sides < PIXEL).any(1) & (seen.boxes != objects.boxes).any(1)
        keep = (seen.share > 0) & (seen.share >= scene.min_visible) & ~is_thin
        if layer.chosen is not None:
            keep &= layer.chosen.to(keep.device)
        found = {name: target[name] for name in fields} | {"boxes": seen.boxes}
        if seen.masks is not None:
            found["masks"] = seen.masks
        if seen.keypoints is not None:
            found["keypoints"] = seen.keypoints
        if not bool(keep.all()):  # to select all would copy all masks
            found = {name: plain(part)[keep.to(part.device)] for name, part in found.items()}
        found = {name: plain(part) for name, part in found.items()}
        found["boxes"] = self._boxes(found["boxes"], target["boxes"], scene.size)
        if seen.keypoints is not None:
            points = self._points(found["keypoints"], scene.size)
            found["keypoints"] = points.to(target["keypoints"].dtype)
        if "area" in fields:
            found["area"] = _area(found["area"], seen.share[keep], layer, self.sizes)
        before = found.get("weights", torch.ones_like(found["boxes"][:, 0]))
        found["weights"] = before * scene.share(number)
        return found

    def _boxes(self, boxes: Tensor, given: Tensor, size: Size) -> Tensor:
        """Boxes x1, y1, x2, y2 in pixels of the canvas, as the targets have them."""
        made = from_xyxy(boxes, format_of(given, self.form.format))
        made = normalised(made, size) if self.form.normalized else made
        return made.to(given.dtype)

    def _points(self, points: Tensor, size: Size) -> Tensor:
        if not self.form.normalized:
            return points
        return torch.cat([normalised(points[..., :2], size), points[..., 2:]], -1)


def _copied(target: Any, but: Sequence[str] = ()) -> dict[str, Any]:
    """A target whose tensors are new: a data set may hold the given one for the next epoch."""
    kept = {name: value for name, value in target.items() if name not in but}
    return {name: v.clone() if isinstance(v, Tensor) else v for name, v in kept.items()}


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Parts one after the other; empty ones, such as labels of torch.tensor([]), set no dtype."""
    return torch.cat([part for part in parts if len(part)] or [parts[0]])


def _area(area: Tensor, share: Tensor, layer: Layer, sizes: Sequence[Size]) -> Tensor:
    """The area of what is visible of each object, resized with its image."""
    own = sizes[layer.source]
    factor = (layer.size[0] * layer.size[1]) / (own[0] * own[1])
    left = area * share.to(area.device) * factor
    return left if area.is_floating_point() else left.round().to(area.dtype)


def _listed(sizes: Sequence[Size]) -> str:
    shown = ", ".join(f"{height} x {width}" for height, width in sizes[:4])
    return shown + (", …" if len(sizes) > 4 else "")
