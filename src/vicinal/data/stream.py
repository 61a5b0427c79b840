"""Images that are read from one shard after the other, as batches on the device."""

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
from vicinal.data.shards import BUFFER, Shards, StreamedSplit, own_shards, read_rows
from vicinal.data.split_loader import SplitLoader, raised
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError
from vicinal.processes import this_process
from vicinal.rng import derive_seed


class ShardReader(IterableDataset[Any]):
    """Decodes the images of ``rows`` as they come, a piece at a time; errors are values.

    Args:
        shards: the part of the data.
        size: side of the square that images become.
        piece: how many images are decoded at a time.
        skip_bad: leave out what cannot be read; a piece may be empty.
    """

    def __init__(self, shards: Shards, size: int, piece: int, *, skip_bad: bool = False) -> None:
        self.shards, self.size, self.piece, self.skip_bad = shards, size, piece, skip_bad
        self.rows = shards.rows

    def __len__(self) -> int:
        return len(self.shards)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        raise VicinalError(
            "images that are streamed cannot be picked out of the others: train without --stream"
        )

    def __iter__(self) -> Iterator[Any]:
        rows = read_rows(self.shards.source, self.rows)
        try:
            while piece := list(itertools.islice(rows, self.piece)):
                yield self._decoded(piece)
        except VicinalError as error:
            yield error

    def _decoded(self, rows: list[Any]) -> tuple[Tensor, Tensor]:
        return batch_of(map(self._decoded_row, rows), self.size, skip_bad=self.skip_bad)

    def _decoded_row(self, row: Any) -> tuple[Tensor | str, int]:
        image, label = row[self.shards.image], row[self.shards.label]
        name = (image or {}).get("path") or f"an image with the label {label}"
        if label not in self.shards.classes:
            raise VicinalError(
                f"the label {label} of {name} is of no class: correct it or drop the row"
            )
        try:
            return read_image(image, self.size), self.shards.classes[label]
        except BadImage as error:
            return f"{name} ({error})", self.shards.classes[label]


class StreamedBatches(SplitLoader):
    """A part of the data that is read from its shards, in training in a random order of them.

    Rows are shuffled in a buffer, by the seed and the epoch alone. Of several processes that train
    together each reads shards of its own, or where they are no multiple of the processes, rows of
    its own. All have equally many batches in training: who has more than its share leaves out the
    last ones, who has less begins again.

    Args:
        dataset: reads the shards.
        batch_size: samples a batch, in each of the processes that train together.
        workers: processes that read ahead, each of them other shards; 0 reads in this one.
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
            batches = of_one_size(self._passes(epoch), self.batch_size)
            yield from itertools.islice(batches, len(self))
        else:
            yield from of_one_size(self._pass(self.dataset.shards.rows), self.batch_size)

    def _read_here(self) -> Iterator[tuple[Tensor, Tensor]]:
        # To look at a batch, a smaller buffer will do.
        reader = copy.copy(self.dataset)
        reader.rows = self._shuffled(self.sampler.epoch, 0, 4 * self.batch_size)
        yield from of_one_size(raised(reader), self.batch_size)

    def _passes(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Passes through the shards, until one of them gives nothing."""
        buffer = max(1, BUFFER // max(1, self.workers))
        for number in itertools.count():
            found = 0
            for piece in self._pass(self._shuffled(epoch, number, buffer)):
                yield piece
                found += len(piece[1])
            if not found:
                return

    def _pass(self, rows: Any) -> Iterator[tuple[Tensor, Tensor]]:
        self.dataset.rows = own_shards(rows)  # workers that begin now get it along
        yield from raised(self._loader)

    def _shuffled(self, epoch: int, number: int, buffer: int) -> Any:
        seed = derive_seed(self.sampler.seed, "order", epoch, number)
        shuffle = self.dataset.shards.rows.shuffle
        # Newer versions would read ten shards at once by threads, and end each pass by a sleep.
        newer = "max_buffer_input_shards" in inspect.signature(shuffle).parameters
        one_after_the_other = {"max_buffer_input_shards": 1} if newer else {}
        return shuffle(seed=seed, buffer_size=buffer, **one_after_the_other)


def of_one_size(
    pieces: Iterable[tuple[Tensor, Tensor]], size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pieces of any lengths to batches of one; the last one is what is left, if only nothing.

    >>> x, y = torch.zeros(5, 2), torch.arange(5)
    >>> [y.tolist() for _, y in of_one_size([(x, y), (x, y)], 4)]
    [[0, 1, 2, 3], [4, 0, 1, 2], [3, 4]]
    """
    x = y = torch.empty(0)
    any_read = False
    for piece in pieces:
        any_read = True
        x, y = (torch.cat(both) for both in zip((x, y), piece, strict=True)) if len(y) else piece
        while len(y) >= size:
            yield x[:size], y[:size]
            x, y = x[size:], y[size:]
    if any_read:
        yield x, y


def streamed_loaders(
    split: StreamedSplit,
    *,
    item_size: int,
    batch_tfms: Sequence[BatchTransform] | None = None,
    normalize: Normalize | None = None,
    bs: int = 64,
    seed: int | None = None,
    device: torch.device | str | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
) -> ImageDataLoaders:
    """Batches of images from shards; the arguments are those of ``ImageDataLoaders.from_split``."""
    this_process()  # begins the group, where this is one of several
    transforms = [*(batch_tfms or []), normalize or Normalize(*IMAGENET_STATS)]

    def batches(shards: Shards, batch_size: int, **kwargs: Any) -> StreamedBatches:
        reader = ShardReader(shards, item_size, batch_size, skip_bad=skip_bad)
        own: dict[str, Any] = {"workers": shards.workers(workers), "device": device}
        return StreamedBatches(reader, batch_size, transforms=transforms, **own, **kwargs)

    train = batches(split.train, bs, training=True, seed=seed or 0)
    dls = ImageDataLoaders(train, batches(split.valid, 2 * bs), split.vocab, len(split.vocab))
    dls.item_size = item_size
    return dls
