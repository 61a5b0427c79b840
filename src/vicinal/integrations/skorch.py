"""Mixing in skorch's nets."""

from functools import partial
from typing import Any

from torch import nn

from vicinal.batches import LEFT_BEHIND, BatchMixer, length, storable
from vicinal.errors import VicinalError
from vicinal.integrations.alone import check_alone
from vicinal.integrations.needs import missing
from vicinal.mixing.hidden import ManifoldMixUp
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
    and ``score`` are not mixed, and other callbacks that score training data see the samples' own
    targets. The mixer's random state is pickled with the net.

    Args:
        mixer: such as ``MixUp()``. A :class:`Schedule` in it assumes ``max_epochs`` epochs, as
            skorch does not report those of ``fit(..., epochs=n)`` and ``partial_fit`` to callbacks.

    Raises:
        TypeError: ``mixer`` is not a mixer, or another ``Mix`` mixes the batches, too.
        ValueError: the criterion cannot be computed for both targets, or the data have no targets.
        RuntimeError: the net computes no loss from the mixed targets, or its ``train_step`` passes
            another batch to ``train_step_single`` than it gets.
    """

    def __init__(self, mixer: Mixer) -> None:
        self.mixer = mixer

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"mixer": storable(self.mixer)}

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        if self.mixer is None:
            raise VicinalError(LEFT_BEHIND)
        check_alone((callback for _, callback in net.callbacks_), Mix)
        step = MixedStep(net, self.mixer)
        _check_model(self.mixer, net)
        net.train_step_single = step

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        if not net.train_step_single.has_begun:
            in_epoch = length(net.get_iterator(dataset_train, training=True))
            net.train_step_single.begin(net.max_epochs * in_epoch)

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool | None = None, **kwargs: Any
    ) -> None:
        if training:
            net.train_step_single.start_batch(batch)

    def on_batch_end(self, net: Any, training: bool | None = None, **kwargs: Any) -> None:
        if training:
            net.train_step_single.end_batch()

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        if isinstance(vars(net).get("train_step_single"), MixedStep):
            net.train_step_single.stop()


def _check_model(mixer: Mixer, net: Any) -> None:
    """Raise a VicinalError if a mixer mixes inside of a module that is not the net's."""
    own = {*net.module_.modules()} if isinstance(net.module_, nn.Module) else set()
    if any(isinstance(each, ManifoldMixUp) and each.model not in own for each in mixer.nested()):
        raise VicinalError(
            "the ManifoldMixUp was made for another module than the net trains: fit() makes a new "
            "one of a class, so give both the same object, NeuralNetClassifier(module, …) and "
            "ManifoldMixUp(module)"
        )


class MixedStep:
    """A net's ``train_step_single`` on mixed batches.

    skorch calls no callback after an error, so this step may remain on the net. It therefore leaves
    all batches unchanged except those announced by :meth:`start_batch`.

    Args:
        net: the net whose step it replaces.
        mixer: such as ``MixUp()``.
    """

    def __init__(self, net: Any, mixer: Mixer) -> None:
        self.net, self.mix = net, BatchMixer(mixer)
        self.own: Any = vars(net).get("train_step_single")
        while isinstance(self.own, MixedStep):  # left by a training that failed
            self.own = self.own.own
        self.batch = self.mixed = None
        self.has_begun = False

    def begin(self, batches: float) -> None:
        """Begin a training of so many batches."""
        self.mix.begin(batches)
        self.has_begun = True

    def start_batch(self, batch: Any) -> None:
        """Announce the batch of the next steps: some optimizers take several for one batch."""
        self.batch, self.mixed = batch, None

    def end_batch(self) -> None:
        """Release the batch after its steps."""
        if self.batch is not None and self.mixed is None:
            raise RuntimeError(
                "the net's train_step did not pass its batch to train_step_single, so that nothing "
                "was mixed: change batches in the dataset or the iterator"
            )
        self.batch = self.mixed = None

    def stop(self) -> None:
        """Restore the net's own step."""
        vars(self.net).pop("train_step_single", None)
        if self.own is not None:
            self.net.train_step_single = self.own
        self.mix.end()

    def __call__(self, batch: Any, **fit_params: Any) -> Any:
        step = self.own or partial(type(self.net).train_step_single, self.net)
        if batch is not self.batch:
            return step(batch, **fit_params)
        try:
            self.mixed = self.mix(batch) if self.mixed is None else self.mixed
            result = step(self.mixed, **fit_params)
            self.mix.check_reached_loss(self.mixed, "the net")
        except BaseException:
            self.stop()
            raise
        return result
