"""Mixing in fastai's Learner."""

from typing import Any

import torch

from vicinal.batches import BatchMixer
from vicinal.integrations.needs import missing
from vicinal.mixing.batch import map_leaves
from vicinal.mixing.mixer import Mixer

try:
    from fastai.callback.core import Callback
except ModuleNotFoundError as error:
    raise missing("fastai", error) from None


class Mix(Callback):  # type: ignore[misc]
    """Mix every training batch of a fastai Learner.

    ::

        learn = vision_learner(dls, resnet34, metrics=accuracy, cbs=Mix(MixUp()))

    Nothing in the learner is replaced: ``predict``, ``get_preds``, ``ClassificationInterpretation``
    and ``export`` work afterwards as they always do.

    Args:
        mixer: such as ``MixUp()``; it mixes all inputs, and targets of any kind.

    Raises:
        TypeError: ``mixer`` is not a mixer.
        ValueError: the loss cannot be computed for both targets, or a batch has no targets.
    """

    order = 9.5  # after CastToTensor, and before MixedPrecision
    run_valid = False

    def __init__(self, mixer: Mixer) -> None:
        super().__init__()
        self.mix = BatchMixer(mixer)

    @property
    def mixer(self) -> Mixer:
        return self.mix.mixer

    def before_fit(self) -> None:
        self.mix.begin(self.learn.n_epoch * len(self.learn.dls.train))

    def before_batch(self) -> None:
        if not self.yb:
            raise ValueError(
                "the batch has no targets, which mixing needs: let the last block of the DataBlock "
                "give them, or use a smaller n_inp"
            )
        batch, inputs = (*_plain(self.xb), *_plain(self.yb)), len(self.xb)
        mixed = self.mix(batch, tuple(range(inputs, len(batch))))
        self.learn.xb, self.learn.yb = mixed[:inputs], mixed[inputs:]

    def after_loss(self) -> None:
        self.mix.check_reached_loss(self.yb, "the learner's loss_func")

    def after_fit(self) -> None:
        self.mix.end()


def _plain(batch: Any) -> Any:
    """fastai's tensors as plain ones: its subclasses would intercept every operation of mixing."""

    def plain(_: Any, leaf: Any) -> Any:
        return (
            torch._C.TensorBase.as_subclass(leaf, torch.Tensor)
            if isinstance(leaf, torch.Tensor)
            else leaf
        )

    return map_leaves(plain, batch)
