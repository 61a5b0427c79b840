"""SplitLoader: one split of the data, as batches on the device."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from accelerate.utils import send_to_device, slice_tensors
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from vicinal.data.augment import BatchTransform
from vicinal.data.sampler import EpochSampler, Rows
from vicinal.data.showing import ShownLoader
from vicinal.errors import VicinalError
from vicinal.mixing.batch import first_tensor
from vicinal.processes import default_device
from vicinal.rng import rank_and_world_size, seed_all


class TensorData(Dataset[tuple[Tensor, Tensor]]):
    """Samples in memory, of which a batch is gathered in one operation.

    Args:
        x: (N, ...), or several such tensors in a dict, list or tuple.
        y: (N, ...), their targets.
    """

    batches_are_new = True

    def __init__(self, x: Any, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Any, Tensor]:
        return slice_tensors(self.x, index), self.y[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, Tensor]:
        chosen = torch.tensor(indices, dtype=torch.int64)
        return slice_tensors(self.x, chosen), self.y[chosen]


class ErrorsAsValues(Dataset[Any]):
    """A data set that returns a VicinalError instead of raising it.

    Raised in a worker process, it would reach the user with the worker's traceback in its text.

    What a worker draws for a batch depends on the batch alone: not on how many workers there are,
    nor on what this one has read before. So a training that is resumed draws the same.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        if isinstance(indices, Rows) and get_worker_info() is not None:
            seed_all(indices.seed)
        try:
            return self.dataset.__getitems__(indices)
        except VicinalError as error:
            return error


