"""How masks of new images are predicted, and how they are stored."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.data.images import image_shape
from vicinal.data.mask_form import Kind, MaskForm
from vicinal.data.resizing import Resizing
from vicinal.data.sizes import sides
from vicinal.errors import VicinalError
from vicinal.models.unet import unet
from vicinal.stored import check_dataclass
from vicinal.tasks.image_preprocessing import ImagePreprocessing


@dataclass(frozen=True)
class MaskPreprocessing(ImagePreprocessing):
    """How validation images were preprocessed, and how their masks were stored.

    Args:
        masks: whether they held numbers or colours.
        values: the number or packed colour of each class.
        palette: the packed colours of their palette; None where they had none.
    """

    masks: Kind = "numbers"
    values: list[int] = field(default_factory=list)
    palette: list[int] | None = None

    writes = True

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        check_dataclass(stored, cls, "predict.how")
        made = cls(**stored)
        return unet(made.model, made.n_out), made

    def check(self) -> None:
        super().check()
        if self.vocab is None or len(self.values) != len(self.vocab):
            raise VicinalError("values must hold a number or colour for each class")
        highest = 0xFFFFFF if self.masks == "colours" else 65535
        for value in (*self.values, *(self.palette or ())):
            if not 0 <= value <= highest and value not in (self.palette or ()):
                raise VicinalError(f"{value} is no number or colour of a class")
        if self.resize == "crop":
            raise VicinalError("resize must not be crop, which leaves pixels without a class")

    @property
    def form(self) -> MaskForm:
        return MaskForm(self.masks, self.values, (), self.palette)

    def finished(self, item: Any, output: Tensor) -> Tensor:
        """Probabilities (C, H, W) to a mask of the image's own size, (H, W) uint8 class indices."""
        height, width = image_shape(item)
        _, (rows, columns) = Resizing(*sides(self.size), self.resize).placed(height, width)
        top, left = (
            (of - shown) // 2 for of, shown in zip(output.shape[1:], (rows, columns), strict=True)
        )
        output = output[:, top : top + rows, left : left + columns]
        # One class after the other: of all at once a large photo would fill the memory.
        best = torch.full((height, width), -1.0)
        mask = torch.zeros(height, width, dtype=torch.uint8)
        for index, plane in enumerate(output):
            resized = F.interpolate(plane[None, None], (height, width), mode="bilinear")[0, 0]
            higher = resized > best
            best = torch.where(higher, resized, best)
            mask[higher] = index
        return mask

    def shares(self, mask: Tensor) -> Tensor:
        """The share of the pixels of each class in a mask, (C,)."""
        counts = mask.flatten().long().bincount(minlength=self.n_out)
        return counts / counts.sum()
