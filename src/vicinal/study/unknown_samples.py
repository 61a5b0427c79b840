"""Samples that are none of a network's classes: noise images, and samples of other data."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Subset

from vicinal.data.split_loader import Batches, SplitLoader
from vicinal.learner.learner import Learner

MOST = 2000  # samples; more would cost passes through the network, and hardly narrow an interval
SEEN = 500  # validation images, of which noise has the mean and the deviation


class Unlabelled(Dataset[Any]):
    """Samples without labels, as a data set that gives batches.

    Args:
        items: a sequence of samples.
        stack: collates some of them, as :meth:`DataLoaders.stack`.
    """

    def __init__(self, items: Any, stack: Callable[[Sequence[Any]], Any]) -> None:
        self.items, self.stack = items, stack

    def __len__(self) -> int:
        return len(self.items)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, Tensor]:
        return self.stack([self.items[i] for i in indices]), torch.zeros(len(indices))


class NoiseImages:
    """Gaussian noise images, whose channels have the mean and deviation of other images.

    Args:
        mean, deviation: (C, 1, 1) floats, of pixels in [0, 1].
        size: height and width.
        count: how many there are.

    The same number gives the same noise. Source: the noise is that of Thulasidasan et al., On mixup
    training: improved calibration and predictive uncertainty for deep neural networks (2019).
    """

    def __init__(self, mean: Tensor, deviation: Tensor, size: tuple[int, int], count: int) -> None:
        self.mean, self.deviation, self.size, self.count = mean, deviation, size, count

    @classmethod
    def like(cls, learn: Learner) -> "NoiseImages":
        """With the mean and deviation of the validation images, and as many, but 2,000 at most.

        They are the same for all networks that are validated on the same images.
        """
        normalize = learn.dls.normalize
        assert normalize is not None
        moments: list[Tensor] = []
        for x in _some(learn):
            pixels = normalize.undo(x).double().cpu()
            moments += [torch.stack([each, each.square()]).mean((-2, -1)) for each in pixels]
            size = pixels.shape[-2], pixels.shape[-1]
        mean, square = torch.stack(moments).mean(0)[..., None, None].float()
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        return cls(mean, deviation, size, min(MOST, len(learn.dls.valid.dataset)))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        if index >= self.count:
            raise IndexError(index)
        generator = torch.Generator().manual_seed(index)
        noise = torch.randn(len(self.mean), *self.size, generator=generator)
        return (self.mean + self.deviation * noise).clamp(0, 1)


def _some(learn: Learner) -> Iterator[Tensor]:
    """Batches of some validation images: evenly picked, as they may be in the order of classes."""
    valid: SplitLoader = learn.dls.valid
    if isinstance(valid.dataset, IterableDataset):  # streamed: none can be picked
        yield from (x for x, _ in islice(valid, max(1, SEEN // valid.batch_size)))
        valid.shut_down_workers()
        return
    count = len(valid.dataset)
    rows = torch.linspace(0, count - 1, min(count, SEEN)).long().unique().tolist()
    subset = Subset(valid.dataset, rows)
    size, device = valid.batch_size, learn.dls.device
    yield from (x for x, _ in Batches(subset, size, transforms=valid.transforms, device=device))


def outputs_on_noise(learn: Learner) -> Tensor:
    """Probabilities of noise images, (M, C) float32 on the CPU."""
    noise = Unlabelled(NoiseImages.like(learn), lambda images: torch.stack(list(images)))
    return _outputs(learn, noise, [learn.dls.normalize])


def outputs_on(learn: Learner, items: Any) -> Tensor:
    """Probabilities of samples that are no part of the data, (M, C) float32 on the CPU.

    Args:
        learn: trained.
        items: the samples, as its loaders stack them.
    """
    return _outputs(learn, Unlabelled(items, learn.dls.stack), learn.dls.valid.transforms)


def _outputs(learn: Learner, samples: Unlabelled, transforms: Sequence[Any]) -> Tensor:
    size, device = learn.dls.valid.batch_size, learn.dls.device
    batches = Batches(samples, size, transforms=transforms, device=device)
    return learn.get_preds(dl=batches, act=learn.activation)[0]
