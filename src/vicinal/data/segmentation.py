"""SegmentationDataLoaders: images and their masks, from files."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from vicinal.data.block import DataBlock
from vicinal.data.image_blocks import ImageBlock
from vicinal.data.mask_block import MaskBlock
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.data.splitters import RandomSplitter


class SegmentationDataLoaders(MaskLoaders):
    """Batches of images and masks; see :meth:`from_label_func`."""

    @classmethod
    def from_label_func(
        cls,
        path: str | os.PathLike[str],
        fnames: Iterable[Any],
        label_func: Callable[[Any], Any],
        valid_pct: float = 0.2,
        seed: int | None = None,
        codes: Iterable[Any] | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        **kwargs: Any,
    ) -> MaskLoaders:
        """From image files, and a function that finds the mask of each.

        Args:
            path: the folder of the data.
            fnames: the image files.
            label_func: from an image file to its mask: see :class:`MaskBlock`.
            valid_pct: the fraction held out for validation, between 0 and 1.
            seed: of the split, the order and the augmentation.
            codes: the names of the classes; None takes their numbers.
            item_tfms, batch_tfms: as in :class:`DataBlock`.
            **kwargs: of :meth:`DataBlock.dataloaders`, such as ``bs``.

        Raises:
            VicinalError: a file cannot be read, or a mask does not fit its image or ``codes``.
        """
        block = DataBlock(
            blocks=(ImageBlock, MaskBlock(codes)),
            splitter=RandomSplitter(valid_pct, seed=seed),
            get_y=label_func,
            item_tfms=item_tfms,
            batch_tfms=batch_tfms,
        )
        dls: Any = block.dataloaders(list(fnames), **kwargs)
        return dls
