"""Inference: what a trained network is used for."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from typing import Any, Self

import torch
from accelerate.utils import convert_to_fp32, send_to_device
from torch import Tensor, nn

from vicinal.activations import activation_of
from vicinal.cross_entropy import CrossEntropyLossFlat
from vicinal.data.loaders import DataLoaders
from vicinal.data.paths import Path
from vicinal.data.split_loader import as_pair
from vicinal.errors import VicinalError
from vicinal.learner.callbacks import ValidAverages, as_metrics
from vicinal.learner.check_network import check_network
from vicinal.learner.checkpoint import (
    load_rescaling,
    load_weights,
    save_rescaling,
    save_weights,
)
from vicinal.learner.class_metrics import check_scores
from vicinal.learner.exporting import Exporting
from vicinal.learner.one_number import Paired
from vicinal.learner.parts import Part, part_of
from vicinal.learner.precision import autocast, choose_precision
from vicinal.learner.predictions import Predictions
from vicinal.learner.scores import Scores
from vicinal.learner.shown import Shown
from vicinal.losses import MixLoss
from vicinal.mixing import MixedTarget
from vicinal.processes import this_process
from vicinal.rescaling import Rescaling


class Inference(Predictions, Exporting, Shown):
    """A network with its data and loss: predictions, validation, weights on disk.

    It is the part of a :class:`Learner` that does not train.

    Args:
        dls, model, loss_func, metrics, precision, path, model_dir: as for :class:`Learner`.
    """

    def __init__(
        self,
        dls: DataLoaders,
        model: nn.Module,
        loss_func: Callable[..., Tensor] | None,
        metrics: Any,
        precision: str,
        path: str | os.PathLike[str],
        model_dir: str | os.PathLike[str] = "models",
    ) -> None:
        check_network(model)
        self.dls, self.model = dls, model
        if loss_func is None:
            by_vocab = CrossEntropyLossFlat() if dls.vocab else nn.MSELoss()
            loss_func = dls.loss_func or by_vocab
        self.loss_func = loss_func
        self.metrics = metrics
        self.precision, _ = choose_precision(precision, dls.device)
        self.path, self.model_dir = Path(path), Path(model_dir)
        #: How outputs are rescaled after a training with RescaledMixUp; None for not at all.
        self.rescaling: Rescaling | None = None
        # Within this context the network holds the weights to use; some trainings have others.
        self.weights_to_use: Callable[[], AbstractContextManager[None]] = nullcontext

    # ---- the loss -------------------------------------------------------------------------

    @property
    def loss_func(self) -> Callable[..., Tensor]:
        """The criterion, as it was given; it may be replaced at any time, also by a callback."""
        return self._loss_func

    @loss_func.setter
    def loss_func(self, loss_func: Callable[..., Tensor]) -> None:
        # Wrapped here, once, and not in every batch: reading a criterion's signature takes longer
        # than a loss. The criterion itself stays as it is.
        self._mix_loss = MixLoss(loss_func)
        self._paired = Paired(self._mix_loss.criterion)
        self._loss_func = loss_func

    def compute_loss(self, pred: Any, y: Any) -> Tensor:
        """The loss of outputs with plain or mixed targets, by :attr:`loss_func`.

        Args:
            pred: the outputs, B rows first, such as :meth:`Learner.forward` gives.
            y: plain targets (B, ...), or a :class:`MixedTarget`.

        Returns:
            The loss, as the criterion reduces it.

        Raises:
            VicinalError: outputs (B,) would be compared with targets (B, 1), or the other way
                round, each with each.
        """
        _check_shapes(pred, y)
        loss: Tensor = self._mix_loss(pred, self._paired.target(pred, y))
        return loss

    def mean_weight(self, y: Any) -> Tensor | int:
        """How much the loss of a batch weighs in a mean: see :meth:`MixLoss.mean_weight`."""
        return self._mix_loss.mean_weight(y)

    @property
    def metrics(self) -> list[Any]:
        """The metrics; they may be replaced, also by one alone."""
        return self._metrics

    @metrics.setter
    def metrics(self, metrics: Any) -> None:
        self._metrics = as_metrics(metrics, self.dls.vocab)

    # ---- outputs --------------------------------------------------------------------------

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within this context the network is on the data's device and in evaluation mode."""
        self.to_device()
        with self.weights_to_use(), self.restoring_modes():
            self.model.eval()
            yield

    def to_device(self) -> None:
        """Move the network, and a loss that is a module, to the data's device."""
        self.model.to(self.dls.device)
        if isinstance(self.loss_func, nn.Module):
            self.loss_func.to(self.dls.device)

    @contextmanager
    def restoring_modes(self) -> Iterator[None]:
        """Afterwards every module is in training or evaluation mode as before."""
        modes = {module: module.training for module in self.model.modules()}
        try:
            yield
        finally:
            # One by one: some may be frozen in evaluation mode, which train() would end.
            for module, training in modes.items():
                module.training = training

    @property
    def network(self) -> Callable[[Any], Any]:
        """The model as it is used for samples that are not mixed, with :attr:`rescaling`."""
        return self.model if self.rescaling is None else partial(self.rescaling, self.model)

    def output(self, x: Any) -> Any:
        """The network's float32 output for a batch on the device, in the mode that it is in."""
        with autocast(self.precision, self.dls.device):
            output = self.network(x)
        return convert_to_fp32(output)

    @torch.no_grad()
    def _passes(self, batches: Any) -> Generator[tuple[Any, Tensor, Any], None, None]:
        """Inputs, outputs and targets of batches."""
        any_read = False
        with self.evaluating():
            for batch in batches:  # those of a user's own list may be elsewhere
                any_read = True
                x, y = send_to_device(as_pair(batch), self.dls.device)
                yield x, self.output(x), y
        # Of several processes, one may have no samples of its own.
        if not any_read and this_process().num_processes == 1:
            raise VicinalError(
                "there is no batch in dl: give at least one, or a list in place of an iterator, "
                "which can be read only once"
            )

    def _outputs(self, batches: Any) -> Generator[tuple[Tensor, Any], None, None]:
        with closing(self._passes(batches)) as passes:
            for _, output, y in passes:
                yield output, y

    def activation(self, output: Tensor) -> Tensor:
        """From the network's output to probabilities, as the loss reads it."""
        if not isinstance(output, Tensor):
            raise VicinalError(
                f"predictions are made from one tensor, and the network returns a "
                f"{type(output).__name__}: let a module around it return the tensor to predict by"
            )
        return activation_of(self.loss_func, classes=self.dls.is_classes)(output)

    # ---- on the validation part -----------------------------------------------------------

    def validate(self, ds_idx: int = 1, dl: Part | None = None) -> Scores:
        """Loss and metrics: ``loss, acc = learn.validate()``.

        Args:
            ds_idx: 1 for the validation part, 0 for the training part as it is trained on, in
                random order and with its augmentation.
            dl: a part of other data, with labels, in place of them; or a list of batches (x, y).

        Returns:
            The numbers, in the order of the metrics, as a tuple that has names, too:
            ``scores["valid_loss"]``, ``scores["valid_accuracy"]``, ``dict(scores)``.

        Raises:
            VicinalError: ``ds_idx`` is neither, or the part has no labels or no batch.

        >>> from vicinal import Learner, accuracy
        >>> x, y = torch.randn(40, 2), torch.arange(40) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
        >>> learn = Learner(dls, nn.Linear(2, 2), metrics=accuracy)
        >>> loss, acc = learn.validate()
        >>> acc == learn.validate()["valid_accuracy"]
        True
        """
        part = part_of(self.dls, ds_idx)
        if dl is None:
            self.dls.check_samples()
        batches = part if dl is None else dl
        averages = ValidAverages(self.metrics)
        sampler: Any = getattr(batches, "sampler", None)
        epoch = getattr(sampler, "epoch", None)
        try:
            with closing(self._outputs(batches)) as outputs:
                for number, (output, y) in enumerate(outputs):
                    if y is None:
                        raise VicinalError("validate() needs labels, and this part has none")
                    if number == 0:
                        check_scores(self.metrics, self.loss_func, output, y, self.dls.vocab)
                    loss = self.compute_loss(output, y)
                    averages.add(loss, self.mean_weight(y), output, y)
        finally:
            if epoch is not None:
                sampler.epoch = epoch  # a later training is not affected
        return Scores(averages.means())

    # ---- weights on disk ------------------------------------------------------------------

    def save(self, name: str, *, with_opt: bool = False) -> Path:
        """Write the weights to ``path/model_dir/NAME.safetensors``, and return that path.

        A :attr:`rescaling` is written beside them, to ``NAME.rescaling.safetensors``. With several
        processes, only the main one writes.

        Args:
            name: of the file.
            with_opt: must be False, as each training makes its own optimizer.

        Raises:
            VicinalError: the file cannot be written, or ``with_opt`` is set.
        """
        _check_without_optimizer(with_opt)
        file = self.path / self.model_dir / f"{name}.safetensors"
        with self.weights_to_use():
            if this_process().is_main_process:
                save_weights(self.model, file)
                save_rescaling(self.rescaling, _beside(file))
        return file

    def load(self, name: str, *, with_opt: bool = False) -> Self:
        """Read the weights that :meth:`save` wrote.

        Args:
            name: as for :meth:`save`.
            with_opt: must be False.

        Raises:
            VicinalError: the file does not exist, is damaged, or belongs to another network; or
                ``with_opt`` is set.
        """
        _check_without_optimizer(with_opt)
        file = self.path / self.model_dir / f"{name}.safetensors"
        rescaling = load_rescaling(_beside(file))
        load_weights(self.model, file)
        self.rescaling = None if rescaling is None else rescaling.to(self.dls.device)
        return self


def _check_without_optimizer(with_opt: bool) -> None:
    if with_opt:
        raise VicinalError(
            "each training makes its own optimizer, so that its state is not kept: leave out "
            "with_opt, and go on with a training by cbs=Checkpoint(file, resume=True)"
        )


def _beside(weights: Path) -> Path:
    """The file of the rescaling that belongs to a file of weights."""
    return weights.with_suffix(".rescaling.safetensors")


def _check_shapes(pred: Any, y: Any) -> None:
    """Refuse outputs (B,) for targets (B, 1), which most losses would broadcast to (B, B)."""
    target = y.own if isinstance(y, MixedTarget) else y
    if not (isinstance(pred, Tensor) and isinstance(target, Tensor) and pred.ndim == 1):
        return
    if target.is_floating_point() and target.shape == (len(pred), 1) and len(pred) > 1:
        raise VicinalError(
            f"the network's outputs have shape {tuple(pred.shape)} and the targets "
            f"{tuple(target.shape)}: let it give {tuple(target.shape)}, without squeeze or flatten"
        )
