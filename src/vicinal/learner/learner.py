"""The Learner: data, a network, a loss, and the loop that brings them together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import convert_to_fp32
from torch import Tensor, nn

from vicinal.data.loaders import DataLoaders
from vicinal.errors import VicinalError
from vicinal.learner.adamw import AdamW
from vicinal.learner.also_named import AlsoNamed
from vicinal.learner.attached import Attached
from vicinal.learner.callbacks import as_callbacks
from vicinal.learner.closure import Closure
from vicinal.learner.demands import Demands, check_demands
from vicinal.learner.events import (
    Callback,
    Cancel,
    announce,
    check_cancelled,
    close,
    in_order,
    listeners,
)
from vicinal.learner.fitting import Fitting, Momenta, also_n_epoch, check_new_optimizer
from vicinal.learner.misnamed import suggesting
from vicinal.learner.optimizer import (
    Rates,
    Splitter,
    check_decay,
    make_optimizer,
    one_group,
    own_rate,
)
from vicinal.learner.padded import right_gradients
from vicinal.learner.precision import InPrecision, autocast
from vicinal.learner.progress_table import ProgressTable
from vicinal.learner.recorder import Recorder
from vicinal.processes import distributed_model, share_buffers, this_process

Batches = Iterable[tuple[Any, Any]]


class Learner(AlsoNamed, Attached, InPrecision, Fitting):
    """Train a network.

    Args:
        dls: the data.
        model: any module; it is moved to the data's device, and otherwise left as it is.
        loss_func: a criterion; it reads mixed targets through :class:`MixLoss` and is itself
            never changed. None takes cross-entropy for classes and mean squared error for values.
        opt_func: from (parameter groups, lr=) to a torch optimizer; by default AdamW.
        lr: learning rate for ``fit`` without one; ``partial(opt_func, lr=…)`` takes precedence.
        metrics: one or several functions of (output, target) that are means over samples, or
            :data:`rmse`.
        cbs: one or several callbacks or mixers, as instances or classes.
        splitter: from the model to lists of parameters, the first layers first: the groups that
            ``fine_tune`` freezes and that a slice of learning rates is spread over.
        precision: "fp32", "bf16", "fp16", or "auto" for the one that the device is fast in.
        compile: train with the network compiled by ``torch.compile``, which takes a minute at
            first; validation uses the network itself.
        path: the folder of the files that a training writes.
        model_dir: where :meth:`save` puts weights; a folder in ``path``, unless it is absolute.
        wd: weight decay, 0 or more; None for the optimizer's own, which is 0.01 for AdamW.
        wd_bn_bias: norms and biases decay, too.
        train_bn: norms are trained in frozen groups, too; see :meth:`freeze_to`.
        moms: momenta of :meth:`fit_one_cycle`.

    Attributes, for callbacks: ``epochs``, ``epoch``, ``training``, ``batches``, ``iter`` (the
    batch's number, from 0), ``x``, ``y``, ``pred``, ``loss``, ``optimizer``, ``history`` (a row of
    losses and metrics for each epoch); and fastai's names of the same, see :class:`AlsoNamed`.

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

    @suggesting
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
        splitter: Splitter | None = None,
        precision: str = "fp32",
        compile: bool = False,
        path: str | Path = ".",
        model_dir: str | Path = "models",
        wd: float | None = None,
        wd_bn_bias: bool = False,
        train_bn: bool = True,
        moms: Momenta = (0.95, 0.85, 0.95),
    ) -> None:
        check_decay(wd)
        this_process()  # joins the process group, if this is one of several processes
        super().__init__(dls, model, loss_func, metrics, precision, path, model_dir)
        self.opt_func, self.lr, self.splitter = (
            opt_func,
            own_rate(opt_func, lr),
            splitter or one_group,
        )
        self.wd, self.wd_bn_bias, self.train_bn, self.moms = wd, wd_bn_bias, train_bn, moms
        self.frozen = []
        self.cbs: list[Callback] = []
        self.add_cbs(cbs)
        self.compile, self.recorder = compile, Recorder()
        self.history: list[dict[str, Any]] = []
        self.ended: list[int] = []  # the number of epochs of each training that was completed
        self.callbacks: list[Callback] = []  # of the training that is under way, by their order
        self.trained_network, self.training, self.iter = model, False, 0
        self.x: Any = None
        self.y: Any = None
        self.pred: Any = None
        self.loaded_x: Any = None  # x as it was loaded, until it is mixed
        self.loss: Tensor | None = None
        self.closure: Closure | None = None  # of optimizers that compute a loss several times

    # ---- the loop -------------------------------------------------------------------------

    @also_n_epoch
    def fit(
        self,
        epochs: int,
        lr: Rates | None = None,
        wd: float | None = None,
        cbs: Any = (),
        *,
        reset_opt: bool = True,
    ) -> None:
        """Train with a constant learning rate.

        Args:
            epochs: the number of passes through the training part.
            lr: a number; ``slice(lowest, highest)``, spread over the parameter groups on a
                logarithmic scale; ``slice(highest)``, of which all but the last group have a tenth;
                or a list with a rate for each group.
            wd: weight decay, 0 or more; None for the learner's.
            cbs: callbacks and mixers for this training only.
            reset_opt: every training starts with a new optimizer, so this can only be True.

        However the training ends (also by an error or Ctrl-C), the learner's loss, metrics,
        callbacks and model are as they were before, except for the trained weights.
        """
        if not hasattr(epochs, "__index__") or epochs < 1:
            raise VicinalError(
                f"the number of epochs must be a whole number of 1 or more, not {epochs!r}"
            )
        check_decay(wd)
        check_new_optimizer(reset_opt)
        self.epochs, self.first_epoch, self.rescaling = epochs, 0, None
        callbacks = self._with_own(as_callbacks(cbs))
        with self.session(self.lr if lr is None else lr, callbacks, wd):
            self.section("fit", self._all_epochs)
        self.ended = [*self.ended, epochs]

    def _all_epochs(self) -> None:
        for self.epoch in range(self.first_epoch, self.epochs):
            self.section("epoch", self._one_epoch)

    def _one_epoch(self) -> None:
        with self.demands.training():
            self.section("train", partial(self._all_batches, self.dls.train, training=True))
        self.section("validate", partial(self._all_batches, self.dls.valid, training=False))

    def _all_batches(self, batches: Batches, training: bool) -> None:
        self.batches, self.training = batches, training
        self.model.train(training)
        if not training:
            share_buffers(self.model.buffers())
        with torch.set_grad_enabled(training):
            for self.iter, (self.x, self.y) in enumerate(batches):
                self.loaded_x = self.x if batches is self.dls.train else None
                self.pred = self.loss = None
                self.section("batch", self._one_batch)

    def _one_batch(self) -> None:
        if self.training and self.demands.takes_closure:
            self.closure = Closure(self, self._one_pass)
        self._one_pass()
        if self.training:
            self.section("step", self.step)

    def _one_pass(self) -> None:
        self.section("pred", self._predict)
        self.section("loss", self._loss)
        if self.training:
            self.section("backward", self._backward)

    def _predict(self) -> None:
        self.pred = self.forward(self.x)

    def _loss(self) -> None:
        self.loss = self.compute_loss(self.pred, self.y)

    def _backward(self) -> None:
        assert self.loss is not None
        self.demands.backward(self.scaler.scale(self.loss))

    def step(self) -> None:
        """Step the optimizer by the gradients that there are, and clear them."""
        if self.closure is None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.closure.step()
        self.optimizer.zero_grad()

    # ---- for callbacks --------------------------------------------------------------------

    def section(self, name: str, body: Callable[[], None]) -> None:
        """Run a part of the training between its two events; a callback may cancel it.

        Args:
            name: one of :data:`vicinal.learner.events.SECTIONS`.
            body: what to run: ``learn.section("step", learn.step)``.
        """
        # Only callbacks that have received the event before receive the one after.
        reached: list[Callback] = []
        try:
            reached.extend(announce(self, f"before_{name}", self.callbacks))
            body()
        except BaseException as error:
            if not (isinstance(error, Cancel) and error.section == name):
                if name == "fit":  # whatever happens, callbacks close what they have opened
                    close(self, reached)
                    check_cancelled(error)
                raise
        if name == "fit":
            close(self, reached)
        else:
            list(announce(self, f"after_{name}", reached))

    def forward(self, x: Any) -> Any:
        """The network's output for a batch on the device, as the loop computes it.

        During training it comes from the compiled network, and its gradients are averaged over all
        processes. It is computed in the learner's precision and converted back to float32.

        >>> from vicinal import Callback
        >>> class CleanLoss(Callback):  # a clean loss beside the mixed one
        ...     def before_batch(self, learn):
        ...         self.x, self.y = learn.x, learn.y  # not mixed yet
        ...     def after_loss(self, learn):
        ...         if learn.training:
        ...             learn.loss = learn.loss + learn.compute_loss(learn.forward(self.x), self.y)
        """
        network = self.trained_network if self.training else self.network
        with autocast(self.precision, self.dls.device):
            pred = network(x)
        return pred if self.precision == "fp32" else convert_to_fp32(pred)

    def train_on(self, batches: Batches) -> None:
        """Train on given batches, each with all its events; for callbacks.

        Call it between two batches of the loop: in ``before_train``, ``after_train`` or an event of
        epochs. The batches count in the epoch's ``train_loss``, but not in the length of the
        training: one-cycle and flat-cosine then raise an error, as their schedules end.

        Args:
            batches: pairs (x, y) on the device, as the network reads them. They are not changed.

        Raises:
            VicinalError: no training is running.

        >>> from vicinal import Callback, DataLoaders
        >>> x, y = torch.randn(40, 2), torch.arange(40) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
        >>> class ReplayFirst(Callback):
        ...     def after_train(self, learn):
        ...         learn.train_on([(x[:10], y[:10])])
        >>> Learner(dls, nn.Linear(2, 2), cbs=ReplayFirst).fit(1)
             epoch ...
        """
        if not self.callbacks:
            raise VicinalError("train_on() trains while fit() runs: call it in a callback")
        with self.demands.training():
            self._all_batches(batches, training=True)

    @contextmanager
    def session(
        self, lr: Rates, callbacks: Sequence[Callback], wd: float | None = None
    ) -> Iterator[None]:
        """Within this context there are an optimizer, a gradient scaler and callbacks.

        :meth:`fit` opens one. Sections and :meth:`train_on` need it.

        Args:
            lr: as for :meth:`fit`.
            callbacks: all that receive events, in any order.
            wd: weight decay; None for the learner's.
        """
        self.dls.check_share()
        self.to_device()
        decay = self.wd if wd is None else wd
        groups = self.splitter(self.model)
        self.optimizer = make_optimizer(self.opt_func, groups, lr, decay, self.wd_bn_bias)
        self.optimizer.zero_grad()
        self.scaler = torch.amp.GradScaler(self.dls.device.type, enabled=self.precision == "fp16")
        network = distributed_model(self.model, self.dls.device)  # it keeps its weights
        self.trained_network = cast(nn.Module, torch.compile(network)) if self.compile else network
        self.callbacks, self.closure = in_order(callbacks), None
        self.demands = Demands(self.optimizer)
        self.weights_to_use = self.demands.using
        try:
            check_demands(self)
            exact = right_gradients(self.model, self.precision, self.dls.device)
            with self.restoring_modes(), exact:
                yield
        finally:
            self.callbacks, self.weights_to_use = [], nullcontext
            self.trained_network, self.training = self.model, False
            for part in (self.dls.train, self.dls.valid):
                part.shut_down_workers()
            self.optimizer.zero_grad()
            self.x = self.y = self.pred = self.loss = self.closure = None

    def _with_own(self, extra: Sequence[Callback] = ()) -> list[Callback]:
        """The learner's callbacks, those of one training, and what records and shows it."""
        is_shown = self.is_logging and this_process().is_main_process
        return [*self.cbs, *extra, self.recorder, *([ProgressTable()] if is_shown else [])]

    def events(self) -> str:
        """The events of a training and who receives each: ``print(learn.events())``."""
        return listeners(in_order(self._with_own()))
