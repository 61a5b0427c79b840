"""The Learner: data, a network, a loss, and the loop that brings them together."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from accelerate.utils import convert_to_fp32
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vicinal.criteria import AsymmetricLoss, OrdinalLoss, ordinal_probabilities
from vicinal.data.loaders import DataLoaders
from vicinal.data.split_loader import SplitLoader
from vicinal.errors import VicinalError
from vicinal.learner.callbacks import (
    MixBatches,
    ProgressTable,
    Recorder,
    StepScheduler,
    ValidAverages,
    check_names,
)
from vicinal.learner.checkpoint import load_weights, save_weights
from vicinal.learner.events import Callback, Cancel, announce, close, listeners
from vicinal.learner.interpretation import Interpretation, sample_losses
from vicinal.learner.lr_find import RangeTest, range_test
from vicinal.learner.precision import autocast, choose_precision
from vicinal.learner.tta import augmented
from vicinal.losses import CrossEntropyLossFlat, MixLoss
from vicinal.mixing import MixedTarget, Mixer, MixUp
from vicinal.processes import gathered, share_buffers, this_process

# fastai's defaults: momentum and decay of AdamW that suit one-cycle training.
AdamW = partial(torch.optim.AdamW, betas=(0.9, 0.99), eps=1e-5, weight_decay=0.01)

Rates = float | slice


class Learner:
    """Train a network.

    Args:
        dls: the data.
        model: any module; it is moved to the data's device, and otherwise left as it is.
        loss_func: a criterion; it reads mixed targets through :class:`MixLoss` and is itself
            never changed. None takes cross-entropy for classes and mean squared error for values.
        opt_func: from (parameter groups, lr=) to a torch optimizer; by default AdamW.
        lr: learning rate where ``fit`` is given none.
        metrics: one or several functions of (output, target) that are means over samples, or
            :data:`rmse`.
        cbs: one or several callbacks or mixers, as instances or classes.
        splitter: from the model to lists of parameters, the first layers first: the groups that
            ``fine_tune`` freezes and that a slice of learning rates is spread over.
        precision: "fp32", "bf16", "fp16", or "auto" for what the device is fast in.
        compile: train with the network compiled by ``torch.compile``, which takes a minute to
            begin with; it is validated and used as it is.
        path: where :meth:`save` puts its files.

    Attributes, to callbacks: ``epochs``, ``epoch``, ``training``, ``batches``, ``x``, ``y``,
    ``pred``, ``loss``, ``optimizer``, ``history`` (a row of losses and metrics for each epoch).

    >>> from vicinal import DataLoaders, MixUp, accuracy
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(400, 2); y = (x[:, 0] > 0).long()
    >>> dls = DataLoaders.from_tensors(x[:300], y[:300], x[300:], y[300:], bs=20, device="cpu")
    >>> learn = Learner(dls, nn.Linear(2, 2), metrics=accuracy, cbs=MixUp(0.4, seed=0))
    >>> learn.fit_one_cycle(3, 0.1)  # doctest: +ELLIPSIS
         epoch train_loss valid_loss valid_accuracy    seconds
             1 ...
    >>> learn.history[-1]["valid_accuracy"] > 0.9
    True
    """

    def __init__(
        self,
        dls: DataLoaders,
        model: nn.Module,
        loss_func: Callable[..., Tensor] | None = None,
        opt_func: Callable[..., torch.optim.Optimizer] = AdamW,
        lr: float = 1e-3,
        *,
        metrics: Any = (),
        cbs: Any = (),
        splitter: Callable[[nn.Module], list[list[nn.Parameter]]] | None = None,
        precision: str = "fp32",
        compile: bool = False,
        path: str | Path = ".",
    ) -> None:
        this_process()  # begins the group, where this is one of several
        self.dls, self.model = dls, model
        if loss_func is None:
            loss_func = CrossEntropyLossFlat() if dls.vocab else nn.MSELoss()
        self.loss_func = loss_func
        MixLoss(self.loss_func)  # says now what is wrong with a criterion
        self.opt_func, self.lr, self.splitter = opt_func, lr, splitter or one_group
        self.metrics = as_list(metrics)
        check_names(self.metrics)
        self.cbs: list[Callback] = []
        self.add_cbs(cbs)
        self.precision, _ = choose_precision(precision, dls.device)
        self.compile = compile
        self.path = Path(path)
        self.history: list[dict[str, Any]] = []
        self.is_logging = True
        self.ended: list[int] = []  # the epochs of each training that came to its end
        self.callbacks: list[Callback] = []
        self.x: Any = None
        self.y: Any = None
        self.pred: Any = None
        self.loss: Tensor | None = None

    # ---- the loop -------------------------------------------------------------------------

    def fit(self, epochs: int, lr: Rates | None = None, cbs: Any = ()) -> None:
        """Train with a constant learning rate.

        Args:
            epochs: how often to go through the training part.
            lr: a number, or ``slice(lowest, highest)`` spread over the parameter groups.
            cbs: callbacks for this training alone.

        Whatever ends the training (also an error or Ctrl-C), the learner's loss, metrics,
        callbacks and model are left as they were, but for the trained weights.
        """
        if epochs < 1:
            raise VicinalError(f"the number of epochs must be 1 or more, not {epochs}")
        self.epochs, self.first_epoch = epochs, 0
        with self._prepared(self.lr if lr is None else lr, as_callbacks(cbs)):
            self._section("fit", self._all_epochs)
        self.ended = [*self.ended, epochs]

    def _all_epochs(self) -> None:
        for self.epoch in range(self.first_epoch, self.epochs):
            self._section("epoch", self._one_epoch)

    def _one_epoch(self) -> None:
        self._section("train", partial(self._all_batches, self.dls.train))
        self._section("validate", partial(self._all_batches, self.dls.valid))

    def _all_batches(self, batches: SplitLoader) -> None:
        self.batches, self.training = batches, batches.training
        self.model.train(self.training)
        if not self.training:
            share_buffers(self.model)
        with torch.set_grad_enabled(self.training):
            for self.x, self.y in batches:
                self.pred = self.loss = None
                self._section("batch", self._one_batch)

    def _one_batch(self) -> None:
        self._section("pred", self._predict)
        self._section("loss", self._compute_loss)
        if self.training:
            self._section("backward", self._backward)
            self._section("step", self._step)

    def _predict(self) -> None:
        network = self.trained_network if self.training else self.model
        with autocast(self.precision, self.dls.device):
            pred = network(self.x)
        self.pred = pred if self.precision == "fp32" else convert_to_fp32(pred)

    def _compute_loss(self) -> None:
        _check_shapes(self.pred, self.y)
        self.loss = MixLoss(self.loss_func)(self.pred, self.y)

    def _backward(self) -> None:
        assert self.loss is not None
        self.scaler.scale(self.loss).backward()

    def _step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def _section(self, name: str, body: Callable[[], None]) -> None:
        """Run a part of the training between its two events; a callback may cancel it."""
        begun: list[Callback] = []  # who heard the event before hears the one after
        try:
            begun.extend(announce(self, f"before_{name}", self.callbacks))
            body()
        except Cancel as cancel:
            if cancel.section != name:
                raise
        except BaseException:
            if name == "fit":  # what callbacks opened is closed, whatever happened
                close(self, begun)
            raise
        if name == "fit":
            close(self, begun)
        else:
            list(announce(self, f"after_{name}", begun))

    # ---- around the loop ------------------------------------------------------------------

    @contextmanager
    def _prepared(self, lr: Rates, cbs: list[Callback]) -> Iterator[None]:
        """What lives as long as one training: device, optimizer, callbacks, precision."""
        self.dls.check_share()
        self._to_device()
        self.optimizer = self._make_optimizer(lr)
        self.optimizer.zero_grad()
        self.scaler = torch.amp.GradScaler(self.dls.device.type, enabled=self.precision == "fp16")
        self.trained_network = self._as_it_is_trained()
        self.callbacks = self._sorted(cbs)
        try:
            with self._modes_kept():
                yield
        finally:
            self.callbacks = []
            self.trained_network = self.model
            for part in (self.dls.train, self.dls.valid):
                part.shut_down_workers()
            self.optimizer.zero_grad()
            self.x = self.y = self.pred = self.loss = None

    def _as_it_is_trained(self) -> nn.Module:
        """The network with what training puts around it, which shares its weights."""
        network = self.model
        if this_process().num_processes > 1:
            device = self.dls.device
            own = None if device.type == "cpu" else [torch.accelerator.current_device_index()]
            network = DistributedDataParallel(network, device_ids=own)
        return cast(nn.Module, torch.compile(network)) if self.compile else network

    def _to_device(self) -> None:
        self.model.to(self.dls.device)
        if isinstance(self.loss_func, nn.Module):
            self.loss_func.to(self.dls.device)

    @contextmanager
    def _modes_kept(self) -> Iterator[None]:
        """Put every module back to training or evaluation mode, as it was."""
        modes = {module: module.training for module in self.model.modules()}
        try:
            yield
        finally:
            for module, training in modes.items():
                module.training = training

    def _make_optimizer(self, lr: Rates) -> torch.optim.Optimizer:
        groups = [[p for p in group if p.requires_grad] for group in self.splitter(self.model)]
        rates = spread(lr, len(groups))
        made = []
        for parameters, rate in zip(groups, rates, strict=True):
            # Norms and biases have one dimension, and no reason to be small.
            decayed = [p for p in parameters if p.ndim > 1]
            plain = [p for p in parameters if p.ndim <= 1]
            made += [{"params": decayed, "lr": rate}, {"params": plain, "lr": rate}]
            if plain:
                made[-1]["weight_decay"] = 0.0
        made = [group for group in made if group["params"]]
        if not made:
            raise VicinalError("the model has no parameter to train: unfreeze one")
        return self.opt_func(made, lr=rates[-1])

    def _sorted(self, extra: Sequence[Callback] = ()) -> list[Callback]:
        is_shown = self.is_logging and this_process().is_main_process
        shown = [ProgressTable()] if is_shown else []
        everything = [*self.cbs, *extra, Recorder(), *shown]
        return sorted(everything, key=lambda callback: callback.order)

    # ---- schedules ------------------------------------------------------------------------

    def fit_one_cycle(
        self,
        epochs: int,
        lr_max: Rates | None = None,
        *,
        pct_start: float = 0.25,
        div: float = 25.0,
        div_final: float = 1e5,
        cbs: Any = (),
    ) -> None:
        """Train with the one-cycle policy: the learning rate warms up and anneals, by cosines.

        Args:
            epochs: how often to go through the training part.
            lr_max: the highest learning rate, or a slice as for :meth:`fit`.
            pct_start: the share of the steps that warm up, in (0, 1).
            div, div_final: start and end at ``lr_max / div`` and ``lr_max / div_final``.
            cbs: callbacks for this training alone.

        Source: L. N. Smith, N. Topin, Super-convergence (2018); the cosine form is fastai's.
        """

        def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> Any:
            # OneCycleLR divides by zero where the warm-up has no step; and it counts one step
            # more than the optimizer makes.
            warm_up = max(1, round(pct_start * steps))
            return torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=[group["lr"] for group in optimizer.param_groups],
                total_steps=steps + 1,
                pct_start=(warm_up + 1) / (steps + 1),
                div_factor=div,
                final_div_factor=div_final / div,
                cycle_momentum=_has_momentum(optimizer),
            )

        self.fit(epochs, lr_max, cbs=[StepScheduler(one_cycle), *as_callbacks(cbs)])

    def fit_flat_cos(
        self,
        epochs: int,
        lr: Rates | None = None,
        *,
        pct_start: float = 0.75,
        div_final: float = 1e5,
        cbs: Any = (),
    ) -> None:
        """Train with a constant learning rate that anneals at the end, by a cosine.

        Args:
            epochs: how often to go through the training part.
            lr: the learning rate, or a slice as for :meth:`fit`.
            pct_start: the share of the steps before it anneals, 0 or more and below 1.
            div_final: end at ``lr / div_final``; above 0.
            cbs: callbacks for this training alone.

        Raises:
            VicinalError: ``pct_start`` or ``div_final`` is out of its range.

        Source: fastai's ``Learner.fit_flat_cos``.
        """
        if not 0 <= pct_start < 1:
            raise VicinalError(f"pct_start must be 0 or more and below 1, not {pct_start}")
        if not 0 < div_final < math.inf:
            raise VicinalError(f"div_final must be a number above 0, not {div_final}")

        def flat_cos(optimizer: torch.optim.Optimizer, steps: int) -> Any:
            def share(step: int) -> float:
                annealed = max(0.0, step / steps - pct_start) / (1 - pct_start)
                height = (1 + math.cos(math.pi * annealed)) / 2
                return height + (1 - height) / div_final

            return torch.optim.lr_scheduler.LambdaLR(optimizer, share)

        self.fit(epochs, lr, cbs=[StepScheduler(flat_cos), *as_callbacks(cbs)])

    def lr_find(self, start_lr: float = 1e-7, end_lr: float = 10.0, num_it: int = 100) -> RangeTest:
        """Look for a learning rate: train on some batches while it grows, and undo that.

        See :func:`vicinal.learner.lr_find.range_test`. ``learn.lr_find().suggestion`` is a rate,
        ``learn.lr_find().plot()`` a figure of the losses.

        Args:
            start_lr, end_lr: the first and the last rate. They are those of the last parameter
                group; where ``lr`` is a slice, the others keep their ratio to it.
            num_it: the number of batches, 10 or more.
        """
        return range_test(self, start_lr, end_lr, num_it)

    def fine_tune(
        self, epochs: int, base_lr: float = 2e-3, *, freeze_epochs: int = 1, lr_mult: float = 100
    ) -> None:
        """Train the head alone, then everything with lower rates for the first layers.

        Args:
            epochs: epochs with all layers, after ``freeze_epochs`` with the head alone.
            base_lr: the highest learning rate of the first phase; the second has half of it.
            lr_mult: by how much lower the rate of the first layers is.
        """
        trained = {parameter: parameter.requires_grad for parameter in self.model.parameters()}
        self.freeze()
        try:
            self.fit_one_cycle(freeze_epochs, slice(base_lr), pct_start=0.99)
        finally:
            for parameter, wanted in trained.items():
                parameter.requires_grad_(wanted)
        base_lr /= 2
        self.fit_one_cycle(epochs, slice(base_lr / lr_mult, base_lr), pct_start=0.3, div=5)

    def freeze(self) -> None:
        """Train the last parameter group alone, and batch norms, which have to learn the data."""
        norms = {
            parameter
            for module in self.model.modules()
            if isinstance(module, nn.modules.batchnorm._NormBase)
            for parameter in module.parameters()
        }
        for group in self.splitter(self.model)[:-1]:
            for parameter in group:
                parameter.requires_grad_(parameter in norms and parameter.requires_grad)

    def unfreeze(self) -> None:
        """Train all parameters."""
        for group in self.splitter(self.model):
            for parameter in group:
                parameter.requires_grad_()

    # ---- callbacks ------------------------------------------------------------------------

    def add_cbs(self, cbs: Any) -> "Learner":
        """Add callbacks or mixers for all trainings to come."""
        self.cbs += as_callbacks(cbs)
        return self

    def mixup(self, alpha: float = 0.4, **kwargs: Any) -> "Learner":
        """Train with :class:`MixUp`, in one line: ``vision_learner(dls, "resnet34").mixup()``.

        A mixer that was there before gives way.
        """
        self.cbs = [cb for cb in self.cbs if not isinstance(cb, MixBatches)]
        return self.add_cbs(MixUp(alpha, **kwargs))

    @contextmanager
    def no_logging(self) -> Iterator["Learner"]:
        """Train without a progress bar and a table: ``with learn.no_logging(): learn.fit(3)``."""
        logged, self.is_logging = self.is_logging, False
        try:
            yield self
        finally:
            self.is_logging = logged

    def events(self) -> str:
        """The events of a training and who listens to each: ``print(learn.events())``."""
        return listeners(self._sorted())

    # ---- using the network ----------------------------------------------------------------

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The network on the data's device and in evaluation mode; then in its own again."""
        self._to_device()
        with self._modes_kept():
            self.model.eval()
            yield

    def output(self, x: Any) -> Any:
        """The network's output for a batch that is on the device, in its mode as it is."""
        with autocast(self.precision, self.dls.device):
            output = self.model(x)
        return convert_to_fp32(output)

    @torch.no_grad()
    def _outputs(self, batches: Any) -> Generator[tuple[Tensor, Any], None, None]:
        with self.evaluating():
            for x, y in batches:
                yield self.output(x), y

    def validate(self) -> dict[str, float]:
        """Loss and metrics on the validation part: ``{"valid_loss": …, "valid_accuracy": …}``."""
        averages, loss_func = ValidAverages(self.metrics), MixLoss(self.loss_func)
        with closing(self._outputs(self.dls.valid)) as outputs:
            for output, y in outputs:
                averages.add(loss_func(output, y), output, y)
        return averages.means()

    def get_preds(self, part: SplitLoader | None = None) -> tuple[Tensor, Tensor]:
        """Probabilities (or values) and targets, on the CPU.

        Args:
            part: of the data; None is the validation part.

        Returns:
            (N, C) float32, (N, ...) targets.
        """
        batches = self.dls.valid if part is None else part
        parts = [(self.activation(o).cpu(), y.cpu()) for o, y in self._outputs(batches)]
        outputs, targets = gathered(parts)
        return outputs, targets

    def tta(self, n: int = 4) -> tuple[Tensor, Tensor]:
        """Test-time augmentation: as :meth:`get_preds`, over random views of each sample.

        ``n`` passes with the training part's random changes are averaged; their mean counts 3/4,
        the pass without changes 1/4. The changes follow from the data's seed, so that a second
        call gives the same; a training to come is not affected.

        Args:
            n: how many random views of each sample; 1 or more.

        Raises:
            VicinalError: training samples are not changed at random, or ``n`` is below 1.

        Source: fastai's ``Learner.tta``, with its default ``beta=0.25``.
        """
        if n < 1:
            raise VicinalError(f"the number of random views must be 1 or more, not {n}")
        views, sampler = augmented(self.dls), self.dls.valid.sampler
        epoch = sampler.epoch
        try:
            plain, targets = self.get_preds()
            mean = torch.stack([self.get_preds(views)[0] for _ in range(n)]).mean(dim=0)
        finally:
            sampler.epoch = epoch
        return mean.lerp(plain, 0.25), targets

    def interpret(self) -> Interpretation:
        """Where the network errs on the validation part: confusion matrix and largest losses.

        Raises:
            VicinalError: the loss function gives no loss for each sample.
        """
        parts = [
            (self.activation(o).cpu(), y.cpu(), sample_losses(self.loss_func, o, y).cpu())
            for o, y in self._outputs(self.dls.valid)
        ]
        probabilities, targets, losses = gathered(parts)
        return Interpretation(self.dls, probabilities, targets, losses)

    def predict(self, item: Any) -> tuple[str, Tensor, Tensor]:
        """Predict one sample.

        Args:
            item: what the data are made of: an image file, a PIL image, or a tensor.

        Returns:
            The class (or value) as text, its index (or the values), and the probabilities (C,).
        """
        x = self.dls.test_batch([item])
        ((output, _),) = self._outputs([(x, None)])
        probabilities = self.activation(output)[0].cpu()
        chosen = probabilities.argmax() if self.dls.vocab else probabilities
        return self.dls.label(chosen), chosen, probabilities

    def activation(self, output: Tensor) -> Tensor:
        """From the network's output to probabilities, as the loss reads it."""
        criterion = MixLoss(self.loss_func).criterion
        called = criterion.func if isinstance(criterion, partial) else criterion
        several = nn.BCEWithLogitsLoss | AsymmetricLoss
        if isinstance(called, several) or called is F.binary_cross_entropy_with_logits:
            return output.sigmoid()
        if isinstance(called, OrdinalLoss):
            return ordinal_probabilities(output)
        if isinstance(called, nn.NLLLoss) or called is F.nll_loss:
            return output.exp()
        of_shares = isinstance(called, nn.CrossEntropyLoss) or called is F.cross_entropy
        if self.dls.vocab or of_shares:
            axis = called.axis if isinstance(called, CrossEntropyLossFlat) else 1
            return output.softmax(dim=axis)
        return output

    def show_batch(self, max_n: int = 9) -> Any:
        """A figure of training images; see :meth:`DataLoaders.show_batch`."""
        return self.dls.show_batch(max_n)

    def show_results(self, max_n: int = 9) -> Any:
        """A matplotlib figure of validation images, each with its class and the predicted one."""
        from vicinal import plots

        x, y = next(iter(self.dls.valid))
        x, y = x[:max_n], y[:max_n]
        ((output, _),) = self._outputs([(x, None)])
        guesses = self.activation(output)
        guesses = guesses.argmax(dim=1) if self.dls.vocab else guesses
        titles = [
            f"{self.dls.label(truth)}\n{self.dls.label(guess)}"
            for truth, guess in zip(y, guesses, strict=True)
        ]
        return plots.images(self.dls.pictures(x), titles)

    def save(self, name: str) -> Path:
        """Write the weights to ``path/models/NAME.safetensors``, and return that path.

        Of several processes, the main one writes.

        Raises:
            VicinalError: it cannot be written.
        """
        file = self.path / "models" / f"{name}.safetensors"
        if this_process().is_main_process:
            save_weights(self.model, file)
        return file

    def load(self, name: str) -> "Learner":
        """Read the weights that :meth:`save` wrote.

        Raises:
            VicinalError: the file is not there, damaged, or of another network.
        """
        load_weights(self.model, self.path / "models" / f"{name}.safetensors")
        return self


