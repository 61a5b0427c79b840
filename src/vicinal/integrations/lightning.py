"""Mixing in Lightning's Trainer."""

import functools
import math
from collections.abc import Mapping
from typing import Any

from torch.utils import _pytree as pytree

from vicinal.batches import BatchMixer, Target, batches_of
from vicinal.integrations.needs import missing
from vicinal.mixed.tensor import is_learnt, own_targets
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

    The module stays as it is: its ``training_step`` gets the mixed batch, in which the targets are
    :class:`vicinal.MixedTensor`; metrics of torchmetrics get the samples' own. While training goes
    on, ``training_step`` and the metrics' ``update`` are wrapped; afterwards, also after an error,
    they are what they were. The state of the draws is in every checkpoint.

    Args:
        mixer: such as ``MixUp()``.
        target: the key or position of the target in a batch, or several of them. None takes the
            last of a tuple or list, and in a dict what is called labels, label, targets, target or
            y. Of several loaders, each one's batch is mixed by itself.

    Raises:
        TypeError: the mixer is none.
        ValueError: the loss cannot be computed of both targets, or a batch has no target.
        RuntimeError: ``training_step`` computes no loss from the mixed targets, or asks for its
            batches itself, by ``dataloader_iter``.
    """

    def __init__(self, mixer: Mixer, target: Target | None = None) -> None:
        self.mix = BatchMixer(mixer, target)
        self._parts: list[Any] = []
        self._mixed: Any = None
        self._step: Any = None
        self._metrics: list[tuple[Metric, Any]] = []
        self._has_learnt = False

    @property
    def mixer(self) -> Mixer:
        return self.mix.mixer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.mix.begin(_batches(trainer))
        step = pl_module.training_step
        own = vars(pl_module).get("training_step")
        self._step, self._has_learnt = (pl_module, own), False

        @functools.wraps(step)
        def mixed_step(batch: Any, *others: Any, **options: Any) -> Any:
            if not trainer.training:  # a validation_step has called it
                return step(batch, *others, **options)
            # An optimizer may take the step several times for a batch, which others pack anew.
            parts = pytree.tree_leaves(batch)
            if [*map(id, parts)] != [*map(id, self._parts)]:
                self._parts, self._mixed = parts, self._each(trainer.train_dataloader, batch)
            result = step(self._mixed, *others, **options)
            self._has_learnt |= is_learnt(self._mixed)
            if result is not None and pl_module.automatic_optimization:
                self.mix.check_reached_loss(self._mixed, "training_step")
            return result

        pl_module.training_step = mixed_step
        self._metrics = [(m, m.update) for m in pl_module.modules() if isinstance(m, Metric)]
        for metric, update in self._metrics:
            setattr(metric, "update", _of_own(update))  # noqa: B010

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch is None:
            raise RuntimeError(
                "training_step asks for its batches by dataloader_iter, where they cannot be "
                "mixed: let it take batch, or mix there, x, y = mixer(x, y)"
            )
        self._parts = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._has_learnt:  # where the step itself optimizes, not each must be by targets
            self.mix.check_reached_loss(self._mixed, "training_step")

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

    def _each(self, loaders: Any, batch: Any) -> Any:
        """The batch of each loader, mixed."""
        if batch is None:  # its loader has come to its end
            return None
        if isinstance(loaders, CombinedLoader):
            return self._each(loaders.iterables, batch)
        if isinstance(loaders, Mapping):
            return {name: self._each(loader, batch[name]) for name, loader in loaders.items()}
        if isinstance(loaders, (list, tuple)):
            pairs = zip(loaders, batch, strict=True)
            return type(batch)(self._each(loader, own) for loader, own in pairs)
        return self.mix(batch)

    def _stop(self) -> None:
        if self._step is None:
            return
        (module, own), self._step = self._step, None
        self._parts, self._mixed = [], None
        del module.training_step
        if own is not None:  # a compiled one
            module.training_step = own
        for metric, update in self._metrics:
            setattr(metric, "update", update)  # noqa: B010
        self.mix.end()


def _of_own(update: Any) -> Any:
    @functools.wraps(update)
    def of_own(*args: Any, **kwargs: Any) -> Any:
        return update(*own_targets(args), **own_targets(kwargs))

    return of_own


def _batches(trainer: Trainer) -> float:
    """How many batches the training has; infinity where it has no end."""
    in_epoch, accumulated = trainer.num_training_batches, trainer.accumulate_grad_batches
    epochs = math.inf if trainer.max_epochs in (None, -1) else trainer.max_epochs
    # Steps that a module makes itself may be several for a batch.
    if trainer.max_steps == -1 or not trainer.lightning_module.automatic_optimization:
        return epochs * in_epoch
    return min(epochs * in_epoch, batches_of(trainer.max_steps, in_epoch, accumulated))
