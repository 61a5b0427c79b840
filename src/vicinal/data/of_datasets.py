"""Splits of torch's data sets and loaders."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)

from vicinal.data.sampler import GivenSampler
from vicinal.data.split_loader import Batches, SplitLoader, as_pair
from vicinal.errors import VicinalError
from vicinal.mixing.batch import map_leaves
from vicinal.processes import this_process


class Collated(Dataset[Any]):
    """A data set of pairs ``(input, target)``, of which batches are collated.

    Args:
        dataset: has a length, and gives a pair for an index: a list of pairs, too.
        collate: makes a batch of a list of pairs.
        part: "training" or "validation", to name it where it is empty.

    >>> Collated([(1.5, 0), (2.5, 1)]).__getitems__([1, 0])
    (tensor([2.5000, 1.5000]), tensor([1, 0]))
    """

    def __init__(
        self,
        dataset: Any,
        collate: Callable[[list[Any]], Any] = default_collate,
        part: str = "validation",
    ) -> None:
        self.of, self.collate = dataset, collate
        if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
            raise VicinalError(
                f"a {type(dataset).__name__} has no length or gives no sample for an index: give a "
                "data set that has both, such as a list of pairs (input, target)"
            )
        if not len(dataset):
            raise VicinalError(f"the {part} part is empty: give it at least one sample")
        sample = dataset[0]
        if not (isinstance(sample, tuple | list) and len(sample) == 2):
            raise VicinalError(
                f"samples must be pairs (input, target), and the first is a {type(sample).__name__}"
            )

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: int) -> Any:
        return self.of[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, Tensor]:
        x, y = as_pair(self.collate([self.of[index] for index in indices]))
        return map_leaves(lambda _, leaf: as_single(leaf), x), as_single(y)

    def labels(self) -> Sequence[Any]:
        """The targets of all samples, if possible without reading the samples."""
        known = _known_targets(self.of)
        return [int(self.of[index][1]) for index in range(len(self))] if known is None else known


def _known_targets(dataset: Any) -> Sequence[Any] | None:
    """The targets of a data set that holds them; None where its samples have to be read."""
    if isinstance(dataset, Subset):
        of_all = _known_targets(dataset.dataset)
        return None if of_all is None else [of_all[index] for index in dataset.indices]
    if isinstance(dataset, TensorDataset):
        return dataset.tensors[1].tolist()
    known = getattr(dataset, "targets", None)  # of torchvision's
    if known is None or len(known) != len(dataset) or _changes_targets(dataset):
        return None
    return list(map(int, known))


def as_single(values: Any) -> Any:
    """float32 of what was Python's or NumPy's: networks and losses compute in it."""
    is_double = isinstance(values, Tensor) and values.dtype == torch.float64
    return values.float() if is_double else values


def _changes_targets(dataset: Any) -> bool:
    return any(
        getattr(dataset, name, None) is not None for name in ("target_transform", "transforms")
    )


def stacked(samples: Sequence[Any]) -> Any:
    """Samples without targets as a batch: tensors, or several inputs in a dict, tuple or list.

    >>> stacked([{"age": 3.0}, {"age": 5.0}])
    {'age': tensor([3., 5.])}
    """
    first = samples[0] if len(samples) else None
    is_several = isinstance(first, tuple | list) and any(isinstance(each, Tensor) for each in first)
    if not (is_several or isinstance(first, dict)):
        return torch.stack([torch.as_tensor(sample) for sample in samples])
    batch = map_leaves(lambda _, leaf: as_single(leaf), default_collate(list(samples)))
    return tuple(batch) if isinstance(first, tuple) else batch


def as_split(part: Any, *, training: bool) -> SplitLoader:
    """A split of what a user gives: one that is, or a loader of torch's.

    Raises:
        VicinalError: it is neither, or it is empty, or its samples cannot be read one by one, or in
            training its sampler has no length, or in validation chooses samples at random.
    """
    if isinstance(part, SplitLoader):
        return part
    if not isinstance(part, DataLoader):
        raise VicinalError(
            f"{type(part).__name__} is no loader: give torch's, DataLoader(data, batch_size=64), "
            "or write DataLoaders.from_dsets(train, valid, bs=64)"
        )
    if isinstance(part.dataset, IterableDataset) or part.batch_size is None:
        raise VicinalError(
            "a DataLoader must have a data set that gives the sample of an index, and a batch_size "
            "in place of a batch_sampler"
        )
    # The other samples of a sampler's are not of this part, also where it is predicted.
    chosen = not training or isinstance(part.sampler, SubsetRandomSampler)
    data = _in_order(part.dataset, part.sampler) if chosen else part.dataset
    collated = Collated(data, part.collate_fn, "training" if training else "validation")
    sampler: Any = None
    if training:
        given: Any = part.sampler
        drawn = RandomSampler(collated, generator=given.generator) if chosen else given
        sampler = _of_training(part, drawn)
    how: dict[str, Any] = {"training": training, "workers": part.num_workers, "sampler": sampler}
    how["options"] = {name: getattr(part, name) for name in _OF_WORKERS} if part.num_workers else {}
    return Batches(collated, part.batch_size, **how)


_OF_WORKERS = ("worker_init_fn", "prefetch_factor", "timeout", "multiprocessing_context")


def _of_training(part: DataLoader[Any], given: Any) -> GivenSampler:
    if isinstance(given, DistributedSampler):
        raise VicinalError(
            "leave the DistributedSampler out: samples are divided among the processes here"
        )
    if not hasattr(given, "__len__"):
        raise VicinalError(
            f"the sampler {type(given).__name__} has no length, by which a training knows "
            "its steps: give it __len__, the number of samples of an epoch"
        )
    # Several processes have to agree on the order, and each may have a seed of its own.
    seed = 0 if this_process().num_processes > 1 else None
    sampler = GivenSampler(given, part.batch_size or 1, drop_last=part.drop_last, seed=seed)
    if not len(sampler):
        raise VicinalError(
            f"the batch size {part.batch_size} is larger than the {sampler.count} samples of an "
            "epoch: take smaller batches, or leave out drop_last"
        )
    return sampler


def _in_order(dataset: Any, sampler: Any) -> Any:
    """The data set whose samples are those of a validation loader, in their order."""
    if isinstance(sampler, SubsetRandomSampler):
        return Subset(dataset, [int(each) for each in sampler.indices])
    all_once = isinstance(sampler, RandomSampler) and not sampler.replacement
    if isinstance(sampler, SequentialSampler) or (all_once and len(sampler) == len(dataset)):
        return dataset
    raise VicinalError(
        f"the validation loader draws samples by a {type(sampler).__name__}, so that predictions "
        "could not be told apart: give it the samples that it is to have, as by "
        "torch.utils.data.Subset(data, indices)"
    )


def classes_and_width(train: Any, valid: Any) -> tuple[list[Any] | None, int]:
    """The classes of two data sets (None for values), and how many outputs a network has.

    Raises:
        VicinalError: they cannot be known from the targets.
    """
    if not (isinstance(train, Collated) and isinstance(valid, Collated)):
        raise VicinalError("give DataLoaders the classes, or None, and the number of outputs")
    _, y = train.__getitems__([0])
    if isinstance(y, Tensor) and (y.is_floating_point() or y.ndim == 2):
        return None, y[0].numel()
    if not isinstance(y, Tensor) or y.ndim != 1:
        raise VicinalError(
            "the number of outputs does not follow from such targets: give it, as by "
            "DataLoaders(train, valid, None, n_out)"
        )
    labels = [*train.labels(), *valid.labels()]
    if min(labels) < 0:
        raise VicinalError(f"classes are numbers from 0 on, and one is {min(labels)}")
    named = train.of
    while isinstance(named, Subset):  # as random_split() gives
        named = named.dataset
    names = getattr(named, "classes", None) or []
    vocab = list(names) if len(names) > max(labels) else list(range(max(labels) + 1))
    return vocab, len(vocab)
