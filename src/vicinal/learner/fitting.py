"""Ways to train: one cycle, flat and then a cosine, and fine-tuning; and the range test."""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar, cast

from vicinal.data.keywords import check_keywords
from vicinal.errors import VicinalError
from vicinal.learner.callbacks import as_callbacks
from vicinal.learner.freezing import Freezing
from vicinal.learner.lr_find import RangeTest, range_test
from vicinal.learner.misnamed import suggesting
from vicinal.learner.optimizer import Rates
from vicinal.learner.schedules import MakeScheduler, StepScheduler, flat_cos, one_cycle
from vicinal.learner.suggestions import SuggestFunc, valley

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

Momenta = tuple[float, float, float]
Method = TypeVar("Method", bound=Callable[..., Any])


def also_n_epoch(method: Method) -> Method:
    """Let a training take ``n_epoch=``, which is fastai's name, in place of ``epochs=``."""

    checked = suggesting(method)

    @wraps(method)
    def train(self: Any, *args: Any, **options: Any) -> Any:
        if "n_epoch" in options:
            options["epochs"] = options.pop("n_epoch")
        return checked(self, *args, **options)

    return cast(Method, train)


class Fitting(Freezing):
    """The part of a :class:`Learner` with trainings that are more than ``fit``."""

    moms: Momenta

    @also_n_epoch
    def fit_one_cycle(
        self,
        epochs: int,
        lr_max: Rates | None = None,
        div: float = 25.0,
        div_final: float = 1e5,
        pct_start: float = 0.25,
        wd: float | None = None,
        moms: Momenta | None = None,
        cbs: Any = (),
        *,
        reset_opt: bool = True,
    ) -> None:
        """Train with the one-cycle policy: the learning rate warms up and anneals, by cosines.

        The momentum, or the first beta of Adam, falls while the rate rises, and rises again.

        Args:
            epochs: the number of passes through the training part.
            lr_max: the highest learning rate, or a slice or list as for :meth:`fit`.
            div, div_final: start and end at ``lr_max / div`` and ``lr_max / div_final``.
            pct_start: the fraction of the steps that warm up, 0 or more and below 1.
            wd: weight decay, as for :meth:`fit`.
            moms: the momentum at the start, at the highest rate and at the end, each in [0, 1);
                None takes the learner's, by default ``(0.95, 0.85, 0.95)``.
            cbs: callbacks and mixers for this training only.
            reset_opt: as for :meth:`fit`.

        Raises:
            VicinalError: an argument is out of its range.

        Source: L. N. Smith, N. Topin, Super-convergence (2018); the cosine form is fastai's.
        """
        schedule = one_cycle(pct_start, div, div_final, self.moms if moms is None else moms)
        self._scheduled(schedule, epochs, lr_max, wd, cbs, reset_opt)

    @also_n_epoch
    def fit_flat_cos(
        self,
        epochs: int,
        lr: Rates | None = None,
        div_final: float = 1e5,
        pct_start: float = 0.75,
        wd: float | None = None,
        cbs: Any = (),
        *,
        reset_opt: bool = True,
    ) -> None:
        """Train with a constant learning rate that anneals at the end, by a cosine.

        Args:
            epochs: the number of passes through the training part.
            lr: the learning rate, or a slice or list as for :meth:`fit`.
            div_final: end at ``lr / div_final``; above 0.
            pct_start: the fraction of the steps before it anneals, 0 or more and below 1.
            wd: weight decay, as for :meth:`fit`.
            cbs: callbacks and mixers for this training only.
            reset_opt: as for :meth:`fit`.

        Raises:
            VicinalError: an argument is out of its range.

        Source: fastai's ``Learner.fit_flat_cos``.
        """
        self._scheduled(flat_cos(pct_start, div_final), epochs, lr, wd, cbs, reset_opt)

    def fine_tune(
        self,
        epochs: int,
        base_lr: float = 2e-3,
        freeze_epochs: int = 1,
        lr_mult: float = 100,
        pct_start: float = 0.3,
        div: float = 5.0,
        **options: Any,
    ) -> None:
        """Train the head alone, then all layers, the first ones with lower rates.

        Both phases are trainings by :meth:`fit_one_cycle`. Afterwards nothing is frozen, except for
        what the user had frozen by ``requires_grad_(False)`` and not by :meth:`freeze`.

        Args:
            epochs: epochs with all layers, after those with the head alone; 0 for none.
            base_lr: the highest learning rate of the first phase; the second has half of it.
            freeze_epochs: epochs with the head alone; 0 for none.
            lr_mult: by how much lower the rate of the first layers is.
            pct_start, div: of the second phase.
            **options: of :meth:`fit_one_cycle`, for both phases: ``cbs``, ``wd``, ``moms``, …

        Source: fastai's ``Learner.fine_tune``.
        """
        own = {*signature(Fitting.fine_tune).parameters} - {"self", "options"}
        of_cycle = {*signature(Fitting.fit_one_cycle).parameters} - {"self", "lr_max"}
        check_keywords("fine_tune()", options, sorted(own | of_cycle), TypeError)
        with self.keeping_frozen() as freeze_again:
            self.freeze()
            freeze_again()
            if freeze_epochs:
                self.fit_one_cycle(freeze_epochs, slice(base_lr), pct_start=0.99, **options)
            self.unfreeze()
            freeze_again()
        highest = base_lr / 2
        rates = slice(highest / lr_mult, highest)
        if epochs or not freeze_epochs:
            self.fit_one_cycle(epochs, rates, pct_start=pct_start, div=div, **options)

    def _scheduled(
        self,
        schedule: MakeScheduler,
        epochs: int,
        lr: Rates | None,
        wd: float | None,
        cbs: Any,
        reset_opt: bool,
    ) -> None:
        learn = cast("Learner", self)
        cbs = [StepScheduler(schedule), *as_callbacks(cbs)]
        learn.fit(epochs, lr, wd, cbs, reset_opt=reset_opt)

    @suggesting
    def lr_find(
        self,
        start_lr: float = 1e-7,
        end_lr: float = 10.0,
        num_it: int = 100,
        stop_div: bool = True,
        show_plot: bool = True,
        suggest_funcs: SuggestFunc | Sequence[SuggestFunc] = valley,
    ) -> RangeTest:
        """Find a learning rate: train on some batches while it grows, then undo everything.

        See :func:`vicinal.learner.lr_find.range_test`. ``learn.lr_find().valley`` is a rate,
        ``learn.lr_find().plot()`` a figure of the losses.

        Args:
            start_lr: the rate of the first batch, of the last parameter group; if ``lr`` is a slice
                or a list, the other groups keep their ratio to it.
            end_lr: the rate that would follow the last batch.
            num_it: the number of batches, 10 or more.
            stop_div: end where the loss exceeds 4 times its lowest value.
            show_plot: a notebook shows the figure even where the call is not the cell's last line.
            suggest_funcs: one or several of ``valley``, ``slide``, ``minimum`` and ``steep``.
        """
        learn = cast("Learner", self)
        return range_test(learn, start_lr, end_lr, num_it, stop_div, show_plot, suggest_funcs)


def check_new_optimizer(reset_opt: bool) -> None:
    """Raise a VicinalError where a training is to go on with an earlier one's optimizer."""
    if not reset_opt:
        raise VicinalError(
            "every training starts with a new optimizer: leave reset_opt out, or resume a training "
            "that was stopped by Checkpoint(file, resume=True)"
        )
