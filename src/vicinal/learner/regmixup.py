"""Clean samples beside mixed ones: RegMixup, and MixupMP."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal.learner.callbacks import MixBatches, mixer_or_mixup
from vicinal.mixing import ManifoldMixUp, Mixer, MultiMix
from vicinal.mixing.arguments import number
from vicinal.mixing.batch import first_tensor, map_leaves

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class RegMixUp(MixBatches):
    """Train on every batch and on its mixed copy: a clean loss plus ``eta`` times a mixed one.

    Both halves pass through the network together, so that batch norm takes its statistics from the
    clean and the mixed samples alike, and updates them once for each batch. A step computes, and
    holds in memory, the activations of twice as many samples. Validation is never mixed.

    The loss of the training (``learn.loss``, and ``train_loss`` in the history) is the sum of both.
    From ``after_loss`` on, ``learn.x``, ``learn.y`` and ``learn.pred`` are the clean samples, their
    targets and their outputs: a callback that computes an accuracy of them computes the clean one.

    Args:
        mixer: of the mixed copy, an instance or a class; None takes ``MixUp(alpha)``.
        alpha: of Beta(alpha, alpha), from which the weights of that :class:`MixUp` are drawn; None
            takes 10. Large values blend nearly half and half.
        eta: the weight of the mixed loss, 0 or more.

    Raises:
        TypeError, ValueError: ``eta`` or ``alpha`` is not a number in its range, or ``alpha`` is
            given beside a mixer.

    Source: F. Pinto, H. Yang, S.-N. Lim, P. H. S. Torr, P. K. Dokania, RegMixup: Mixup as a
    Regularizer Can Surprisingly Improve Accuracy and Out Distribution Robustness, NeurIPS 2022: the
    objective CE(x, y) + eta * CE(mixed x, mixed y). Their code takes alpha 20 for CIFAR-10 and 10
    for CIFAR-100, and draws one weight for a batch (``MixUp(10, per="batch")``). It takes the mean
    over all samples of both halves, which for eta 1 is half of this loss: the same to Adam and its
    like, but to reproduce it with SGD, halve the learning rate and double the weight decay.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), cbs=RegMixUp(alpha=10, eta=1))
    >>> learn.fit(1, 0.1)
         epoch ...
    """

    def __init__(
        self,
        mixer: Mixer | Callable[[], Mixer] | None = None,
        *,
        alpha: float | None = None,
        eta: float = 1.0,
    ) -> None:
        super().__init__(mixer_or_mixup(type(self).__name__, mixer, alpha, self.default_alpha))
        if isinstance(self.mixer, MultiMix):
            raise ValueError(
                f"{type(self).__name__} cannot put the batch beside a MultiMix, which gives "
                f"{self.mixer.n} blends in its place: use MultiMix alone"
            )
        self.eta = number("eta", eta)
        if eta == float("inf"):
            raise ValueError("eta must be finite, not inf")

    #: Of the mixer where none is given.
    default_alpha = 10.0

    def before_batch(self, learn: "Learner") -> None:
        if not learn.training:
            return
        learn.loaded_x = None
        self.clean = learn.x
        # Not in place: the clean samples are needed beside the mixed ones.
        mixed, self.target = self.mixer(learn.x, learn.y)
        learn.x = joined(learn.x, mixed)
        for inner in self.mixer.nested():
            if isinstance(inner, ManifoldMixUp):
                inner.mix_second_half(learn.x)

    def before_loss(self, learn: "Learner") -> None:
        if learn.training:
            learn.x = self.clean
            learn.pred, self.mixed_pred = parted(learn.pred, len(first_tensor(self.clean)))

    def after_loss(self, learn: "Learner") -> None:
        if learn.training:
            assert learn.loss is not None
            mixed = learn.compute_loss(self.mixed_pred, self.target)
            learn.loss = learn.loss + self.eta * mixed

    def after_batch(self, learn: "Learner") -> None:
        super().after_batch(learn)
        self.clean = self.target = self.mixed_pred = None  # not to hold their memory

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.mixer!r}, {self._weight()})"

    def _weight(self) -> str:
        return f"eta={self.eta:g}"

    @property
    def name(self) -> str:
        return repr(self)


class MixUpMP(RegMixUp):
    """Train a member of a MixupMP ensemble: on every batch and its mixed copy, in the ratio r.

    It is :class:`RegMixUp` with weights from Beta(1, 1): what it says of batch norm, memory and the
    reported loss holds here, too. MixupMP averages the probabilities of several networks that were
    trained so, each with a seed of its own; a single one has the calibration of one member.

    Args:
        mixer: of the mixed copy, an instance or a class; None takes ``MixUp(alpha)``.
        alpha: of Beta(alpha, alpha); None takes 1.
        r: the ratio of mixed to real samples in the loss, 0 or more: 0 is training without mixing,
            and for a large one hardly anything but the mixed samples counts.

    Raises:
        TypeError, ValueError: as for :class:`RegMixUp`.

    Source: L. Wu, S. A. Williamson, Posterior Uncertainty Quantification in Neural Networks using
    Data Augmentation, AISTATS 2024. Their code takes the mean over both halves, the mixed one with
    weight r, which is half of this loss. Its defaults are alpha 1 and r 1.

    >>> MixUpMP(r=0.5)
    MixUpMP(MixUp(alpha=1.0, ...), r=0.5)
    """

    default_alpha = 1.0

    def __init__(
        self,
        mixer: Mixer | Callable[[], Mixer] | None = None,
        *,
        alpha: float | None = None,
        r: float = 1.0,
    ) -> None:
        number("r", r)
        super().__init__(mixer, alpha=alpha, eta=r)

    def _weight(self) -> str:
        return f"r={self.eta:g}"


def joined(clean: Any, mixed: Any) -> Any:
    """Two batches as one, the first one's rows first; what is no tensor is that of the first.

    >>> joined({"x": torch.zeros(2), "name": "a"}, {"x": torch.ones(2), "name": "a"})
    {'x': tensor([0., 0., 1., 1.]), 'name': 'a'}
    """

    def join(_: Any, one: Any, other: Any) -> Any:
        is_batch = isinstance(one, Tensor) and one.ndim > 0
        return torch.cat((one, other)) if is_batch else one

    return map_leaves(join, clean, mixed)


def parted(both: Any, count: int) -> tuple[Any, Any]:
    """The first ``count`` rows of a batch, and the others.

    >>> parted(torch.arange(5), 3)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """

    def part(rows: slice) -> Any:
        def cut(_: Any, leaf: Any) -> Any:
            return leaf[rows] if isinstance(leaf, Tensor) and leaf.ndim else leaf

        return map_leaves(cut, both)

    return part(slice(count)), part(slice(count, None))
