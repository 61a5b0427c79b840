"""DataLoaders: a training and a validation part, as batches on the device."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import torch
from accelerate.utils import send_to_device, slice_tensors
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vicinal.data.augment import BatchTransform, Normalize
from vicinal.errors import VicinalError
from vicinal.mixing.batch import leaves
from vicinal.processes import default_device, this_process
from vicinal.rng import derive_seed, rank_and_world_size


class TensorData(Dataset[tuple[Tensor, Tensor]]):
    """Samples that lie in memory: a batch of them is gathered in one operation.

    Args:
        x: (N, ...), or several such tensors in a dict, list or tuple.
        y: (N, ...), their targets.
    """

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
    """A data set that returns errors meant for the user instead of raising them.

    Out of a worker process torch raises them with the worker's traceback in their text.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        try:
            return self.dataset.__getitems__(indices)
        except VicinalError as error:
            return error


class Order:
    """The order in which samples come: index lists, another shuffle each epoch, seeded.

    Where several processes train together, each has its share: in training, its rows of every
    batch, which they make up together; in validation, a run of neighbouring samples.
    """

    def __init__(self, count: int, batch_size: int, *, shuffle: bool, seed: int) -> None:
        self.count, self.batch_size, self.shuffle, self.seed = count, batch_size, shuffle, seed
        self.epoch = 0

    def generator(self, purpose: str) -> torch.Generator:
        """Random numbers for one purpose in the epoch to come."""
        return torch.Generator().manual_seed(derive_seed(self.seed, purpose, self.epoch))

    def __len__(self) -> int:
        rank, processes = rank_and_world_size()
        if self.shuffle:
            # A last batch that is not full would weigh its samples more in training.
            return self.count // (self.batch_size * processes)
        return math.ceil(len(range(self.count)[rank::processes]) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rank, processes = rank_and_world_size()
        if self.shuffle:
            order = torch.randperm(self.count, generator=self.generator("order"))
            together = order[: len(self) * self.batch_size * processes]
            own = together.view(-1, processes, self.batch_size)[:, rank].flatten()
        else:
            own = torch.arange(self.count).tensor_split(processes)[rank]
        self.epoch += 1  # at the start, so that who stops in the middle goes on to the next one
        for batch in own.split(self.batch_size) if len(own) else ():
            yield batch.tolist()


class Part(ABC):
    """One part of the data, as batches on the device: what a Learner needs of it.

    That is its length, to go through it, ``first``, ``let_workers_go``, and ``order``: whoever sets
    ``order.epoch`` goes on from that epoch.

    Args:
        dataset: what the samples come from; it has a length.
        batch_size: samples a batch, in each of the processes that train together.
        training: shuffle, drop the last batch where it is not full, and change samples at random.
        transforms: changes of a batch, made on the device.
        seed: of the order and the random changes; every epoch has draws of its own.
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
    ) -> None:
        _check_batch_size(batch_size, len(dataset), training)
        self.dataset, self.training, self.transforms = dataset, training, list(transforms)
        self.device = torch.device(device) if device is not None else default_device()
        self.order = Order(len(dataset), batch_size, shuffle=training, seed=seed)

    @abstractmethod
    def _read(self) -> Iterable[tuple[Tensor, Tensor]]:
        """The batches of the epoch to come as they are stored; that epoch begins."""

    @abstractmethod
    def _read_here(self) -> Iterable[tuple[Tensor, Tensor]]:
        """The same, read in this process and from the first one on."""

    def _loading(self, reader: Any, **options: Any) -> DataLoader[Any]:
        return DataLoader(
            reader,
            collate_fn=_as_it_is,
            pin_memory=self.device.type == "cuda" and _on_cpu(self.dataset),
            # Without one of its own, torch draws from the global generator each epoch.
            generator=self.order.generator("workers"),
            **options,
        )

    @property
    def batch_size(self) -> int:
        return self.order.batch_size

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._finished(self._read())

    def let_workers_go(self) -> None:
        """End the processes that read ahead; the next epoch begins new ones."""
        # Left to the garbage collector, torch would wait for each of them in vain.
        self._loader._iterator = None

    def first(self) -> tuple[Tensor, Tensor]:
        """A batch of the epoch to come, read in this process; nothing else changes.

        It is the first one, but of images that are streamed in a random order any.
        """
        epoch = self.order.epoch
        try:
            return next(self._finished(self._read_here()))
        finally:
            self.order.epoch = epoch

    def _finished(self, read: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches as they are read to batches as the network sees them."""
        rank, _ = rank_and_world_size()
        # Every process changes its samples in other ways.
        generator = self.order.generator(f"changes of {rank}" if rank else "changes")
        any_read, none_yet = False, True
        for batch in read:
            any_read = True
            x, y = send_to_device(batch, self.device, non_blocking=True)
            if not len(y):  # none of its images can be read, and they are to be left out
                continue
            for transform in self.transforms:
                x = transform.train(x, generator) if self.training else transform.valid(x)
            none_yet = False
            yield self._as_images(x), y
        # In validation, a process may have no share.
        if none_yet and (any_read or self.training) and len(self):
            raise VicinalError(
                f"none of the {len(self.dataset):,} samples can be read: repair the files"
            )

    @staticmethod
    def _as_images(x: Any) -> Any:
        # Convolutions are fastest on channels_last, on CPUs two- to threefold.
        is_image = isinstance(x, Tensor) and x.ndim == 4
        return x.contiguous(memory_format=torch.channels_last) if is_image else x


class Batches(Part):
    """A part of the data of which any sample can be had, shuffled as a whole.

    Args:
        dataset: gives a batch for a list of indices (``__getitems__``).
        batch_size: samples a batch, in each of the processes that train together.
        workers: processes that read ahead; 0 reads in this one.
        **kwargs: of :class:`Part`.
    """

    def __init__(self, dataset: Any, batch_size: int, *, workers: int = 0, **kwargs: Any) -> None:
        super().__init__(dataset, batch_size, **kwargs)
        self._reader = ErrorsAsValues(dataset)
        self._loader = self._loading(
            self._reader,
            batch_sampler=self.order,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def _read(self) -> Iterable[tuple[Tensor, Tensor]]:
        return raised(self._loader)

    def _read_here(self) -> Iterable[tuple[Tensor, Tensor]]:
        return raised(map(self._reader.__getitems__, self.order))


def raised(read: Iterable[Any]) -> Iterator[Any]:
    """What was read, where the errors among it are raised."""
    for batch in read:
        if isinstance(batch, VicinalError):
            try:
                raise batch
            finally:  # else the error would hold this frame, itself and the workers for long
                del batch
        yield batch


def _on_cpu(dataset: Any) -> bool:
    return not (isinstance(dataset, TensorData) and dataset.y.device.type != "cpu")


def _as_it_is(batch: Any) -> Any:
    return batch


def _check_batch_size(batch_size: int, count: int, training: bool) -> None:
    if batch_size < 1:
        raise VicinalError(f"the batch size must be 2 or more, not {batch_size}")
    if not training:
        return
    if batch_size == 1:
        raise VicinalError(
            "a batch of one has nobody to be mixed with: use a batch size of 2 or more"
        )
    if batch_size > count:
        raise VicinalError(
            f"the batch size {batch_size} is larger than the {count} training samples: "
            f"use {count} or less"
        )


class DataLoaders:
    """The training part, the validation part, and the classes.

    Args:
        train, valid: the two parts.
        vocab: the names of the classes; None for regression.
        n_out: how many numbers a network gives for each sample; for classes, their number.

    Attributes:
        c: the same as ``n_out``, by fastai's name.
    """

    def __init__(self, train: Part, valid: Part, vocab: list[str] | None, n_out: int) -> None:
        self.train, self.valid, self.vocab, self.c = train, valid, vocab, n_out

    @classmethod
    def from_tensors(
        cls,
        x: Any,
        y: Tensor,
        x_valid: Any,
        y_valid: Tensor,
        *,
        bs: int = 64,
        vocab: list[str] | None = None,
        transforms: Sequence[BatchTransform] | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> "DataLoaders":
        """From tensors in memory.

        Args:
            x, x_valid: (N, ...) floats, or uint8 images (N, 3, H, W), which are normalised; or
                several tensors of N rows in a dict, list or tuple.
            y, y_valid: (N,) int64 class indices, or float targets (N, ...); (N,) becomes (N, 1).
            bs: batch size in training; validation uses twice as much.
            vocab: names of the classes; without it they are called by their numbers.
            transforms: changes of a batch, the normalising among them; None normalises uint8
                images by their own mean and standard deviation.

        Raises:
            VicinalError: lengths differ, a value is NaN or infinite, labels are negative or all
                of one class, or the batch size does not go with the data.

        >>> x, y = torch.randn(100, 4), torch.arange(100) % 3
        >>> dls = DataLoaders.from_tensors(x, y, x[:20], y[:20], bs=32)
        >>> dls.c, len(dls.train), len(dls.valid)
        (3, 3, 1)
        """
        for part, inputs, targets in (("training", x, y), ("validation", x_valid, y_valid)):
            _check_tensors(part, inputs, targets)
        if y.is_floating_point() != y_valid.is_floating_point():
            raise VicinalError(
                f"training targets are {y.dtype}, but validation targets {y_valid.dtype}: give "
                "both as class indices (int64), or both as values (float32)"
            )
        if y.is_floating_point():
            if y.ndim == 1:  # networks give (B, 1), against which (B,) would broadcast
                y, y_valid = y[:, None], y_valid[:, None]
            vocab, n_out = None, y[0].numel()
        else:
            y, y_valid = y.long(), y_valid.long()
            vocab = _check_classes(y, y_valid, vocab)
            n_out = len(vocab)
        if transforms is None:
            is_image = isinstance(x, Tensor) and x.dtype == torch.uint8
            if is_image and x.ndim != 4:
                raise VicinalError(
                    f"images have shape (N, C, H, W), not {tuple(x.shape)}: give grey ones a "
                    "channel by x[:, None]"
                )
            transforms = [Normalize.of(x)] if is_image else []
        train = Batches(
            TensorData(x, y), bs, training=True, transforms=transforms, seed=seed, device=device
        )
        valid = Batches(TensorData(x_valid, y_valid), 2 * bs, transforms=transforms, device=device)
        return cls(train, valid, vocab, n_out)

    @property
    def bs(self) -> int:
        return self.train.batch_size

    @property
    def device(self) -> torch.device:
        return self.train.device

    @property
    def normalize(self) -> Normalize | None:
        """The transform that normalises images, if there is one."""
        found = [t for t in self.valid.transforms if isinstance(t, Normalize)]
        return found[-1] if found else None

    def normalized(self, mean: Sequence[float], std: Sequence[float]) -> Self:
        """The same data, normalised otherwise; these loaders stay as they are.

        Args:
            mean, std: as of :class:`Normalize`.
        """
        own = copy.copy(self)
        own.train, own.valid = copy.copy(self.train), copy.copy(self.valid)
        for part in (own.train, own.valid):
            part.transforms = [
                Normalize(mean, std) if isinstance(transform, Normalize) else transform
                for transform in part.transforms
            ]
        return own

    def to(self, device: torch.device | str) -> "DataLoaders":
        """Bring batches to another device from now on."""
        self.train.device = self.valid.device = torch.device(device)
        return self

    def one_batch(self) -> tuple[Tensor, Tensor]:
        """The first training batch; looking at it changes nothing of the training to come."""
        self.check_share()
        return self.train.first()

    def check_share(self) -> None:
        """Raise a VicinalError where there is no training batch for each of the processes."""
        if not len(self.train):
            processes = this_process().num_processes
            raise VicinalError(
                f"{processes} processes with batches of {self.bs} need {processes * self.bs} "
                f"training samples, not {len(self.train.dataset)}: take smaller batches, or fewer "
                "processes"
            )

    def test_batch(self, items: Sequence[Any]) -> Any:
        """Samples to be predicted, treated as the validation part's are: (B, ...) on the device."""
        x = send_to_device(self.stack(items), self.device)
        for transform in self.valid.transforms:
            x = transform.valid(x)
        return x

    def stack(self, items: Sequence[Any]) -> Any:
        """Samples as they are given to one tensor, or to a nested batch."""
        return torch.stack([torch.as_tensor(item) for item in items])

    def pictures(self, x: Any) -> Tensor:
        """A batch of images back to floats in [0, 1], on the CPU, to be shown.

        Raises:
            VicinalError: these are no images (B, 3, H, W).
        """
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3):
            kind = f"of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"of {', '.join(x)}"
            raise VicinalError(f"batches {kind} are no images to be shown")
        shown = self.normalize.undo(x) if self.normalize else x.float().clamp(0, 1)
        return shown.cpu().expand(-1, 3, -1, -1)

    def show_batch(self, max_n: int = 9) -> Any:
        """A matplotlib figure of training images as the network sees them, with their classes."""
        from vicinal import plots

        x, y = self.one_batch()
        return plots.images(self.pictures(x[:max_n]), [self.label(v) for v in y[:max_n]])

    def label(self, target: Tensor) -> str:
        """What a target is called: its class, or its value."""
        if self.vocab is not None:
            return self.vocab[int(target)]
        return ", ".join(f"{value:.3g}" for value in target.flatten().tolist())


def _check_tensors(part: str, x: Any, y: Tensor) -> None:
    if not len(y):
        raise VicinalError(f"the {part} part is empty: give it at least one sample")
    inputs = [leaf for _, leaf in leaves(x) if isinstance(leaf, Tensor)]
    for values in inputs:
        if len(values) != len(y):
            raise VicinalError(
                f"the {part} part has {len(values)} inputs, but {len(y)} targets: give one for each"
            )
    for name, values in (*(("inputs", values) for values in inputs), ("targets", y)):
        if values.is_floating_point() and not values.isfinite().all():
            row = int((~values.isfinite()).reshape(len(values), -1).any(dim=1).nonzero()[0])
            raise VicinalError(
                f"the {part} {name} hold NaN or infinite values, first in row {row}: "
                "remove or replace them"
            )


def _check_classes(y: Tensor, y_valid: Tensor, vocab: list[str] | None) -> list[str]:
    for targets in (y, y_valid):
        if targets.ndim != 1:
            raise VicinalError(
                f"class indices have shape (N,), not {tuple(targets.shape)}: several labels a "
                "sample are given as floats"
            )
    lowest = int(min(y.min(), y_valid.min()))
    highest = int(max(y.max(), y_valid.max()))
    if lowest < 0:
        raise VicinalError(f"the label {lowest} is missing or negative: class indices start at 0")
    if int(y.min()) == int(y.max()):
        raise VicinalError(
            f"all training samples are of class {int(y[0])}: training needs two classes or more"
        )
    if vocab is None:
        return [str(i) for i in range(highest + 1)]
    if highest >= len(vocab):
        raise VicinalError(f"the label {highest} has no name: vocab names {len(vocab)} classes")
    return vocab
