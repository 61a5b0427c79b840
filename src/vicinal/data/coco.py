"""CocoDataset: images and objects of COCO's JSON, in the format of torchvision's detectors."""

import os
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data.coco_json import Annotated, check_pycocotools, read_coco
from vicinal.errors import VicinalError

Sample = tuple[Any, dict[str, Any]]


class CocoDataset(Dataset[Sample]):
    """Images with the objects that a JSON file in COCO's format says are on them.

    Each sample is an image and its target, as torchvision's detection models and v2 transforms take
    them: a uint8 ``Image`` (3, H, W), and a dict of ``"boxes"`` (N, 4), x1, y1, x2, y2 in pixels as
    ``BoundingBoxes``; ``"labels"`` (N,) int64; ``"area"`` and ``"iscrowd"`` (N,); and the
    ``"image_id"``. Images without objects have N = 0.

    Labels count from 1 to the number of categories, in the order of their ids, which need not be
    contiguous; 0 is the background. ``dataset.classes[label - 1]`` is the name of a label, and
    ``dataset.category_ids[label - 1]`` its id in the file, as needed to write results.

    Args:
        images: the folder that the file names are in.
        annotations: the JSON file.
        masks: also ``"masks"``, (N, H, W) uint8, from polygons and run lengths; by pycocotools.
        keypoints: also ``"keypoints"``, (N, K, 3): x, y, and 0 for those that are not labelled.
        transforms: of torchvision's v2, or a function: from image and target to both.
        invalid: "raise" an error that counts what is wrong, or "skip" it: images that are missing,
            and boxes that are inside out, outside of their image by more than a pixel, or of
            unknown images or categories. What was left out is said in ``dataset.left_out``. Boxes
            that stick out by up to a pixel, which tools round, are clipped.

    Raises:
        VicinalError: the file is not COCO's JSON, it names what is not there, or pycocotools is
            needed and not installed; for a sample, its image cannot be decoded or has another size.

    Images are read as they are stored, as boxes refer to that; only where the file gives the size
    of the picture turned upright by its Exif orientation, it is turned.

    >>> import json, pathlib, tempfile
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (8, 6)).save(folder / "a.png")
    >>> content = {
    ...     "images": [{"id": 7, "file_name": "a.png", "width": 8, "height": 6}],
    ...     "annotations": [{"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4]}],
    ...     "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}],
    ... }
    >>> _ = (folder / "a.json").write_text(json.dumps(content))
    >>> image, target = CocoDataset(folder, folder / "a.json")[0]
    >>> image.shape, target["boxes"].tolist(), target["labels"].tolist()
    (torch.Size([3, 6, 8]), [[1.0, 2.0, 4.0, 6.0]], [2])
    """

    def __init__(
        self,
        images: str | os.PathLike[str],
        annotations: str | os.PathLike[str],
        *,
        masks: bool = False,
        keypoints: bool = False,
        transforms: Callable[..., Any] | None = None,
        invalid: Literal["raise", "skip"] = "raise",
    ) -> None:
        if invalid not in ("raise", "skip"):
            raise ValueError(f"invalid must be 'raise' or 'skip', not {invalid!r}")
        if masks:
            check_pycocotools()
        coco = read_coco(
            images, annotations, masks=masks, keypoints=keypoints, skip=invalid == "skip"
        )
        self.images, self.left_out = coco.images, coco.left_out
        self.category_ids = [category["id"] for category in coco.categories]
        self.classes = [str(category.get("name", category["id"])) for category in coco.categories]
        names = [category.get("keypoints", []) for category in coco.categories]
        self.keypoints = max(map(len, names), default=0) if keypoints else None
        self.masks, self.transforms = masks, transforms
        self._labels = {id: label for label, id in enumerate(self.category_ids, 1)}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        from torchvision import tv_tensors

        one = self.images[index]
        image = tv_tensors.Image(_read(one))
        target = self._target(one)
        size = one.height, one.width
        target["boxes"] = tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=size)
        if "masks" in target:
            target["masks"] = tv_tensors.Mask(target["masks"])
        if self.transforms is None:
            return image, target
        points, boxes = target.get("keypoints"), target["boxes"]
        sample = self.transforms(image, target)
        if points is not None:
            _check_points_moved(points, boxes, sample, one)
        return sample

    def _target(self, one: Annotated) -> dict[str, Any]:
        objects = one.objects
        boxes = torch.tensor([o["bbox"] for o in objects], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes = torch.minimum(boxes.clamp(min=0), boxes.new_tensor([one.width, one.height] * 2))
        area = [o.get("area", o["bbox"][2] * o["bbox"][3]) for o in objects]
        target: dict[str, Any] = {
            "boxes": boxes,
            "labels": torch.tensor([self._labels[o["category_id"]] for o in objects]).long(),
            "area": torch.tensor(area, dtype=torch.float32),
            "iscrowd": torch.tensor([int(o.get("iscrowd", 0)) for o in objects]).long(),
            "image_id": torch.tensor(one.id) if isinstance(one.id, int) else one.id,
        }
        if self.masks:
            masks = [_mask(o["segmentation"], one) for o in objects]
            empty = torch.zeros(0, one.height, one.width, dtype=torch.uint8)
            target["masks"] = torch.stack(masks) if masks else empty
        if self.keypoints is not None:
            target["keypoints"] = torch.zeros(len(objects), self.keypoints, 3)
            for row, o in zip(target["keypoints"], objects, strict=True):
                points = torch.tensor(o.get("keypoints", []), dtype=torch.float32).reshape(-1, 3)
                row[: len(points)] = points
        return target


def _check_points_moved(points: Tensor, boxes: Tensor, sample: Any, one: Annotated) -> None:
    """Refuse keypoints that transforms have left where they were, while boxes moved."""
    from torchvision.transforms.v2.functional import convert_bounding_box_format

    target = sample[1] if isinstance(sample, tuple) and len(sample) == 2 else None
    if not isinstance(target, dict) or target.get("keypoints") is not points or not points.any():
        return
    moved = target.get("boxes")
    if isinstance(moved, type(boxes)):
        moved = convert_bounding_box_format(moved, new_format="XYXY")
    if isinstance(moved, Tensor) and (
        moved.shape != boxes.shape or not torch.allclose(moved, boxes.to(moved.dtype), atol=1e-3)
    ):
        raise VicinalError(
            f"the transforms moved the boxes of {one.file.name}, but not its keypoints, which "
            "torchvision's leave as they are: give a function that moves both, or transforms of "
            "colours alone"
        )


def _read(one: Annotated) -> Tensor:
    """The picture (3, H, W) uint8, of the size that the file says."""
    from PIL import Image, ImageOps
    from torchvision.transforms.v2.functional import pil_to_tensor

    try:
        with Image.open(one.file) as opened:
            picture: Image.Image = opened
            if picture.size != (one.width, one.height):
                picture = ImageOps.exif_transpose(picture)
            found = picture.size
            if picture.mode.startswith(("I", "F")):  # which PIL's conversion to RGB would clip
                raise ValueError(
                    f"it has more than 8 bits a pixel, of the mode {picture.mode}, and would be "
                    "clipped: store it with 8"
                )
            picture = picture.convert("RGB")
    except Exception as error:  # of nearly any type
        raise VicinalError(f"{one.file} cannot be decoded ({error}): replace it") from None
    if found != (one.width, one.height):
        raise VicinalError(
            f"{one.file} has {found[0]} x {found[1]} pixels, but the annotations say {one.width} x "
            f"{one.height}: give the images that were annotated"
        )
    return pil_to_tensor(picture)  # type: ignore[no-any-return]


def _mask(segments: Any, one: Annotated) -> Tensor:
    """The mask (H, W) uint8 of polygons or run lengths."""
    from pycocotools import mask as coco

    encoded = segments
    if isinstance(segments, list):
        encoded = coco.merge(coco.frPyObjects(segments, one.height, one.width))
    elif isinstance(segments["counts"], list):
        encoded = coco.frPyObjects(segments, one.height, one.width)
    return torch.from_numpy(coco.decode(encoded).copy())
