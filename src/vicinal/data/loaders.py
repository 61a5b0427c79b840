"""DataLoaders: a training and a validation split, as batches on the device."""

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from accelerate.utils import send_to_device, slice_tensors
from torch import Tensor

from vicinal.absent import lacking
from vicinal.data.augment import BatchTransform, Normalize
from vicinal.data.blocks import LabelledItems, TargetBlock
from vicinal.data.of_datasets import Collated, as_split, classes_and_width, stacked
from vicinal.data.part_items import ItemsToPredict, PartItems
from vicinal.data.paths import Path
from vicinal.data.showing import ShownLoaders
from vicinal.data.split_loader import Batches, SplitLoader, TensorData, name_of
from vicinal.data.vocab import Vocab
from vicinal.errors import VicinalError
from vicinal.formatting import format_short
from vicinal.mixing.batch import leaves
from vicinal.processes import this_process


class DataLoaders(ShownLoaders):
    """The loaders of the training and the validation split, and the classes.

    Args:
        train, valid: the two splits, or torch's ``DataLoader`` of each, of pairs ``(x, y)``.
            Training samples come in the order of its sampler; give ``shuffle=True`` and
            ``drop_last=True`` to the ``DataLoader`` as in a loop of your own.
        vocab: the classes, as the labels are; None for regression.
        n_out: how many numbers a network gives for each sample; for classes, their number. None
            finds both from the targets of data sets of torch's.

    Attributes:
        c: the same as ``n_out``, by fastai's name.
        target_block: what the targets are, of loaders that a DataBlock made with one.
        loss_func: what a Learner without a loss takes; None for cross-entropy of classes and mean
            squared error of values.
        path: the folder of the data.
        block, data: the DataBlock that made the loaders, and what it found.
    """

    target_block: TargetBlock | None = None
    loss_func: Callable[..., Tensor] | None = None
    path: Path = Path()
    block: Any = None
    data: LabelledItems | None = None

    def __init__(
        self, train: Any, valid: Any, vocab: Sequence[Any] | None = None, n_out: int | None = None
    ) -> None:
        self.train: SplitLoader = as_split(train, training=True)
        self.valid: SplitLoader = as_split(valid, training=False)
        if n_out is None:
            classes, n_out = classes_and_width(self.train.dataset, self.valid.dataset)
            if vocab is None:
                vocab = classes
            elif classes is None or len(classes) > len(vocab):
                raise VicinalError(f"the targets are no {len(vocab)} classes: leave out vocab")
            n_out = n_out if vocab is None else len(vocab)
        self.c = n_out
        self.vocab = None if vocab is None else Vocab(vocab)
        for part in self.loaders:
            part.belong_to(self)

    if not TYPE_CHECKING:  # else every name would be an attribute

        def __getattr__(self, name: str) -> Any:
            raise lacking(self, name)

    @classmethod
    def from_dsets(
        cls,
        train: Any,
        valid: Any,
        *,
        bs: int = 64,
        val_bs: int | None = None,
        num_workers: int = 0,
        vocab: Sequence[Any] | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> "DataLoaders":
        """From data sets of torch's, or lists of pairs.

        Args:
            train, valid: pairs ``(input, target)``, of class indices or of float values.
            bs, val_bs: batch sizes in training and validation; None for twice as much.
            num_workers: processes that read ahead.
            vocab: names of the classes; None for the data set's, or, by reading all, for numbers.
            seed, device: of the order of training samples; of batches, None for the GPU, if any.

        Raises:
            VicinalError: samples are no pairs, a class is negative, or ``bs`` is too large.

        >>> samples = [(torch.tensor([i / 9, 1.0]), i % 2) for i in range(40)]
        >>> dls = DataLoaders.from_dsets(samples[:32], samples[32:], bs=8, device="cpu")
        >>> dls.c, len(dls.train), dls.one_batch()[0].shape
        (2, 4, torch.Size([8, 2]))
        """
        read: dict[str, Any] = {"workers": num_workers, "device": device}
        loader = Batches(Collated(train, part="training"), bs, training=True, seed=seed, **read)
        return DataLoaders(loader, Batches(Collated(valid), val_bs or 2 * bs, **read), vocab)

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
            vocab: names of the classes; None names them by their numbers.
            transforms: batch transforms, normalization included; None normalizes uint8 images by
                their own mean and standard deviation.

        Raises:
            VicinalError: lengths differ, a value is NaN or infinite, labels are negative or all
                of one class, targets are nested, or the batch size does not go with the data.

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
    def class_names(self) -> list[str] | None:
        """The classes as texts; None for regression."""
        return None if self.vocab is None else self.vocab.names

    @property
    def loaders(self) -> list[SplitLoader]:
        """Both parts, ``[train, valid]``; ``dls[0]`` is the first."""
        return [self.train, self.valid]

    def __getitem__(self, part: int) -> SplitLoader:
        return self.loaders[part]

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
        """A copy of these loaders with another normalization.

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
            part.belong_to(own)
        return own

    def to(self, device: torch.device | str) -> "DataLoaders":
        """Move batches to another device from now on."""
        self.train.device = self.valid.device = torch.device(device)
        return self

    def one_batch(self) -> tuple[Tensor, Tensor]:
        """The first training batch; the training to come is not affected."""
        self.check_share()
        return self.train.first()

    def prepare(self) -> None:
        """Do at once what would make the first epoch longer than others: here, nothing."""

    def check_samples(self) -> None:
        """Raise a VicinalError if these are the loaders of a learner that was loaded."""
        if not len(self.train.dataset):
            raise VicinalError(
                "this learner was loaded from a file, and so has no samples: set learn.dls to "
                "others, or predict what you have, as by get_preds(dl=learn.dls.test_dl(files))"
            )

    def check_share(self) -> None:
        """Raise a VicinalError if there is not a training batch for each of the processes."""
        self.check_samples()
        if not len(self.train):
            processes = this_process().num_processes
            raise VicinalError(
                f"{processes} processes with batches of {self.bs} need {processes * self.bs} "
                f"training samples, not {len(self.train.dataset)}: take smaller batches, or fewer "
                "processes"
            )

    def test_batch(self, items: Sequence[Any]) -> Any:
        """Samples to predict, transformed as in validation: (B, ...) on the device."""
        x = send_to_device(self.stack(items), self.device)
        for transform in self.valid.transforms:
            x = transform.valid(x)
        return x

    def stack(self, items: Sequence[Any]) -> Any:
        """Collate samples into a tensor or a nested batch, before any transform."""
        return stacked(items)

    def test_dl(
        self, test_items: Any, *, bs: int | None = None, with_labels: bool = False
    ) -> SplitLoader:
        """Batches of samples to predict, transformed as in validation.

        Args:
            test_items: such as files; of loaders that a DataBlock made of a data frame, also a
                frame, of which it takes the inputs as there.
            bs: batch size; None for that of validation.
            with_labels: take the targets as in training, too.

        Returns:
            The batches as pairs ``(x, y)``; y is None without labels.

        Raises:
            VicinalError: there is no sample, or labels are asked for that cannot be taken.

        >>> x, y = torch.randn(100, 4), torch.arange(100) % 3
        >>> dls = DataLoaders.from_tensors(x, y, x[:20], y[:20], bs=32, device="cpu")
        >>> [(x.shape, y) for x, y in dls.test_dl(torch.randn(5, 4))]
        [(torch.Size([5, 4]), None)]
        """
        if self.block is None and with_labels:
            raise VicinalError("labels of other samples are known to loaders of a DataBlock alone")
        x: Any = list(test_items) if self.block is None else self.block.inputs_of(test_items, self)
        y = self.block.targets_of(test_items, self) if with_labels else None
        loader = Batches(
            ItemsToPredict(x, self.stack, y),
            bs or self.valid.batch_size,
            transforms=self.valid.transforms,
            device=self.device,
        )
        loader.belong_to(self)
        return loader

    @property
    def train_ds(self) -> PartItems:
        """The training samples one by one, ``(input, target)``, as they are stored."""
        return self._samples(0)

    @property
    def valid_ds(self) -> PartItems:
        """The validation samples one by one, ``(input, target)``, as they are stored."""
        return self._samples(1)

    def _samples(self, part: int) -> PartItems:
        dataset = (self.train, self.valid)[part].dataset
        rows = range(len(dataset))
        return PartItems(rows, lambda row: _one(dataset, row), self.vocab)

    def pictures(self, x: Any) -> Tensor:
        """Undo the normalization of a batch of images: floats in [0, 1], on the CPU.

        Raises:
            VicinalError: these are not images (B, 3, H, W).
        """
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3):
            kind = f"of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"of {name_of(x)}"
            raise VicinalError(f"batches {kind} are no images, so they cannot be shown")
        plain = x.float() if x.is_floating_point() else x.float() / 255
        shown = self.normalize.undo(x) if self.normalize else plain.clamp(0, 1)
        return shown.cpu().expand(-1, 3, -1, -1)

    @property
    def is_classes(self) -> bool:
        """Whether each target is one class, and so neither values nor several labels."""
        return self.vocab is not None and (
            self.target_block is None or self.target_block.is_classes
        )

    def decode(self, activations: Tensor) -> Tensor:
        """From activated outputs to predicted targets.

        Args:
            activations: (B, ...), such as probabilities.

        Returns:
            Of classes their indices (B,); of values the values; else what the target's block says.
        """
        if self.target_block is not None:
            return self.target_block.decode(activations, self.class_names)
        return activations if self.vocab is None else activations.argmax(dim=1)

    def label(self, target: Tensor) -> str:
        """A target as text: the name of its class, or its value."""
        if self.target_block is not None:
            text = self.target_block.text(target, self.class_names)
            if text is not None:
                return text
        if self.vocab is not None:
            return str(self.vocab[int(target)])
        return ", ".join(format_short(value) for value in target.flatten().tolist())


def _one(dataset: Any, row: int) -> tuple[Any, Tensor]:
    x, y = dataset.__getitems__([row])
    return slice_tensors(x, 0), y[0]


def _check_tensors(part: str, x: Any, y: Tensor) -> None:
    if not isinstance(y, Tensor):
        raise VicinalError(
            f"the {part} targets are a {type(y).__name__}, not a tensor: give one tensor, and "
            "train on several targets in a loop of your own, with MixLoss of a criterion that "
            "takes them"
        )
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
