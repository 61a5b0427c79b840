"""Batches of images that are streamed from shards."""

import copy
import inspect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from vicinal.data.augment import IMAGENET_STATS, BatchTransform, Normalize
from vicinal.data.images import BadImage, batch_of, read_image
from vicinal.data.resizing import Resizing
from vicinal.data.shards import BUFFER, Shards, StreamedSplit, own_shards, read_rows
from vicinal.data.sizes import Size, how_read
from vicinal.data.split_loader import SplitLoader, raised
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError
from vicinal.processes import this_process
from vicinal.rng import derive_seed


class ShardReader(IterableDataset[Any]):
    """Decodes the images of ``rows`` in chunks; errors are returned as values.

    Args:
        shards: the part of the data.
        size: that images are resized to, as in :func:`~vicinal.data.images.read_image`.
        chunk: how many images are decoded at a time.
        skip_bad: leave out images that cannot be read; a chunk may be empty.
    """

    def __init__(
        self, shards: Shards, size: Resizing | int, chunk: int, *, skip_bad: bool = False
    ) -> None:
        self.shards, self.size, self.chunk, self.skip_bad = shards, size, chunk, skip_bad
        self.rows = shards.rows

    def __len__(self) -> int:
        return len(self.shards)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        raise VicinalError(
            "streamed images cannot be picked out of the others: train without --stream"
        )

    def __iter__(self) -> Iterator[Any]:
        rows = read_rows(self.shards.source, self.rows)
        try:
            while chunk := list(itertools.islice(rows, self.chunk)):
                yield self._decoded(chunk)
        except VicinalError as error:
            yield error

    def _decoded(self, rows: list[Any]) -> tuple[Tensor, Tensor]:
        return batch_of(map(self._decoded_row, rows), self.size, skip_bad=self.skip_bad)

    def _decoded_row(self, row: Any) -> tuple[Tensor | str, int]:
        image, label = row[self.shards.image], row[self.shards.label]
        name = (image or {}).get("path") or f"an image with the label {label}"
        if label not in self.shards.classes:
            raise VicinalError(
                f"the label {label} of {name} is not a known class: correct it or drop the row"
            )
        try:
            return read_image(image, self.size), self.shards.classes[label]
        except BadImage as error:
            return f"{name} ({error})", self.shards.classes[label]


class StreamedBatches(SplitLoader):
    """A split that is streamed from shards, in training in random order.

    Shards and rows (in a buffer) are shuffled by the seed and the epoch alone. Of several processes
    that train together each reads its own shards, or if their number is not a multiple of the
    processes, its own rows. In training all have the same number of batches: a process with more
    rows drops the last ones, a process with fewer starts over.

    Args:
        dataset: reads the shards.
        batch_size: samples per batch, in each of the processes that train together.
        workers: worker processes, each with its own shards; 0 reads in this process.
        **kwargs: of :class:`SplitLoader`.
    """

    def __init__(
        self, dataset: ShardReader, batch_size: int, *, workers: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(dataset, batch_size, **kwargs)
        self.workers = workers
        self._loader = self._loading(dataset, batch_size=None, num_workers=workers)

    def _read(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = self.sampler.epoch
        self.sampler.epoch += 1
        if self.training:
            batches = rebatch(self._passes(epoch), self.batch_size)
            yield from itertools.islice(batches, len(self))
        else:
            yield from rebatch(self._pass(self.dataset.shards.rows), self.batch_size)

    def _read_here(self) -> Iterator[tuple[Tensor, Tensor]]:
        # A smaller shuffle buffer, as filling the whole one for a single batch would take long.
        reader = copy.copy(self.dataset)
        reader.rows = self._shuffled(self.sampler.epoch, 0, 4 * self.batch_size)
        yield from rebatch(raised(reader), self.batch_size)

    def _passes(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless passes through the shards; stops if a pass yields no sample."""
        buffer = max(1, BUFFER // max(1, self.workers))
        for number in itertools.count():
            found = 0
            for chunk in self._pass(self._shuffled(epoch, number, buffer)):
                yield chunk
                found += len(chunk[1])
            if not found:
                return

    def _pass(self, rows: Any) -> Iterator[tuple[Tensor, Tensor]]:
        self.dataset.rows = own_shards(rows)  # workers start now, with a copy of this data set
        yield from raised(self._loader)

    def _shuffled(self, epoch: int, number: int, buffer: int) -> Any:
        seed = derive_seed(self.sampler.seed, "order", epoch, number)
        shuffle = self.dataset.shards.rows.shuffle
        # Newer versions read ten shards at once in threads by default, and end a pass with a sleep.
        newer = "max_buffer_input_shards" in inspect.signature(shuffle).parameters
        sequential = {"max_buffer_input_shards": 1} if newer else {}
        return shuffle(seed=seed, buffer_size=buffer, **sequential)


def rebatch(chunks: Iterable[tuple[Tensor, Tensor]], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rebatch chunks of any length; the last batch is the rest, which may be empty.

    >>> x, y = torch.zeros(5, 2), torch.arange(5)
    >>> [y.tolist() for _, y in rebatch([(x, y), (x, y)], 4)]
    [[0, 1, 2, 3], [4, 0, 1, 2], [3, 4]]
    """
    x = y = torch.empty(0)
    any_read = False
    for chunk in chunks:
        any_read = True
        x, y = (torch.cat(both) for both in zip((x, y), chunk, strict=True)) if len(y) else chunk
        while len(y) >= size:
            yield x[:size], y[:size]
            x, y = x[size:], y[size:]
    if any_read:
        yield x, y


def streamed_loaders(
    split: StreamedSplit,
    *,
    item_size: Size | Resizing,
    batch_tfms: Sequence[BatchTransform] | None = None,
    normalize: Normalize | None = None,
    bs: int = 64,
    seed: int | None = None,
    device: torch.device | str | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
) -> ImageDataLoaders:
    """Batches of streamed images; the arguments are those of ``ImageDataLoaders.from_split``."""
    this_process()  # joins the process group, on which the own shards depend
    read_at = how_read(item_size)
    transforms = [*(batch_tfms or []), normalize or Normalize(*IMAGENET_STATS)]

    def batches(shards: Shards, batch_size: int, **kwargs: Any) -> StreamedBatches:
        reader = ShardReader(shards, read_at, batch_size, skip_bad=skip_bad)
        own: dict[str, Any] = {"workers": shards.workers(workers), "device": device}
        return StreamedBatches(reader, batch_size, transforms=transforms, **own, **kwargs)

    train = batches(split.train, bs, training=True, seed=seed or 0)
    dls = ImageDataLoaders(train, batches(split.valid, 2 * bs), split.vocab, len(split.vocab))
    dls.item_size = read_at
    return dls
