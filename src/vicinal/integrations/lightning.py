"""Mixing in Lightning's Trainer."""

import functools
import inspect
import math
from collections.abc import Mapping
from typing import Any

from torch.utils import _pytree as pytree

from vicinal.batches import BatchMixer, batches_of, length
from vicinal.entries import Target
from vicinal.integrations.alone import check_alone
from vicinal.integrations.needs import missing
from vicinal.mixed.tensor import own_targets, reached_loss
from vicinal.mixing.mixer import Mixer

try:
    try:
        from lightning.pytorch import Callback, LightningModule, Trainer
        from lightning.pytorch.utilities import CombinedLoader
    except ModuleNotFoundError:  # the same under its other name
        from pytorch_lightning import Callback, LightningModule, Trainer
        from pytorch_lightning.utilities import CombinedLoader
    from torchmetrics import Metric
except ModuleNotFoundError as error:
    raise missing("lightning", error) from None


class Mix(Callback):  # type: ignore[misc]
    """Mix every training batch of a Lightning Trainer.

    ::

        trainer = Trainer(max_epochs=10, callbacks=Mix(MixUp()))

    The module needs no change: its ``training_step`` gets the mixed batch, in which the targets are
    :class:`vicinal.MixedTensor`; metrics of torchmetrics get the samples' own targets. During the
    training, ``training_step`` and the metrics' ``update`` are wrapped; afterwards, also after an
    error, they are restored. The mixer's random state is in every checkpoint.

    Args:
        mixer: such as ``MixUp()``.
        target: the key or position of the target in a batch, or several of them, as for
            :class:`vicinal.BatchMixer`: a pair (x, y) and a dict with labels do not need it. With
            several loaders, each one's batch is mixed separately.

    Raises:
        TypeError: ``mixer`` is not a mixer, or another ``Mix`` mixes the batches, too.
        ValueError: the loss cannot be computed for both targets, a batch has no target, or it is
            not clear which part it is.
        RuntimeError: ``training_step`` computes no loss from the mixed targets, or takes
            ``dataloader_iter`` instead of batches.
    """

    def __init__(self, mixer: Mixer, target: Target | None = None) -> None:
        self.mix = BatchMixer(mixer, target)
        self._step: MixedStep | None = None
        # By identity: the hash of a metric changes with its state.
        self._updates: dict[int, tuple[Metric, Any]] = {}

    @property
    def mixer(self) -> Mixer:
        return self.mix.mixer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        check_alone(trainer.callbacks, Mix)
        # A trainer that has trained before, or reads a checkpoint, goes on in the middle.
        done = trainer.fit_loop.epoch_loop.total_batch_idx + 1
        loaders = _mixed_for_each_batch(trainer)
        self.mix.begin(_batches(trainer) * loaders, round(done * loaders))
        self._step = MixedStep(trainer, pl_module, self.mix)
        pl_module.training_step = self._step
        self._give_own_targets(pl_module)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch is None:
            raise RuntimeError(
                "training_step takes dataloader_iter, whose batches cannot be mixed from outside: "
                "let it take batch, or mix in it, x, y = mixer(x, y)"
            )
        if self._step is not None:
            self._step.parts = []
        if batch_idx == 0:  # an epoch may begin with new metrics, as those of a MetricTracker are
            self._give_own_targets(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # With manual optimization, not every step of an epoch need use the targets.
        if self._step is not None and not self._step.reached_loss:
            self.mix.check_reached_loss(self._step.mixed, "training_step")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def state_dict(self) -> dict[str, Any]:
        return self.mix.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.mix.load_state_dict(state_dict)

    def _give_own_targets(self, module: LightningModule) -> None:
        """Let all metrics of the module compare with the samples' own targets."""
        for metric in module.modules():
            if isinstance(metric, Metric) and id(metric) not in self._updates:
                self._updates[id(metric)] = metric, metric.update
                setattr(metric, "update", _on_own_targets(metric.update))  # noqa: B010

    def _stop(self) -> None:
        if self._step is None:
            return
        self._step.restore()
        self._step = None
        for metric, update in self._updates.values():
            setattr(metric, "update", update)  # noqa: B010
        self._updates = {}
        self.mix.end()


class MixedStep:
    """A module's ``training_step``, which mixes its batch. Copies of the module have their own.

    Args:
        trainer, module: of the training.
        mix: mixes the batch of each loader.
    """

    def __init__(self, trainer: Trainer, module: LightningModule, mix: BatchMixer) -> None:
        self.trainer, self.module, self.mix = trainer, module, mix
        self.step, self.own = module.training_step, vars(module).get("training_step")
        functools.update_wrapper(self, self.step)
        # Lightning reads the arguments of what is wrapped, but not of what that wraps in its turn.
        self.__wrapped__ = inspect.unwrap(self.step)
        self.parts: list[Any] = []
        self.mixed: Any = None
        self.reached_loss = False

    def __call__(self, batch: Any, *others: Any, **options: Any) -> Any:
        if not self.trainer.training:  # called by a validation_step
            return self.step(batch, *others, **options)
        # An optimizer such as LBFGS may take the step several times for one batch, and other
        # hooks may put its tensors into a new container: it is recognised by its tensors.
        parts = pytree.tree_leaves(batch)
        if [*map(id, parts)] != [*map(id, self.parts)]:
            self.parts, self.mixed = parts, self._each(self.trainer.train_dataloader, batch)
        result = self.step(self.mixed, *others, **options)
        self.reached_loss |= reached_loss(self.mixed)
        if result is not None and self.module.automatic_optimization:
            self.mix.check_reached_loss(self.mixed, "training_step")
        return result

    def __reduce__(self) -> Any:
        # A copy of the module, such as an average of its weights, or a file of it.
        return getattr, (self.module, "training_step")

    def restore(self) -> None:
        """Give the module its own step again."""
        del self.module.training_step
        if self.own is not None:  # the module had one of its own, such as a compiled one
            self.module.training_step = self.own

    def _each(self, loaders: Any, batch: Any) -> Any:
        """Mix the batch of each loader."""
        if batch is None:  # a shorter loader is exhausted
            return None
        if isinstance(loaders, CombinedLoader):
            return self._each(loaders.iterables, batch)
        if isinstance(loaders, Mapping):
            return {name: self._each(loader, batch[name]) for name, loader in loaders.items()}
        if isinstance(loaders, (list, tuple)):
            pairs = zip(loaders, batch, strict=True)
            return type(batch)(self._each(loader, own) for loader, own in pairs)
        return self.mix(batch)


def _on_own_targets(update: Any) -> Any:
    @functools.wraps(update)
    def on_own_targets(*args: Any, **kwargs: Any) -> Any:
        return update(*own_targets(args), **own_targets(kwargs))

    return on_own_targets


def _mixed_for_each_batch(trainer: Trainer) -> float:
    """How many batches of loaders are mixed for a batch of the training, on average."""
    loader = trainer.fit_loop._combined_loader  # of one or several; nothing public tells its mode
    in_epoch = trainer.num_training_batches
    if loader._mode != "max_size" or math.isinf(in_epoch):
        return len(loader.flattened)
    return sum(min(length(each), in_epoch) for each in loader.flattened) / in_epoch


def _batches(trainer: Trainer) -> float:
    """The number of batches of the training; infinity if it is unlimited."""
    in_epoch, accumulated = trainer.num_training_batches, trainer.accumulate_grad_batches
    epochs = math.inf if trainer.max_epochs in (None, -1) else trainer.max_epochs
    # With manual optimization, a batch may have any number of steps.
    if trainer.max_steps == -1 or not trainer.lightning_module.automatic_optimization:
        return epochs * in_epoch
    return min(epochs * in_epoch, batches_of(trainer.max_steps, in_epoch, accumulated))
