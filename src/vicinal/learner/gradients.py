"""Gradients over several batches, and of limited length."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vicinal.learner.events import Callback, CancelStep, check_only_one
from vicinal.mixing.arguments import number, whole

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class AccumulateGradients(Callback):
    """Step the optimizer once every few batches, with the mean of their gradients.

    The effect is that of one large batch, for networks that treat each sample by itself (batch
    norm does not). If an epoch ends before a group of batches is full, the optimizer steps with the
    mean over the batches that there are. ``learn.loss`` and the history are not affected.

    One-cycle and flat-cosine schedules are stretched over the steps that the optimizer actually
    takes, and end at their final learning rates. Callbacks of order 0 or higher receive
    ``before_step`` and ``after_step`` only when the optimizer steps.

    Args:
        batches: the number of batches per step, 1 or more.

    Raises:
        TypeError, ValueError: ``batches`` is not a whole number of 1 or more.
        VicinalError: the training has two of these callbacks.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> def train(bs, cbs):
    ...     dls = DataLoaders.from_tensors(x, y, x, y, bs=bs, device="cpu")
    ...     learn = Learner(dls, torch.nn.Linear(2, 2), torch.nn.CrossEntropyLoss())
    ...     torch.nn.init.zeros_(learn.model.weight), torch.nn.init.zeros_(learn.model.bias)
    ...     learn.fit_one_cycle(2, 0.1, cbs=cbs)
    ...     return learn.model.weight
    >>> torch.allclose(train(16, []), train(8, AccumulateGradients(2)), atol=1e-5)
         epoch ...
    True
    """

    # Before all others: callbacks that come later do not hear of a step that is cancelled.
    order = -10

    def __init__(self, batches: int) -> None:
        self.batches_per_step = whole("batches", batches)

    def batches_in(self, learn: "Learner") -> int:
        """How many batches a step of this training takes."""
        return self.batches_per_step

    def before_fit(self, learn: "Learner") -> None:
        check_only_one(self, learn)
        self.accumulated = 0

    def before_train(self, learn: "Learner") -> None:
        if self.accumulated:  # the previous epoch was cancelled
            learn.optimizer.zero_grad()
        self.accumulated, self.is_last = 0, False

    def before_step(self, learn: "Learner") -> None:
        if not self.is_last:
            self.accumulated += 1
            if self.accumulated < self.batches_per_step:
                raise CancelStep
        # Gradients are divided, not losses: only now is the size of the group known, as the last
        # group of an epoch may be smaller.
        for parameter in _trained_parameters(learn):
            if parameter.grad is not None:
                parameter.grad.div_(self.accumulated)
        self.accumulated = 0

    def after_train(self, learn: "Learner") -> None:
        if self.accumulated:
            self.is_last = True
            learn.section("step", learn.step)


class GradientAccumulation(AccumulateGradients):
    """:class:`AccumulateGradients` by a number of samples, by fastai's name.

    The optimizer steps once every ``n_acc`` samples, rounded up to whole batches, with the mean of
    their gradients.

    Args:
        n_acc: the number of samples per step, in each process, 1 or more.

    Raises:
        TypeError, ValueError: ``n_acc`` is not a whole number of 1 or more.
        VicinalError: the training has two of these callbacks.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
    >>> accumulate = GradientAccumulation(32)
    >>> Learner(dls, torch.nn.Linear(2, 2)).fit(1, cbs=accumulate)
         epoch ...
    >>> accumulate.batches_per_step
    4
    """

    def __init__(self, n_acc: int = 32) -> None:
        self.n_acc = whole("n_acc", n_acc)
        super().__init__(1)

    def batches_in(self, learn: "Learner") -> int:
        return math.ceil(self.n_acc / learn.dls.train.batch_size)

    def before_fit(self, learn: "Learner") -> None:
        self.batches_per_step = self.batches_in(learn)
        super().before_fit(learn)


class ClipGradients(Callback):
    """Clip the norm of the gradient before the optimizer steps.

    By default it is the Euclidean norm over all parameters together. With fp16 it is the norm of
    the unscaled gradient; with :class:`AccumulateGradients`, that of the mean gradient.

    Args:
        norm: the maximum norm, above 0.
        norm_type: of a p-norm, the p, above 0; ``float("inf")`` for the largest entry.

    Raises:
        TypeError, ValueError: an argument is not a number above 0.
        VicinalError: the training has two of these callbacks.

    Source: R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural
    networks (2013), by torch's ``clip_grad_norm_``.

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=64, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), opt_func=torch.optim.SGD)
    >>> before = learn.model.weight.detach().clone()
    >>> learn.fit(1, 1.0, cbs=ClipGradients(0.001))
         epoch ...
    >>> bool((learn.model.weight - before).norm() <= 0.0011)
    True
    """

    order = 70  # after callbacks that change gradients or cancel the step

    def __init__(self, norm: float, norm_type: float = 2.0) -> None:
        self.norm, self.norm_type = number("norm", norm), number("norm_type", norm_type)
        if not self.norm:
            raise ValueError(f"norm must be above 0, not {norm}")
        if not self.norm_type:
            raise ValueError(f"norm_type must be above 0, not {norm_type}")

    def before_fit(self, learn: "Learner") -> None:
        check_only_one(self, learn)

    def after_backward(self, learn: "Learner") -> None:
        if learn.closure is not None:  # each gradient that the step computes
            self._clip(learn)

    def before_step(self, learn: "Learner") -> None:
        if learn.closure is None:
            self._clip(learn)

    def _clip(self, learn: "Learner") -> None:
        learn.scaler.unscale_(learn.optimizer)  # does nothing without a scale
        torch.nn.utils.clip_grad_norm_(_trained_parameters(learn), self.norm, self.norm_type)


class GradientClip(ClipGradients):
    """:class:`ClipGradients` by fastai's name, with its default.

    Args:
        max_norm, norm_type: as ``norm`` and ``norm_type`` there.

    >>> GradientClip().norm
    1.0
    """

    def __init__(self, max_norm: float = 1.0, norm_type: float = 2.0) -> None:
        super().__init__(max_norm, norm_type)


def _trained_parameters(learn: "Learner") -> list[Tensor]:
    """The parameters that the optimizer steps."""
    return [parameter for group in learn.optimizer.param_groups for parameter in group["params"]]