class SplitLoader(ShownLoader, ABC):
    """One split of the data, as batches on the device: what a Learner needs of it.

    That is its length, iteration, ``first``, ``shut_down_workers``, and ``sampler``, whose
    ``epoch`` can be set to resume from there. A data set whose batches are new tensors, which
    nothing else holds, may say so by a true attribute ``batches_are_new``: they may be overwritten.

    Args:
        dataset: where the samples come from; it has a length.
        batch_size: samples per batch, in each of the processes that train together.
        training: shuffle, drop an incomplete last batch, and augment.
        transforms: are applied to each batch on the device.
        seed: of the order and the augmentation, which differ from epoch to epoch.
        sampler: which samples come when; None for all, shuffled in training.
    """

    _loader: DataLoader[Any]

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        *,
        training: bool = False,
        transforms: Sequence[BatchTransform] = (),
        seed: int = 0,
        device: torch.device | str | None = None,
        sampler: EpochSampler | None = None,
    ) -> None:
        _check_batch_size(batch_size, len(dataset), training and sampler is None)
        self.dataset, self.training, self.transforms = dataset, training, list(transforms)
        self.device = torch.device(device) if device is not None else default_device()
        every = EpochSampler(len(dataset), batch_size, shuffle=training, seed=seed)
        self.sampler = every if sampler is None else sampler

    @abstractmethod
    def _read(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Start the next epoch: its batches, before they are moved and transformed."""

    @abstractmethod
    def _read_here(self) -> Iterable[tuple[Tensor, Tensor]]:
        """The same from the first batch on, read in this process instead of the workers."""

    def _loading(self, reader: Any, **options: Any) -> DataLoader[Any]:
        return DataLoader(
            reader,
            collate_fn=_identity,
            pin_memory=self.device.type == "cuda" and _on_cpu(self.dataset),
            # Without one of its own, torch draws from the global generator each epoch.
            generator=self.sampler.generator("workers"),
            **options,
        )

    @property
    def batch_size(self) -> int:
        return self.sampler.batch_size

    @property
    def bs(self) -> int:
        """The same by fastai's name."""
        return self.batch_size

    def one_batch(self) -> tuple[Any, Any]:
        """The first batch of the epoch to come, read in this process; no state changes.

        Raises:
            VicinalError: there is none.
        """
        if not len(self):
            raise VicinalError(
                f"the {len(self.dataset):,} samples give no batch of {self.batch_size}: take "
                "smaller batches"
            )
        return self.first()

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._transformed(self._read())

    def only(self, chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch without the other samples, which are read, but not transformed.

        Args:
            chosen: bool, one or more for each sample of this process, in the order of the epoch.
        """
        return self._transformed(_chosen(self._read(), chosen))

    def shut_down_workers(self) -> None:
        """Shut down the worker processes; the next epoch starts new ones."""
        # When the garbage collector shuts them down, torch waits for each until a timeout.
        self._loader._iterator = None

    def first(self) -> tuple[Tensor, Tensor]:
        """The first batch of the epoch to come, read in this process; no state changes.

        For streamed images it is any batch.
        """
        epoch = self.sampler.epoch
        try:
            return next(self._transformed(self._read_here()))
        finally:
            self.sampler.epoch = epoch

    def _transformed(
        self, read: Iterable[tuple[Tensor, Tensor]]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches as they are read to batches as the network sees them."""
        rank, _ = rank_and_world_size()
        # Each rank augments its samples by random numbers of its own.
        generator = self.sampler.generator(f"changes of {rank}" if rank else "changes")
        any_read, none_yet = False, True
        for batch in read:
            any_read = True
            x, y = send_to_device(batch, self.device, non_blocking=True)
            # All of its images are unreadable, and skip_bad is set.
            if y is not None and not len(y):
                continue
            x, y = self._changed(x, y, generator)
            none_yet = False
            yield self._as_images(x), y
        # In validation, a process may have no samples of its own.
        if none_yet and (any_read or self.training) and len(self):
            raise VicinalError(
                f"none of the {len(self.dataset):,} samples can be read: repair the files"
            )

    def _changed(self, x: Any, y: Any, generator: torch.Generator) -> tuple[Any, Any]:
        """A batch on the device, transformed; the targets of pixels would move with them."""
        for transform in self.transforms:
            x = transform.train(x, generator) if self.training else transform.valid(x)
        return x, y

    @staticmethod
    def _as_images(x: Any) -> Any:
        # Convolutions are fastest on channels_last, on CPUs two- to threefold.
        is_image = isinstance(x, Tensor) and x.ndim == 4
        return x.contiguous(memory_format=torch.channels_last) if is_image else x


class Batches(SplitLoader):
    """A split with random access to its samples.

    Args:
        dataset: gives a batch for a list of indices (``__getitems__``).
        batch_size: samples per batch, in each of the processes that train together.
        workers: worker processes that prefetch; 0 reads in this process.
        options: more of torch's DataLoader, for the workers.
        **kwargs: of :class:`SplitLoader`.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        *,
        workers: int = 0,
        options: Mapping[str, Any] = MappingProxyType({}),
        **kwargs: Any,
    ) -> None:
        super().__init__(dataset, batch_size, **kwargs)
        self._reader = ErrorsAsValues(dataset)
        self._loader = self._loading(
            self._reader,
            batch_sampler=self.sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            **options,
        )

    @property
    def workers(self) -> int:
        return self._loader.num_workers

    def _read(self) -> Iterable[tuple[Tensor, Tensor]]:
        return raised(self._loader)

    def _read_here(self) -> Iterable[tuple[Tensor, Tensor]]:
        return raised(map(self._reader.__getitems__, self.sampler))


def raised(read: Iterable[Any]) -> Iterator[Any]:
    """Raise the errors that :class:`ErrorsAsValues` returned in the place of batches."""
    for batch in read:
        if isinstance(batch, VicinalError):
            try:
                raise batch
            finally:
                # The error's traceback holds this frame: a reference cycle that would keep the
                # workers alive until the garbage collector runs.
                del batch
        yield batch


def as_pair(batch: Any) -> tuple[Any, Any]:
    """A batch that is a pair (x, y).

    Raises:
        VicinalError: it is something else, such as two samples without targets.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    raise VicinalError(
        f"a batch must be a pair (x, y), and not a {name_of(batch)}: give (x, None) where there "
        "are no targets"
    )


def name_of(batch: Any) -> str:
    """What a batch is, for a message: ``"Tensor of shape (2, 3)"``, ``"tuple of 2"``."""
    kind = type(batch).__name__
    if isinstance(batch, Tensor):
        return f"{kind} of shape {tuple(batch.shape)}"
    return f"{kind} of {len(batch)}" if isinstance(batch, tuple | list | dict) else kind


def _chosen(read: Iterable[tuple[Any, Any]], chosen: Tensor) -> Iterator[tuple[Any, Any]]:
    """The chosen samples of each batch that has any."""
    start = 0
    for x, y in read:
        count = len(first_tensor(x))
        rows = chosen[start : start + count]
        start += count
        if rows.all():
            yield x, y
        elif rows.any():
            yield slice_tensors(x, rows), None if y is None else y[rows]


def _on_cpu(dataset: Any) -> bool:
    return not (isinstance(dataset, TensorData) and dataset.y.device.type != "cpu")


def _identity(batch: Any) -> Any:
    """Collate nothing: data sets give whole batches. A lambda could not be sent to workers."""
    return batch


def _check_batch_size(batch_size: int, count: int, training: bool) -> None:
    if batch_size < 1:
        raise VicinalError(f"the batch size must be 2 or more, not {batch_size}")
    if not training:
        return
    if batch_size == 1:
        raise VicinalError(
            "a batch of one sample has no partner to mix with: use a batch size of 2 or more"
        )
    if batch_size > count:
        raise VicinalError(
            f"the batch size {batch_size} is larger than the {count} training samples: "
            f"use {count} or less"
        )
