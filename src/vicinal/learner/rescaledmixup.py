"""RescaledMixUp: mixup whose network predicts on rescaled inputs and outputs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import reduce

from vicinal.errors import VicinalError
from vicinal.learner.callbacks import MixBatches, mixer_or_mixup
from vicinal.mixing import Mixer
from vicinal.processes import this_process
from vicinal.rescaling import Means, Rescaling, mean_share

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class RescaledMixUp(MixBatches):
    """Train with mixup, and rescale what the network gives for samples that are not mixed.

    Mixup trains a network on inputs and targets that are drawn towards the means of the training
    data. :class:`~vicinal.rescaling.Rescaling` undoes that at prediction: the weights are those of
    a training with the mixer alone, and ``learn.validate()``, ``get_preds``, ``predict``, ``tta``,
    ``interpret`` and the validation of each epoch are of rescaled outputs. ``learn.rescaling`` is
    the rescaling; set it to None to use the network without. :meth:`Learner.save` and run folders
    hold it beside the weights.

    The means are those of the samples of the training's first epoch, as they are before they are
    mixed. They cost no further pass through the data.

    Args:
        mixer: one that blends whole samples, such as ``MixUp(0.4)``, an instance or a class; None
            takes ``MixUp(alpha)``.
        alpha: of Beta(alpha, alpha), from which the weights of that :class:`MixUp` are drawn; None
            takes 0.4.

    Raises:
        TypeError, ValueError: rescaling has no meaning for the mixer, such as :class:`CutMix`; or
            ``alpha`` is given beside a mixer.
        VicinalError: when the training begins, for a loss that reads no logits and no values; or
            at its first batch, if the samples are not one tensor of floats of one shape.

    Source: L. Carratino, M. Cissé, R. Jenatton, J.-P. Vert, On Mixup Regularization, JMLR 23
    (2022).

    >>> from vicinal import DataLoaders, Learner
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> learn = Learner(dls, torch.nn.Linear(2, 2), cbs=RescaledMixUp(alpha=0.4))
    >>> learn.fit(1, 0.1)
         epoch ...
    >>> learn.rescaling
    Rescaling(theta=0.8398)
    """

    def __init__(
        self, mixer: Mixer | Callable[[], Mixer] | None = None, *, alpha: float | None = None
    ) -> None:
        super().__init__(mixer_or_mixup("RescaledMixUp", mixer, alpha, 0.4))
        mean_share(self.mixer)  # raises where it has none
        self.rescaling: Rescaling | None = None
        self.means: Means | None = None

    def before_fit(self, learn: "Learner") -> None:
        super().before_fit(learn)
        _check_outputs(learn)
        self.means, self.rescaling = None, None

    def before_train(self, learn: "Learner") -> None:
        if self.rescaling is None:
            self.means = Means(len(learn.dls.vocab) if learn.dls.vocab else None)
        else:  # a training that was resumed
            learn.rescaling = self.rescaling.to(learn.dls.device)

    def before_batch(self, learn: "Learner") -> None:
        if learn.training and self.means is not None and learn.loaded_x is not None:
            # Before the samples are mixed, and of the size that they have in validation, too.
            is_resized = getattr(learn.x, "shape", None) != getattr(learn.loaded_x, "shape", None)
            try:
                self.means.add(learn.loaded_x if is_resized else learn.x, learn.y)
            except (TypeError, ValueError) as error:
                raise VicinalError(str(error)) from None
        super().before_batch(learn)

    def after_train(self, learn: "Learner") -> None:
        if self.means is not None and self.means.sums is not None:
            self.rescaling = Rescaling(mean_share(self.mixer), *_means_of_all(self.means))
            learn.rescaling, self.means = self.rescaling, None

    def after_fit(self, learn: "Learner") -> None:
        super().after_fit(learn)
        self.means = None
        if self.rescaling is not None:  # also where a resumed training had no epoch left
            learn.rescaling = self.rescaling.to(learn.dls.device)

    def state_dict(self) -> dict[str, Any]:
        rescaling = self.rescaling
        saved = None if rescaling is None else [rescaling.theta, rescaling.mean_x, rescaling.mean_y]
        return {**super().state_dict(), "rescaling": saved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        saved = state["rescaling"]
        self.rescaling = None if saved is None else Rescaling(*saved)
        super().load_state_dict({n: value for n, value in state.items() if n != "rescaling"})

    def __repr__(self) -> str:
        return f"RescaledMixUp({self.mixer!r})"

    @property
    def name(self) -> str:
        return repr(self)


def _means_of_all(means: Means) -> tuple[torch.Tensor, torch.Tensor]:
    """The means over the samples of all processes."""
    if this_process().num_processes == 1 or means.sums is None:
        return means.both()
    count = torch.tensor(float(means.count), device=means.sums[0].device)
    x, y, total = (reduce(each, "sum") for each in (*means.sums, count))
    return x / total, y / total


def _check_outputs(learn: "Learner") -> None:
    """Raise a VicinalError if the loss reads outputs that are no logits and no values."""
    probe = torch.tensor([[0.0, -1.0]])
    shape = learn.activation(probe).shape
    is_log = torch.equal(learn.activation(probe), probe.exp())
    if shape != probe.shape or is_log:
        name = type(learn.loss_func).__name__
        raise VicinalError(
            f"the outputs that {name} reads are no logits and no values, which alone can be "
            "rescaled: use CrossEntropyLoss, or a mixer without RescaledMixUp"
        )
