"""Mixing in skorch's nets."""

import math
from typing import Any

from vicinal.batches import BatchMixer
from vicinal.integrations.needs import missing
from vicinal.mixing.mixer import Mixer

try:
    from skorch.callbacks import Callback
except ModuleNotFoundError as error:
    raise missing("skorch", error) from None


class Mix(Callback):  # type: ignore[misc]
    """Mix every training batch of a skorch net.

    ::

        net = NeuralNetClassifier(Module, criterion=nn.CrossEntropyLoss, callbacks=[Mix(MixUp())])

    While ``fit`` runs, the net's ``train_step_single`` gets mixed batches. Validation, ``predict``
    and ``score`` are not mixed, and the scores of other callbacks on training data see the samples'
    own targets. The state of the draws is pickled with the net.

    Args:
        mixer: such as ``MixUp()``.

    Raises:
        TypeError: the mixer is none.
        ValueError: the criterion cannot be computed of both targets, or the data have no targets.
        RuntimeError: the net computes no loss from the mixed targets.
    """

    def __init__(self, mixer: Mixer) -> None:
        self.mixer = mixer

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self._stop(net)  # a training that failed may have left it
        net.train_step_single = MixedStep(net, self.mixer)

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        if not net.train_step_single.has_begun:
            net.train_step_single.begin(net.max_epochs * _batches(net, dataset_train))

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool | None = None, **kwargs: Any
    ) -> None:
        if training:  # once, also for an optimizer that computes the loss of a batch several times
            net.train_step_single.take(batch)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self._stop(net)

    def _stop(self, net: Any) -> None:
        if vars(net).pop("train_step_single", None) is not None:
            self.mixer.release()


class MixedStep:
    """A net's ``train_step_single`` on mixed batches.

    Args:
        net: whose step it is.
        mixer: such as ``MixUp()``.
    """

    def __init__(self, net: Any, mixer: Mixer) -> None:
        self.net, self.mix = net, BatchMixer(mixer)
        self.mixed: Any = None
        self.has_begun = False

    def begin(self, batches: float) -> None:
        """Say how many batches the training has."""
        self.mix.begin(batches)
        self.has_begun = True

    def take(self, batch: Any) -> None:
        """Mix the batch that the next steps are for."""
        self.mixed = self.mix(batch)

    def __call__(self, batch: Any, **fit_params: Any) -> Any:
        result = type(self.net).train_step_single(self.net, self.mixed, **fit_params)
        self.mix.check_learnt(self.mixed, "the net")
        return result


def _batches(net: Any, dataset: Any) -> float:
    """How many batches an epoch has; infinity where the loader cannot tell."""
    try:
        return len(net.get_iterator(dataset, training=True))
    except TypeError:
        return math.inf
