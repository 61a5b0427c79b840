"""How new images are brought to a network."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from vicinal.data.augment import Normalize, resize
from vicinal.data.decoding import FULL_RANGE
from vicinal.data.images import read_named
from vicinal.data.listing import is_image
from vicinal.data.pixel_range import check_pixel_range
from vicinal.data.resizing import Method
from vicinal.data.sizes import Size, how_read, sides, size_text
from vicinal.errors import VicinalError
from vicinal.models.zoo import create_model
from vicinal.stored import check_dataclass
from vicinal.tasks.predictor import Preprocessing

LARGEST = 16_384  # pixels a side that a network may have been trained with


@dataclass(frozen=True)
class ImagePreprocessing(Preprocessing):
    """How validation images were preprocessed.

    Args:
        model, vocab: as in :class:`Preprocessing`.
        item_size: to which an image is resized when it is read: side of a square, or
            (height, width).
        size: that the network sees.
        mean, std: of the normalization, for each channel.
        resize: how an image gets ``item_size``; see :class:`~vicinal.data.resizing.Resizing`.
        pixel_range: the value that is white in images of 16 bits; None is 65535.
    """

    item_size: Size
    size: Size
    mean: list[float]
    std: list[float]
    resize: Method = "crop"
    pixel_range: int | None = None

    sample_name = "file"
    argument = "IMAGE"

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        check_dataclass(stored, cls, "predict.how")
        made = cls(**stored)
        return create_model(made.model, made.n_out), made

    def check(self) -> None:
        super().check()
        for size in (self.item_size, self.size):
            if not 1 <= min(sides(size)) <= max(sides(size)) <= LARGEST:
                raise VicinalError(f"sizes must be 1 to {LARGEST:,} pixels, not {size_text(size)}")
        if not len(self.mean) == len(self.std) == 3 or not min(self.std) > 0:
            raise VicinalError("mean and std must be of three channels, and std above 0")
        if self.pixel_range is not None:
            check_pixel_range(self.pixel_range)

    def to_json(self) -> dict[str, Any]:
        rest = {name: value for name, value in asdict(self).items() if name != "threshold"}
        return {**rest, **self._threshold()}

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        return ((str(argument), Path(argument)) for argument in arguments)

    @staticmethod
    def takes(file: Path) -> bool:
        return is_image(file)

    def batch(self, items: list[Any]) -> Tensor:
        """Image files, encoded bytes or PIL images to (B, 3, height, width) floats.

        Raises:
            BadImage: an image cannot be read; it is named.
        """
        return self.normalized(self.pixels(items))

    def pixels(self, items: list[Any]) -> Tensor:
        """As :meth:`batch`, before they are normalised: uint8."""
        size, white = how_read(self.item_size, self.resize), self.pixel_range or FULL_RANGE
        return resize(torch.stack([read_named(item, size, white) for item in items]), self.size)

    def normalized(self, pixels: Tensor) -> Tensor:
        """(B, 3, height, width) uint8 to floats."""
        return Normalize(self.mean, self.std).valid(pixels)
