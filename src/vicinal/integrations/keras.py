"""Mixing in Keras 3, on its torch backend."""

import math
from typing import Any

from torch import Tensor

from vicinal.batches import BatchMixer
from vicinal.integrations.needs import missing
from vicinal.mixed.tensor import own_targets
from vicinal.mixing.batch import map_leaves
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
    weights count with the target that they belong to. Images are taken for such as
    ``keras.config.image_data_format()`` says.

    Args:
        mixer: such as ``MixUp()``.

    Raises:
        TypeError: the mixer is none.
        ValueError: the loss cannot be computed of both targets, Keras runs on another backend, or
            the data have no targets.
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

    @property
    def mixer(self) -> Mixer:
        return self.mix.mixer

    def on_train_begin(self, logs: Any = None) -> None:
        self._stop()  # a training that failed may have left it
        self.mix.begin(self.params["epochs"] * (self.params["steps"] or math.inf))
        model, step, metrics = self.model, self.model.train_step, self.model.compute_metrics

        def mixed_step(data: Any) -> Any:
            mixed = self._mixed(data)
            result = step(mixed)
            self.mix.check_learnt(mixed, "the model")
            return result

        def metrics_of_own(x: Any, y: Any, *others: Any, **options: Any) -> Any:
            return metrics(x, *own_targets((y, *others)), **own_targets(options))

        model.train_step, model.compute_metrics = mixed_step, metrics_of_own

    def on_train_end(self, logs: Any = None) -> None:
        self._stop()

    def _stop(self) -> None:
        self.model.__dict__.pop("compute_metrics", None)
        if self.model.__dict__.pop("train_step", None) is not None:
            self.mixer.release()

    def _mixed(self, data: Any) -> Any:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            raise ValueError("the data have no targets, which mixing needs: give fit(x, y)")
        targets = (y,) if sample_weight is None else (y, sample_weight)
        self.mix.target = tuple(range(1, 1 + len(targets)))
        x, *targets = self.mix((_moved(x, -1, 1), *targets))
        return (_moved(x, 1, -1), *targets)


def _moved(x: Any, source: int, to: int) -> Any:
    """Images with their channels at another place, where Keras has them last and we do not."""
    if keras.config.image_data_format() != "channels_last":
        return x

    def moved(_: Any, leaf: Any) -> Any:
        is_image = isinstance(leaf, Tensor) and leaf.ndim >= 4
        return leaf.movedim(source, to) if is_image else leaf

    return map_leaves(moved, x)
