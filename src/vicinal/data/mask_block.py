"""MaskBlock: the target is a class for each pixel."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vicinal.cross_entropy import CrossEntropyLossFlat
from vicinal.data.blocks import InputBlock, LabelledItems, LoaderOptions, TargetBlock, Targets
from vicinal.data.cropping import RandomCropping
from vicinal.data.images import in_threads
from vicinal.data.item_transforms import resizing_of
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.data.stored_masks import VOID, read_mask
from vicinal.errors import VicinalError


class MaskBlock(TargetBlock):
    """The target is a mask: a class for each pixel.

    ``get_y`` gives a file, a PIL image or an array whose values are the classes, from 0 on; 255 is
    a pixel without a class, which the default loss skips. Masks are resized, cropped and flipped
    as their images are.

    Args:
        codes: the names of the classes; None takes the numbers up to the largest in any mask.
    """

    is_classes = False

    def __init__(self, codes: Iterable[Any] | None = None) -> None:
        self.codes = None if codes is None else [str(code) for code in codes]
        if self.codes is not None and len(self.codes) < 2:
            raise VicinalError(f"codes must name two classes or more, not {self.codes}")

    @property
    def loss_func(self) -> Callable[..., Tensor]:  # type: ignore[override]
        return CrossEntropyLossFlat(axis=1, ignore_index=VOID)

    def encode(self, values: Sequence[Any], items: Sequence[Any]) -> Targets:
        """The masks as they are stored, and the names of their classes.

        Raises:
            VicinalError: a mask is missing, or without ``codes`` one cannot be read.
        """
        for place, value in enumerate(values):
            if value is None or (
                isinstance(value, str | os.PathLike) and not os.path.isfile(value)
            ):
                raise VicinalError(f"there is no mask {value} of {items[place]}: correct get_y")
        codes = self.codes or _codes_of(values)
        return Targets(values, codes, len(codes))

    def loaders(
        self, inputs: InputBlock, data: LabelledItems, options: LoaderOptions
    ) -> MaskLoaders:
        if isinstance(resizing_of(options.item_tfms), RandomCropping):
            raise VicinalError(
                "RandomResizedCrop crops each image when it is read, without its mask: give "
                "item_tfms=Resize(size), and batch_tfms=aug_transforms(size=size, min_scale=0.35)"
            )
        masks, codes = data.targets.values, data.targets.vocab or []
        rows = Targets(torch.arange(len(masks)), None, len(codes))
        images = inputs.loaders(replace(data, targets=rows), options)
        return MaskLoaders.of(images, masks, codes)

    def decode(self, activations: Tensor, vocab: list[str] | None) -> Tensor:
        return activations.argmax(dim=1)

    def text(self, target: Tensor, vocab: list[str] | None) -> str:
        """The classes in a mask, the largest first."""
        names = vocab or []
        counts = target[target != VOID].flatten().cpu().bincount(minlength=len(names)).tolist()
        largest = sorted(range(len(names)), key=lambda index: -counts[index])
        return ", ".join(names[index] for index in largest if counts[index])


def _codes_of(masks: Sequence[Any]) -> list[str]:
    """The numbers of the classes, up to the largest one."""

    def largest(row: int) -> int:
        mask = read_mask(masks[row], None, f"mask {row}")
        return int(mask.where(mask != VOID, 0).max())

    return [str(index) for index in range(max(1, *in_threads(largest, len(masks))) + 1)]
