"""Mixing in fastai's Learner."""

from typing import Any

import torch

from vicinal.batches import BatchMixer
from vicinal.integrations.alone import check_alone
from vicinal.integrations.needs import missing
from vicinal.mixed.tensor import is_mixed, own_targets
from vicinal.mixing.batch import map_leaves
from vicinal.mixing.mixer import Mixer

try:
    from fastai.callback.core import Callback
    from fastai.callback.mixup import MixHandler
    from fastai.learner import SkipToEpoch
    from fastai.metrics import AccumMetric
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
        TypeError: ``mixer`` is not a mixer, or another callback mixes the batches, too.
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
        check_alone(self.learn.cbs, (Mix, MixHandler))
        in_epoch = len(self.learn.dls.train)
        # Of fit(..., start_epoch=n), the first n epochs are done.
        done = max((cb._skip_to for cb in self.learn.cbs if isinstance(cb, SkipToEpoch)), default=0)
        self.mix.begin(self.learn.n_epoch * in_epoch, done * in_epoch)
        for metric in self.learn.metrics:
            if isinstance(metric, AccumMetric) and not isinstance(metric.accumulate, OnOwnTargets):
                metric.accumulate = OnOwnTargets(metric)

    def before_batch(self) -> None:
        if not self.yb:
            raise ValueError(
                "the batch has no targets, which mixing needs: let the last block of the DataBlock "
                "give them, or use a smaller n_inp"
            )
        xb, yb = (tuple(_plain(parts)) for parts in (self.xb, self.yb))
        # Some mixers look at the targets, or bring samples of their own in the form (x, y): a
        # single input or target is passed without its tuple.
        x, y = self.mix.mix_xy(xb[0] if len(xb) == 1 else xb, yb[0] if len(yb) == 1 else yb)
        self.learn.xb = (x,) if len(xb) == 1 else x
        self.learn.yb = (y,) if len(yb) == 1 else y

    def after_loss(self) -> None:
        self.mix.check_reached_loss(self.yb, "the learner's loss_func")

    def after_fit(self) -> None:
        self.mix.end()
        for metric in self.learn.metrics:
            if isinstance(vars(metric).get("accumulate"), OnOwnTargets):
                del metric.accumulate


class OnOwnTargets:
    """A metric's ``accumulate`` that compares with the samples' own targets.

    It joins those of all batches at the end, and each batch is another mix.

    Args:
        metric: of all samples together, such as one of scikit-learn's.
    """

    def __init__(self, metric: AccumMetric) -> None:
        self.metric = metric

    def __call__(self, learn: Any) -> None:
        mixed, learn.yb = learn.yb, own_targets(learn.yb)
        try:
            type(self.metric).accumulate(self.metric, learn)
        finally:
            learn.yb = mixed


def _plain(batch: Any) -> Any:
    """fastai's tensors as plain ones: its subclasses would intercept every operation of mixing."""

    def plain(_: Any, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or is_mixed(leaf):  # which is refused
            return leaf
        return torch._C.TensorBase.as_subclass(leaf, torch.Tensor)

    return map_leaves(plain, batch)
