"""ImagesWithBoxes: the form of batches for object detection, and the mixers of such batches."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypedDict, Unpack

import torch
from torch import Tensor

from vicinal.detection.coordinates import FORMATS, Format, from_xyxy, normalised
from vicinal.detection.mix import DetectionMix
from vicinal.detection.samples import Objects, read_objects, sizes_of
from vicinal.detection.scene import Scene, Size, unmixed
from vicinal.detection.visible import boxes_around
from vicinal.errors import VicinalError
from vicinal.mixing.arguments import flag, one_of
from vicinal.mixing.blocks import next_mix
from vicinal.mixing.method import Method, Per
from vicinal.mixing.partners import PARTNERS
from vicinal.mixing.partners_by import Partners, needs_batch
from vicinal.mixing.pattern import Drawn


class _DrawOptions(TypedDict, total=False):
    per: Per
    p: float
    partners: Partners
    seed: int | None


class DetectionOptions(_DrawOptions, total=False):
    """The keyword arguments of every mixer for detection.

    :class:`DetectionMixer` documents them.
    """

    format: Format
    normalized: bool
    image_fields: Collection[str]


@dataclass(frozen=True)
class ImagesWithBoxes:
    """How targets are to be read: see :class:`DetectionMixer`."""

    format: str
    normalized: bool
    image_fields: tuple[str, ...]

    def objects(self, targets: Any, sizes: Sequence[Size]) -> list[Objects]:
        """The objects of images of these sizes; a VicinalError names what is wrong with them."""
        return read_objects(targets, sizes, self.format, self.normalized, self.image_fields)

    def draw(self, mixer: Any, x: Any, y: Any, other: Any) -> DetectionMix:
        """A mix that a mixer draws for a batch."""
        if other is not None:
            raise VicinalError("images with boxes have no second batch: join both in one list")
        given = [mixer.half, mixer.fields, mixer.maximum, mixer.pixelwise, mixer.integers]
        if given != [False, None, None, None, "raise"]:
            raise VicinalError(
                "half, fields, maximum, pixelwise and integers are for tensors (B, ...): leave "
                "them out for images with boxes"
            )
        if needs_batch(mixer.partners):
            raise VicinalError(
                f"partners={mixer.partners!r} is for tensors (B, ...): for images with boxes it is "
                f"one of {', '.join(PARTNERS)}"
            )
        sizes = sizes_of(x)
        if not sizes:
            raise VicinalError("there are no images in this batch: give at least one")
        objects = None if y is None else self.objects(y, sizes)
        mix = next_mix(mixer, len(sizes), (1, 1), torch.device("cpu"))
        scenes = _scenes(mix, sizes, objects)
        weight = torch.tensor([scene.weight(i) for i, scene in enumerate(scenes)])
        return DetectionMix(mix.partner, weight, tuple(scenes), tuple(sizes), self)

    def example(self) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Five images of different sizes, each but the third with two objects that overlap."""
        generator = torch.Generator().manual_seed(0)
        images, targets = [], []
        for i, size in enumerate([(16, 16), (12, 20), (16, 16), (24, 12), (16, 18)]):
            masks = torch.zeros(2, *size, dtype=torch.uint8, device="cpu")
            masks[0, 2:9, 1:8], masks[1, 5:12, 3:11] = 1, 1
            masks = masks[: 0 if i == 2 else 2]
            boxes = from_xyxy(boxes_around(masks).float(), self.format)
            boxes = normalised(boxes, size) if self.normalized else boxes
            images.append(torch.rand(3, *size, generator=generator, device="cpu"))
            labels = torch.arange(1, 1 + len(masks), device="cpu")
            targets.append({"boxes": boxes, "labels": labels, "masks": masks})
        return images, targets


def _scenes(mix: Any, sizes: list[Size], objects: list[Objects] | None) -> list[Scene]:
    partner = mix.partner.tolist()
    drawn = [(pattern.mixer, pattern.values.tolist()) for pattern in mix.patterns]
    scenes = []
    for i, size in enumerate(sizes):
        made = (
            mixer.scene(i, numbers[i], partner, sizes, objects)
            for mixer, numbers in drawn
            if numbers[i][0] >= 0
        )
        scenes.append(next((scene for scene in made if scene is not None), unmixed(i, size)))
    return scenes


class Numbers(Drawn):
    """Numbers for each sample, of which its mixer makes a scene.

    Args:
        numbers: (B, n) float64, none below 0; -1 for samples that are not mixed.
        mixer: which has the options.
    """

    tensors = ("numbers",)
    spatial = False
    size_of = None
    dtype = torch.float64

    def __init__(self, numbers: Tensor, mixer: "DetectionMixer") -> None:
        self.numbers, self.mixer = numbers, mixer

    @property
    def weight(self) -> Tensor:
        return (self.numbers[:, 0] < 0).float()

    def only(self, chosen: Tensor) -> Self:
        return self.map(lambda numbers: numbers.where(chosen[:, None], -1.0))

    # A mixer's `drawn_types` holds an instance, as numbers alone do not tell the mixer's options.
    def from_values(self, values: Tensor, size: tuple[int, ...]) -> Self:  # type: ignore[override]
        return self.with_tensors(values)

    def values_shape(self, size: tuple[int, ...]) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.numbers.shape[1:])

    def with_tensors(self, *tensors: Tensor) -> Self:
        (numbers,) = tensors
        return type(self)(numbers, self.mixer)


class DetectionMixer(Method):
    """The base class of mixers of images with boxes.

    Args:
        format: of the boxes: "xyxy", "xywh" (x, y, width, height) or "cxcywh" (the centre first).
            torchvision's ``BoundingBoxes`` say it themselves.
        normalized: whether boxes and keypoints are shares of their image's width and height, in
            [0, 1], instead of pixels.
        image_fields: the names of tensors in a target that describe the whole image. An image keeps
            its own; all other tensors must have an entry for each box.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
    """

    block_size = 16

    def __init__(
        self,
        *,
        format: Format = "xyxy",
        normalized: bool = False,
        image_fields: Collection[str] = ("image_id",),
        **options: Unpack[_DrawOptions],
    ) -> None:
        super().__init__(**options)
        self.format = one_of("format", format, FORMATS)
        self.normalized = flag("normalized", normalized)
        if isinstance(image_fields, str):
            image_fields = (image_fields,)
        self.image_fields = tuple(image_fields)

    @abstractmethod
    def numbers(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, n) float64 random numbers of 0 or more, n of them for each image."""

    @abstractmethod
    def scene(
        self,
        i: int,
        numbers: list[float],
        partner: list[int],
        sizes: list[Size],
        objects: list[Objects] | None,
    ) -> Scene | None:
        """What becomes of image ``i``, by its numbers; None if it is not mixed.

        Args:
            i: of the image in the batch.
            numbers: those that were drawn for it.
            partner: for each image of the batch, the number of its partner.
            sizes: (height, width) of each image.
            objects: of each image; None if the mix is drawn without targets.
        """

    @property
    def form(self) -> ImagesWithBoxes:  # type: ignore[override]
        return ImagesWithBoxes(self.format, self.normalized, self.image_fields)

    @property
    def drawn_types(self) -> tuple[Any, ...]:  # type: ignore[override]
        return (Numbers(torch.empty(0, 1, dtype=torch.float64, device="cpu"), self),)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Numbers:
        return Numbers(self.numbers(count, generator), self)
