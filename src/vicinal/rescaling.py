"""Rescaling at prediction: a network that was trained with mixup, used as it was trained."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.mixing import Blend, Choice, ManifoldMixUp, Mixer, MixUp, Schedule
from vicinal.mixing.partners_by import needs_batch
from vicinal.mixing.pattern import weight_of

DRAWS = 2**17  # of mixers whose law has no formula: the mean is then exact to about 0.0005


def mean_share(mixer: Mixer) -> float:
    """θ̄, the mean of max(λ, 1 - λ): the mean share of the sample that prevails in a mix.

    For :class:`MixUp` and choices of them it is exact. With λ from Beta(α, α) it is
    ``1/2 + Γ(2α) / (α Γ(α)² 4**α)``, which is the paper's ``1 - I(1/2; α + 1, α)``; it is the same
    whether the weights are folded or not. For other mixers that blend it is a mean of draws.

    Args:
        mixer: one that blends whole samples, by weights that do not depend on them.

    Raises:
        ValueError: it is another one; the message says why that has no meaning.

    >>> mean_share(MixUp(1.0)), mean_share(MixUp(1.0, p=0.5)), round(mean_share(MixUp(0.4)), 3)
    (0.75, 0.875, 0.84)
    """
    by_sizes = not needs_batch(mixer.partners)
    if type(mixer) is MixUp and by_sizes:
        return 1 - mixer.p * (1 - _folded_mean(mixer.alpha))
    if type(mixer) is Choice and by_sizes:
        return 1 - sum(p * (1 - mean_share(m)) for m, p in zip(mixer.mixers, mixer.p, strict=True))
    reason = _why_not(mixer)
    if reason is not None:
        raise ValueError(
            f"predictions of a network that is trained with {mixer!r} cannot be rescaled, because "
            f"{reason}: use MixUp, or predict without rescaling"
        )
    drawn = mixer.patterns(1, DRAWS, (1, 1), torch.Generator().manual_seed(0), 0)
    weight = weight_of(drawn).double()
    return torch.maximum(weight, 1 - weight).mean().item()


def _folded_mean(alpha: float) -> float:
    """Of max(λ, 1 - λ), for λ from Beta(alpha, alpha)."""
    if alpha == 0:
        return 1.0
    if alpha == math.inf:
        return 0.5
    log = math.lgamma(2 * alpha) - 2 * math.lgamma(alpha) - 2 * alpha * math.log(2)
    return 0.5 + math.exp(log) / alpha


def _why_not(mixer: Mixer) -> str | None:
    """Why the mean share has no meaning for a mixer; None where it has one."""
    if isinstance(mixer, Schedule):
        return "what it mixes changes in the course of the training"
    if isinstance(mixer, ManifoldMixUp):
        return "it mixes inside of the network"
    if mixer.reads_batch or needs_batch(mixer.partners):
        return "what it mixes depends on the samples"
    if not all(drawn is Blend for drawn in mixer.drawn_types):
        return "it does not blend whole samples"
    return None


class Rescaling(nn.Module):
    """How to use a network that was trained with mixup: on shrunk inputs, with stretched outputs.

    Mixup trains a network on inputs that are on average nearer to the mean x̄ of the training
    samples, ``x̄ + θ̄ (x - x̄)``, for targets that are nearer to their mean ȳ by the same factor. So
    the network's output for a new sample x is that for ``x̄ + θ̄ (x - x̄)``, from which ȳ is removed
    again: ``output / θ̄ + (1 - 1 / θ̄) ȳ``.

    Args:
        theta: θ̄, in [1/2, 1], of :func:`mean_share`.
        mean_x: x̄, the mean of the training samples, as the network reads them: of their shape.
        mean_y: ȳ, the mean of the targets: (C,) the shares of the classes, or the mean of values.

    Outputs (B, C) of classes are logits, as the paper's and uncertainty-baselines' are: their
    softmax follows. For values, and for multi-label logits, the outputs are of the targets' shape.

    Source: L. Carratino, M. Cissé, R. Jenatton, J.-P. Vert, On Mixup Regularization, JMLR 23
    (2022), section 3 and algorithm 1; the same in uncertainty-baselines'
    ``baselines/imagenet/deterministic.py``.

    >>> x, y = torch.randn(100, 2), torch.arange(100) % 4
    >>> loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 10)
    >>> rescaling = Rescaling.of(MixUp(1.0), loader, num_classes=4)
    >>> rescaling.theta, rescaling.mean_y
    (0.75, tensor([0.2500, 0.2500, 0.2500, 0.2500]))
    >>> probabilities = rescaling(nn.Linear(2, 4), x).softmax(1)
    """

    mean_x: Tensor
    mean_y: Tensor

    def __init__(self, theta: float, mean_x: Tensor, mean_y: Tensor) -> None:
        super().__init__()
        if not 0.5 <= theta <= 1:
            raise ValueError(f"theta must be between 0.5 and 1, not {theta}")
        self.theta = float(theta)
        self.register_buffer("mean_x", _precise(mean_x))
        self.register_buffer("mean_y", _precise(mean_y))

    @classmethod
    def of(
        cls, mixer: Mixer, batches: Iterable[tuple[Any, Any]], *, num_classes: int | None = None
    ) -> "Rescaling":
        """From the mixer, and the training data that are not mixed.

        Args:
            mixer: such as ``MixUp(0.4)``.
            batches: pairs (x, y), such as a loader gives them; they are read once.
            num_classes: the number of classes, for class indices.

        Raises:
            TypeError, ValueError: the mixer, the samples or the targets have no such mean.
        """
        theta, means = mean_share(mixer), Means(num_classes)
        for x, y in batches:
            means.add(x, y)
        return cls(theta, *means.both())

    def forward(self, network: Any, x: Tensor) -> Tensor:
        """The rescaled outputs of a network, in float32 or float64, for samples (B, ...).

        Raises:
            VicinalError: samples or outputs have another shape than in training.
            TypeError: the samples are no floats.
        """
        _check_floats(x)
        if x.shape[1:] != self.mean_x.shape:
            raise VicinalError(
                f"the samples have shape {tuple(x.shape[1:])}, but the training samples, whose "
                f"mean rescales them, {tuple(self.mean_x.shape)}: give samples of that shape"
            )
        own = _precise(x)
        # Expanded, as torch 2.6 exports no lerp of another shape.
        mean_x = self.mean_x.to(own.dtype).expand_as(own)
        shrunk = torch.lerp(mean_x, own, self.theta).to(x.dtype)
        output = network(shrunk)
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else type(output).__name__
        if not isinstance(output, Tensor) or math.prod(shape) != self.mean_y.numel():
            raise VicinalError(
                f"outputs are rescaled by the mean of the targets, of shape "
                f"{tuple(self.mean_y.shape)}, which these of shape {shape} do not have: predict "
                "without rescaling"
            )
        mean_y = self.mean_y.reshape(output.shape[1:])
        return _precise(output) / self.theta + (1 - 1 / self.theta) * mean_y

    def extra_repr(self) -> str:
        return f"theta={self.theta:.4f}"


class Means:
    """The means of samples and of targets, over batches.

    Args:
        num_classes: for class indices, whose mean is the share of each class.
    """

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = num_classes
        self.count = 0
        self.sums: tuple[Tensor, Tensor] | None = None

    def add(self, x: Any, y: Any) -> None:
        """Count in a batch: (B, ...) floats, and (B,) class indices or (B, ...) floats."""
        _check_floats(x)
        targets = self._values(y)
        sums = _precise(x).sum(0), targets.sum(0)
        if self.sums is not None:
            if sums[0].shape != self.sums[0].shape:
                raise ValueError(
                    f"the samples have shapes {tuple(self.sums[0].shape)} and "
                    f"{tuple(sums[0].shape)}, and so no mean: rescaling needs samples of one shape"
                )
            sums = self.sums[0] + sums[0], self.sums[1] + sums[1]
        self.sums, self.count = sums, self.count + len(x)

    def _values(self, y: Any) -> Tensor:
        if isinstance(y, Tensor) and y.is_floating_point():
            return _precise(y)
        if not isinstance(y, Tensor) or y.ndim != 1 or y.is_complex():
            kind = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y)
            raise TypeError(
                f"rescaling needs class indices (B,) or floats as targets, not {kind}: predict "
                "without it"
            )
        if self.num_classes is None:
            raise ValueError("the targets are class indices: give num_classes")
        ones = torch.zeros(len(y), self.num_classes, device=y.device)
        return ones.scatter_(1, y.long()[:, None], 1.0)

    def both(self) -> tuple[Tensor, Tensor]:
        """The mean of the samples and that of the targets.

        Raises:
            ValueError: there was no batch.
        """
        if self.sums is None or not self.count:
            raise ValueError("there are no training samples, whose mean rescaling needs")
        return self.sums[0] / self.count, self.sums[1] / self.count


def _precise(values: Tensor) -> Tensor:
    """Floats of at least 32 bits."""
    # Not by torch.promote_types, which torch 2.6 cannot load in an exported graph.
    return values if values.is_floating_point() and values.dtype.itemsize >= 4 else values.float()


def _check_floats(x: Any) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise TypeError(
            f"rescaling needs samples that are one tensor of floats, not {kind}: predict without it"
        )
