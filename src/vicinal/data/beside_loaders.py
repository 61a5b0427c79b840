"""Batches of texts or images with the columns beside them."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.split_loader import Batches
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError

IMAGES = "images"  # the name of the images in a batch


class WithColumns(Dataset[tuple[dict[str, Tensor], Tensor]]):
    """Texts or images whose labels are their row numbers, with the columns of these rows.

    So texts and images are read in the same way whatever is beside them, and those that cannot be
    read, and are left out, leave their rows out, too.

    Args:
        data: the texts or images.
        columns: ``"numbers"`` and ``"categories"``, a row for each.
        y: (N, ...), the targets of the rows.
    """

    batches_are_new = True

    def __init__(self, data: Any, columns: Mapping[str, Tensor], y: Tensor) -> None:
        self.data, self.columns, self.y = data, dict(columns), y

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], Tensor]:
        x, y = self.__getitems__([index])
        return {name: values[0] for name, values in x.items()}, y[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        x, rows = self.data.__getitems__(indices)
        first = x if isinstance(x, dict) else {IMAGES: x}
        return first | {name: each[rows] for name, each in self.columns.items()}, self.y[rows]


class OnImages(BatchTransform):
    """A transform of the images in a batch that has columns, too.

    Args:
        inner: of images.
    """

    def __init__(self, inner: BatchTransform) -> None:
        self.inner = inner

    def train(self, x: Any, generator: torch.Generator) -> Any:
        return x | {IMAGES: self._for_convolutions(self.inner.train(x[IMAGES], generator))}

    def valid(self, x: Any) -> Any:
        return x | {IMAGES: self._for_convolutions(self.inner.valid(x[IMAGES]))}

    def _for_convolutions(self, images: Tensor) -> Tensor:
        # Loaders of images alone do that with whole batches: convolutions are fastest so.
        is_last = isinstance(self.inner, Normalize)
        return images.contiguous(memory_format=torch.channels_last) if is_last else images


class BesideLoaders(ImageDataLoaders):
    """Batches of images with columns, as dicts; new samples are rows with the images' files.

    Attributes:
        column: of the images in a row.
        table: from the other columns to tensors.
    """

    column: str
    table: TablePreprocessing
    has_columns = True

    @classmethod
    def of(
        cls,
        dls: ImageDataLoaders,
        columns: Sequence[Mapping[str, Tensor]],
        targets: Sequence[Tensor],
        vocab: list[str],
    ) -> "BesideLoaders":
        """From loaders of images whose labels are their row numbers.

        Args:
            columns, targets: of the training and the validation part.
        """
        train, valid = (
            Batches(
                WithColumns(part.dataset, of_columns, y),
                part.batch_size,
                training=part.training,
                transforms=[OnImages(transform) for transform in part.transforms],
                seed=part.sampler.seed,
                device=part.device,
                workers=part._loader.num_workers,
            )
            for part, of_columns, y in zip(dls.loaders, columns, targets, strict=True)
        )
        made = cls(train, valid, vocab, len(vocab))
        made.item_size, made.pixel_range = dls.item_size, dls.pixel_range
        return made

    def prepare(self) -> None:
        """Decode all images that are not decoded yet, which the first epoch would do."""
        from vicinal.data.image_data import complete

        complete([part.dataset.data for part in self.loaders])

    def stack(self, items: Sequence[Any]) -> Any:
        """Rows, as dicts or data frames', to images and columns."""
        columns = columns_of(items, self.table, self.column)
        return {IMAGES: super().stack([item[self.column] for item in items]), **columns}

    @property
    def normalize(self) -> Normalize | None:
        found = [each for each in map(_inner, self.valid.transforms) if isinstance(each, Normalize)]
        return found[-1] if found else None

    def normalized(self, mean: Sequence[float], std: Sequence[float]) -> Self:
        own = super().normalized(mean, std)
        for part in own.loaders:
            part.transforms = [
                OnImages(Normalize(mean, std)) if isinstance(_inner(each), Normalize) else each
                for each in part.transforms
            ]
        return own


def _inner(transform: BatchTransform) -> BatchTransform:
    assert isinstance(transform, OnImages)
    return transform.inner


def columns_of(items: Sequence[Any], table: TablePreprocessing, first: str) -> dict[str, Tensor]:
    """The columns of rows, as tensors.

    Args:
        items: rows, as data frames' or as dicts.
        table: from columns to tensors.
        first: the column of the text or the image.

    Raises:
        VicinalError: one is no row, or lacks a column.
    """
    for item in items:
        if not isinstance(item, Mapping | pd.Series):
            raise VicinalError(
                f"{item!r:.80} is no row with {first} and the columns beside it: give a data "
                "frame, or dicts"
            )
        missing = [name for name in (first, *table.columns) if name not in item]
        if missing:
            raise VicinalError(
                f"a row lacks {', '.join(missing)}, from which the network learned: name its "
                "columns as in the training data"
            )
    return table.transform(pd.DataFrame([{name: i[name] for name in table.columns} for i in items]))
