"""Mixing in Keras 3, on its torch backend."""

import math
from typing import Any

from torch import Tensor

from vicinal.batches import BatchMixer
from vicinal.errors import VicinalError
from vicinal.integrations.needs import missing
from vicinal.mixed.tensor import own_targets
from vicinal.mixing.batch import map_leaves
from vicinal.mixing.looking import LooksWithModel
from vicinal.mixing.mixer import Mixer

try:
    import keras
except ModuleNotFoundError as error:
    if error.name == "keras":
        raise missing("keras", error) from None
    raise ModuleNotFoundError(
        f"Keras needs {error.name} for the backend that is set: set KERAS_BACKEND=torch before "
        "Keras is imported",
        name=error.name,
    ) from None


class Mix(keras.callbacks.Callback):  # type: ignore[misc]
    """Mix every training batch of ``model.fit``.

    ::

        model.fit(x, y, epochs=10, callbacks=[Mix(MixUp())])

    While ``fit`` runs, the model's ``train_step`` gets mixed batches, and its metrics the samples'
    own targets; ``validation_data``, ``evaluate`` and ``predict`` are not mixed. Sample and class
    weights are applied to the target that they belong to. The channels of images are where
    ``keras.config.image_data_format()`` has them.

    Args:
        mixer: such as ``MixUp()``, which needs no model.

    Raises:
        TypeError: ``mixer`` is not a mixer, or another ``Mix`` mixes the batches, too.
        ValueError: the loss cannot be computed for both targets, Keras runs on another backend, the
            data have no targets, or the mixer looks at them with a model or mixes inside of one.
        RuntimeError: the model computes no loss from the mixed targets.
    """

    def __init__(self, mixer: Mixer) -> None:
        super().__init__()
        if keras.backend.backend() != "torch":
            raise ValueError(
                f"Keras runs on {keras.backend.backend()}, where vicinal cannot mix: set "
                "KERAS_BACKEND=torch before Keras is imported"
            )
        self.mix = BatchMixer(mixer)
        for inner in mixer.nested():
            looks = isinstance(inner, LooksWithModel) and getattr(inner, "saliency", None) is None
            if looks or inner.at_layers:
                raise VicinalError(
                    f"{type(inner).__name__} needs a network of torch's layers, which those of "
                    "Keras are not: take a mixer that needs no model, such as CutMix()"
                )

    @property
    def mixer(self) -> Mixer:
        return self.mix.mixer

    def on_train_begin(self, logs: Any = None) -> None:
        self._has_begun = False
        # Keras calls no callback after an error, so that a step for a batch that never came may be
        # left from another training.
        step = vars(self.model).get("train_step")
        while isinstance(step, MixedStep):
            step = step.before
        _set(self.model, "train_step", step)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if not self._has_begun:  # the first epoch is not 0 in fit(initial_epoch=...)
            steps = self.params["steps"]
            self.mix.begin(self.params["epochs"] * (steps or math.inf), epoch * (steps or 0))
            self._has_begun = True

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        _set(self.model, "train_step", MixedStep(self.model, self.mix))

    def on_train_end(self, logs: Any = None) -> None:
        self.mix.end()


class MixedStep:
    """A model's ``train_step`` for the next batch, which it mixes.

    It removes itself from the model before that: Keras calls no callback after an error, so that
    nothing could remove it later.

    Args:
        model: the model whose step it replaces.
        mix: mixes the batch.
    """

    def __init__(self, model: Any, mix: BatchMixer) -> None:
        self.model, self.mix = model, mix
        # That of another Mix, if there are two, gets a mixed batch, and refuses it.
        self.before: Any = vars(model).get("train_step")

    def __call__(self, data: Any) -> Any:
        _set(self.model, "train_step", self.before)
        metrics, before = self.model.compute_metrics, vars(self.model).get("compute_metrics")

        def metrics_on_own_targets(x: Any, y: Any, *others: Any, **options: Any) -> Any:
            return metrics(x, *own_targets((y, *others)), **own_targets(options))

        _set(self.model, "compute_metrics", metrics_on_own_targets)
        try:
            mixed = _mixed(self.mix, data)
            result = self.model.train_step(mixed)
            self.mix.check_reached_loss(mixed, "the model")
        except BaseException:
            self.mix.end()
            raise
        finally:
            _set(self.model, "compute_metrics", before)
        return result


def _set(model: Any, method: str, function: Any) -> None:
    """Set a method on a model itself; None removes it, which leaves that of its class."""
    vars(model).pop(method, None)
    if function is not None:
        vars(model)[method] = function


def _mixed(mix: BatchMixer, data: Any) -> Any:
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError("the data have no targets, which mixing needs: give fit(x, y)")
    # Sample weights are mixed as targets: each is applied to the loss of its own target.
    targets = y if sample_weight is None else (y, sample_weight)
    x, targets = mix.mix_xy(*(_moved(part, -1, 1) for part in (x, targets)))
    x, targets = (_moved(part, 1, -1) for part in (x, targets))
    return (x, targets) if sample_weight is None else (x, *targets)


def _moved(part: Any, source: int, to: int) -> Any:
    """Images and masks with their channels moved, if Keras has them last: mixing has them first."""
    if keras.config.image_data_format() != "channels_last":
        return part

    def moved(_: Any, leaf: Any) -> Any:
        is_image = isinstance(leaf, Tensor) and leaf.ndim >= 4
        return leaf.movedim(source, to) if is_image else leaf

    return map_leaves(moved, part)
