"""MaskLoaders: images with a class for each pixel, which move together."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data.resizing import Resizing
from vicinal.data.split_loader import Batches
from vicinal.data.stored_masks import VOID, StoredMasks
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError


class WithMasks(Dataset[tuple[Tensor, Tensor]]):
    """Images whose labels are the rows of their masks, with these masks.

    So images are stored and read in the same way whatever their targets are.
    """

    batches_are_new = True

    def __init__(self, images: Any, masks: StoredMasks) -> None:
        self.images, self.masks = images, masks

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        x, rows = self.images.__getitems__(indices)
        y = self.masks(rows)
        if len(y) and x.shape[-2:] != y.shape[-2:]:
            raise VicinalError(
                f"an image has {x.shape[-2]}x{x.shape[-1]} pixels, and its mask "
                f"{y.shape[-2]}x{y.shape[-1]}: give a size to resize both to, as in "
                "item_tfms=Resize(224)"
            )
        return x, y

    @property
    def x(self) -> Any:
        """The images, where they are in memory."""
        return self.images.x


class MaskBatches(Batches):
    """Batches of images and masks; a transform that moves pixels moves those of both."""

    def _changed(self, x: Any, y: Any, generator: torch.Generator) -> tuple[Any, Any]:
        for transform in self.transforms:
            if transform.moves_pixels and not hasattr(transform, "train_masks"):
                name = type(transform).__name__
                raise VicinalError(
                    f"{name} may move pixels, and masks would not move with them: leave it out, or "
                    f"set {name}.moves_pixels = False if it does not"
                )
            moves: Any = transform if transform.moves_pixels else None
            if not self.training:
                x = transform.valid(x)
                y = moves.valid_masks(y) if hasattr(moves, "valid_masks") else y
                continue
            same = torch.Generator()
            same.set_state(generator.get_state())
            x = transform.train(x, generator)
            y = moves.train_masks(y, same) if moves else y
        return x, y


class MaskLoaders(ImageDataLoaders):
    """Batches of images (B, 3, H, W) and masks (B, H, W) int64; ``vocab`` names the classes."""

    @classmethod
    def of(
        cls,
        dls: Any,
        masks: Sequence[Any],
        vocab: list[str],
        classes: Callable[[Any], Any] | None = None,
    ) -> "MaskLoaders":
        """From loaders of images whose labels are the rows of their masks.

        Args:
            classes: as of :class:`StoredMasks`.
        """
        size = dls.item_size
        stored = StoredMasks(masks, None if size is None else Resizing.of(size), vocab, classes)
        made = cls(_with(dls.train, stored), _with(dls.valid, stored), vocab, len(vocab))
        made.item_size, made.pixel_range = size, dls.pixel_range
        return made

    def prepare(self) -> None:
        """Read all images and masks, which the first epoch would do."""
        from vicinal.data.image_data import complete

        parts = (self.train.dataset, self.valid.dataset)
        complete([part.images for part in parts])
        parts[0].masks(torch.arange(len(parts[0].masks)))

    def drawn(self, pictures: Tensor, masks: Tensor) -> Tensor:
        """Pictures half covered by the colours of their masks' classes.

        Args:
            pictures: (B, 3, H, W) in [0, 1].
            masks: (B, H, W); pixels without a class keep the picture's colour.
        """
        from vicinal.plots.overlays import painted  # with matplotlib

        return painted(pictures, masks.cpu(), VOID)


def _with(part: Any, masks: StoredMasks) -> MaskBatches:
    return MaskBatches(
        WithMasks(part.dataset, masks),
        part.batch_size,
        training=part.training,
        transforms=part.transforms,
        seed=part.sampler.seed,
        device=part.device,
        workers=part._loader.num_workers,
    )