def as_callbacks(cbs: Any) -> list[Callback]:
    """One or several callbacks or mixers, instances or classes, to a list of callbacks."""
    made: list[Callback] = []
    for cb in as_list(cbs):
        kind = cb if isinstance(cb, type) else type(cb)
        if issubclass(kind, Mixer):
            made.append(MixBatches(cb))
        elif issubclass(kind, Callback):
            made.append(cb() if isinstance(cb, type) else cb)
        else:
            raise VicinalError(f"{cb!r} is neither a callback nor a mixer such as MixUp()")
    return made


def as_list(one_or_several: Any) -> list[Any]:
    """None, one thing, or a list or tuple of things, to a list."""
    if one_or_several is None:
        return []
    return list(one_or_several) if isinstance(one_or_several, list | tuple) else [one_or_several]


def one_group(model: nn.Module) -> list[list[nn.Parameter]]:
    """All parameters in one group."""
    return [list(model.parameters())]


def spread(lr: Rates, groups: int) -> list[float]:
    """A learning rate for each parameter group.

    ``slice(lowest, highest)`` is spread evenly in the logarithm; ``slice(highest)`` gives the last
    group that rate and the others a tenth of it.

    >>> spread(slice(1e-4, 1e-2), 3)
    [0.0001, 0.001, 0.01]
    """
    if not isinstance(lr, slice):
        return [float(lr)] * groups
    highest = float(lr.stop)
    if lr.start is None:
        return [highest / 10] * (groups - 1) + [highest]
    if groups == 1:
        return [highest]
    step = (math.log(highest) - math.log(lr.start)) / (groups - 1)
    return [float(f"{lr.start * math.exp(step * i):.12g}") for i in range(groups)]


def _check_shapes(pred: Any, y: Any) -> None:
    """Refuse what most losses would compare each with each: values (B, 1) and outputs (B,)."""
    target = y.own if isinstance(y, MixedTarget) else y
    if not (isinstance(pred, Tensor) and isinstance(target, Tensor) and pred.ndim == 1):
        return
    if target.is_floating_point() and target.shape == (len(pred), 1) and len(pred) > 1:
        raise VicinalError(
            f"the network's outputs have the shape {tuple(pred.shape)} and the targets "
            f"{tuple(target.shape)}: let it give {tuple(target.shape)}, without squeeze or flatten"
        )


def _has_momentum(optimizer: torch.optim.Optimizer) -> bool:
    return "betas" in optimizer.defaults or bool(optimizer.defaults.get("momentum"))
