"""The learning rate range test: train while the rate grows, then undo everything."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.learner.callbacks import Average, MixBatches
from vicinal.learner.counting import counting
from vicinal.learner.events import SECTIONS, Callback, CancelFit
from vicinal.learner.random_states import random_states, set_random_states
from vicinal.learner.resume import Checkpoint
from vicinal.learner.suggestions import SuggestFunc, in_longest_fall, valley
from vicinal.notebook import shown, was_shown

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

SMOOTHING = 0.98  # the weight of the previous smoothed loss
DIVERGED = 4  # times the lowest loss


@dataclass(frozen=True, repr=False)
class RangeTest:
    """The result of a learning rate range test; a notebook shows the rate and the figure.

    Args:
        rates: the learning rate of each batch.
        losses: the exponentially smoothed loss after each batch.
        valley: the rate in the middle of the longest fall of the losses, see
            :func:`~vicinal.learner.suggestions.valley`.
        suggestions: what each of ``suggest_funcs`` suggests, by its name. They are attributes, too,
            and ``lr_min, lr_steep = learn.lr_find(suggest_funcs=(minimum, steep))`` takes them
            apart.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    valley: float
    suggestions: Mapping[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[float]:
        return iter(self.suggestions.values())

    def __getattr__(self, name: str) -> float:
        suggestions: Mapping[str, float] = vars(self).get("suggestions", {})
        if name not in suggestions:
            raise AttributeError(
                f"this range test has no {name!r}: it suggests {', '.join(suggestions)}"
            )
        return suggestions[name]

    @property
    def suggestion(self) -> float:
        """The same as ``valley``."""
        return self.valley

    def plot(self) -> Any:
        """A matplotlib figure of the losses over the rates, with the suggestion."""
        from vicinal import plots

        return plots.range_test(self.rates, self.losses, self.valley)

    def __repr__(self) -> str:
        return (
            f"RangeTest(valley={self.valley:.3g}, {len(self.rates)} rates from "
            f"{self.rates[0]:.2g} to {self.rates[-1]:.2g})"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        was_shown(self)
        return {}

    def _repr_png_(self) -> bytes:
        picture: bytes = self.plot()._repr_png_()
        return picture


def range_test(
    learn: "Learner",
    start_lr: float,
    end_lr: float,
    num_it: int,
    stop_div: bool = True,
    show_plot: bool = True,
    suggest_funcs: SuggestFunc | Sequence[SuggestFunc] = valley,
) -> RangeTest:
    """Train on some batches while the learning rate grows exponentially, then undo everything.

    It ends early if the smoothed loss exceeds 4 times its lowest value from the first tenth of the
    batches on (unless ``stop_div`` is False), or is not finite. The learner's callbacks change
    batches and steps as in any training; those that listen only to whole epochs are left out, and
    nothing is validated or recorded.

    Afterwards, also after an error, everything is as before: the model with its gradients, the
    learner with its optimizer and history, the order of the data, the random states of its mixers,
    torch, NumPy and Python, and the attributes of callbacks (except for items that these append to
    a list).

    Args:
        learn: the learner.
        start_lr: the rate of the first batch, above 0.
        end_lr: the rate that would follow the last batch, as in fastai; above ``start_lr``.
        num_it: the number of batches, 10 or more.
        stop_div: end where the loss diverges.
        show_plot: a notebook shows the figure even where the call is not the cell's last line.
        suggest_funcs: one or several of ``valley``, ``slide``, ``minimum`` and ``steep``, or
            functions of your own of (rates, losses, num_it), tensors without the first tenth of the
            batches and the last five, that return a rate and whatever else.

    Raises:
        VicinalError: an argument is out of its range, the loss diverges too early, or it never
            falls.

    Source: L. N. Smith, Cyclical learning rates for training neural networks (2017), section 3.3,
    in fastai's exponential form.

    >>> from vicinal import DataLoaders, Learner
    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(400, 2); y = (x[:, 0] > 0).long()
    >>> dls = DataLoaders.from_tensors(x[:300], y[:300], x[300:], y[300:], bs=20, device="cpu")
    >>> found = Learner(dls, nn.Linear(2, 2)).lr_find()
    >>> 1e-4 < found.valley < 1
    True
    """
    learn.dls.check_samples()
    if not 0 < start_lr < end_lr < math.inf:
        raise VicinalError(
            f"the learning rate cannot grow from {start_lr} to {end_lr}: give a start_lr above 0 "
            "and a larger end_lr"
        )
    if num_it < 10:
        raise VicinalError(f"num_it must be 10 batches or more, not {num_it}")
    growing = GrowingRate(start_lr, end_lr, num_it, stop_div)

    def train() -> None:
        with counting(learn, "finding a learning rate", num_it) as counted:
            batches = Repeated(learn.dls.train, num_it, counted)
            learn.section("train", lambda: learn.train_on(batches))
        # The epoch ends without its event, since it has no row in the history.
        raise CancelFit

    with undoing(learn):
        learn.epochs, learn.epoch = math.ceil(num_it / len(learn.dls.train)), 0
        # Of the learner's rate, only the ratios between groups matter: the callback sets the rest.
        lr = 1.0 if isinstance(learn.lr, float | int) else learn.lr
        with learn.session(lr, [growing, *filter(_hears_batches, learn.cbs)]):
            learn.section("fit", lambda: learn.section("epoch", train))
    suggested = growing.suggestion()
    functions = suggest_funcs if isinstance(suggest_funcs, Sequence) else [suggest_funcs]
    suggestions = {name_of(function): growing.suggested_by(function) for function in functions}
    found = RangeTest(tuple(growing.rates), tuple(growing.losses), suggested, suggestions)
    return shown(found) if show_plot else found


class Repeated:
    """So many batches of a part, which begins anew where it ends; with a length.

    Args:
        part: the batches.
        count: how many.
        counted: what shows how many have come, as by :func:`counting`.
    """

    def __init__(self, part: Any, count: int, counted: Any) -> None:
        self.part, self.count, self.counted = part, count, counted

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        yield from self.counted(islice(chain.from_iterable(repeat(self.part)), self.count))


def name_of(function: SuggestFunc) -> str:
    """The name of a function, also of a partial one."""
    inner = function.func if isinstance(function, partial) else function
    return inner.__name__


def _hears_batches(callback: Callback) -> bool:
    if isinstance(callback, Checkpoint):  # it hears of steps, only to look at them
        return False
    inside = SECTIONS[SECTIONS.index("batch") :]
    return any(
        hasattr(callback, f"{when}_{name}") for when in ("before", "after") for name in inside
    )


class GrowingRate(Callback):
    """Let the learning rate grow exponentially, and record the smoothed losses.

    Args:
        start_lr, end_lr: the rate of the first batch, and the one that would follow the last.
        num_it: the number of batches.
        stop_div: end where the loss diverges.
    """

    order = 1000  # last, so that no schedule of another callback changes the rate again

    def __init__(self, start_lr: float, end_lr: float, num_it: int, stop_div: bool = True) -> None:
        self.start_lr, self.end_lr, self.num_it = start_lr, end_lr, num_it
        self.stop_div = stop_div
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.batch, self.sum = 0, 0.0

    def before_fit(self, learn: "Learner") -> None:
        rates = [group["lr"] for group in learn.optimizer.param_groups]
        self.ratios = [rate / max(rates) for rate in rates]

    def before_batch(self, learn: "Learner") -> None:
        growth = self.end_lr / self.start_lr
        self.rate = self.start_lr * growth ** (self.batch / self.num_it)
        for group, ratio in zip(learn.optimizer.param_groups, self.ratios, strict=True):
            group["lr"] = self.rate * ratio
        self.batch += 1

    def after_batch(self, learn: "Learner") -> None:
        if learn.loss is None:  # the batch was cancelled
            return
        average = Average()
        average.add_loss(learn.loss, learn.mean_weight(learn.y))
        sum_of_all, count = average.totals()  # the same on every process
        if not count:  # no label of the batch counts
            return
        loss = sum_of_all / count
        if not math.isfinite(loss):
            raise CancelFit
        self.sum = SMOOTHING * self.sum + (1 - SMOOTHING) * loss
        self.rates.append(self.rate)
        # The sum started at 0, a bias that is divided out.
        self.losses.append(self.sum / (1 - SMOOTHING ** (len(self.losses) + 1)))
        # The first losses are means of few batches: of a network that errs rarely, one of them may
        # be thousands of times the lowest. For one below 0, four times it would be lower still.
        compared = self.losses[self.num_it // 10 :]
        if self.stop_div and compared and compared[-1] > DIVERGED * min(compared) > 0:
            raise CancelFit

    def suggestion(self) -> float:
        """The rate in the valley; as in fastai, without the first tenth and the last five batches.

        Raises:
            VicinalError: there are too few batches, or the loss never falls.
        """
        first = self.num_it // 10
        losses = self.losses[first:-5]
        if len(losses) < 2:
            raise VicinalError(
                f"the loss diverged after {len(self.losses)} of {self.num_it} batches, too "
                f"few to find a learning rate: give a start_lr below {self.start_lr}, and look for "
                "NaN or huge values in the inputs"
            )
        chosen = in_longest_fall(losses)
        if chosen is None:
            raise VicinalError(
                f"the loss falls at no learning rate between {self.rates[0]:.2g} and "
                f"{self.rates[-1]:.2g}: give another range"
            )
        return self.rates[first + chosen]

    def suggested_by(self, function: SuggestFunc) -> float:
        """What another function suggests, from the same batches."""
        kept = slice(self.num_it // 10, -5)
        rate, *_ = function(
            torch.tensor(self.rates[kept]), torch.tensor(self.losses[kept]), self.num_it
        )
        return float(rate)


@contextmanager
def undoing(learn: "Learner") -> Iterator[None]:
    """Afterwards, however it ends, everything that a training changes is as before."""
    learn.to_device()
    modules = [learn.model, *([learn.loss_func] if isinstance(learn.loss_func, nn.Module) else [])]
    tensors = [saved for module in modules for saved in _saved_tensors(module)]
    batch_mixers = [cb.batch_mixer for cb in learn.cbs if isinstance(cb, MixBatches)]
    mixers = [mixer for each in batch_mixers for mixer in each.mixer.nested()]
    # By both: attributes alone would miss the state inside of objects, states the schedules.
    states = [mixer.state_dict() for mixer in mixers]
    things = (learn, *learn.cbs, *batch_mixers, *mixers)
    attributes = [(thing, dict(vars(thing))) for thing in things]
    history, order = list(learn.history), learn.dls.train.sampler.state_dict()
    workers = learn.dls.train._loader.generator
    workers_state, random = workers.get_state(), random_states()
    try:
        yield
    finally:
        for thing, values in attributes:
            vars(thing).clear()
            vars(thing).update(values)
        for mixer, state in zip(mixers, states, strict=True):
            mixer.load_state_dict(state)
        learn.history[:] = history
        learn.dls.train.sampler.load_state_dict(order)
        workers.set_state(workers_state)
        set_random_states(random, learn.dls.device)
        _restore(tensors)


# The dict of parameters or buffers that holds a tensor, its name in it, the tensor, a copy of its
# values, and its gradient.
SavedTensor = tuple[dict[str, Any], str, Tensor, Tensor, Tensor | None]


def _saved_tensors(module: nn.Module) -> list[SavedTensor]:
    return [
        (store, name, tensor, tensor.detach().clone(), tensor.grad)
        for each in module.modules()
        for store in (each._parameters, each._buffers)
        for name, tensor in store.items()
        if tensor is not None
    ]


@torch.no_grad()
def _restore(tensors: list[SavedTensor]) -> None:
    for store, name, tensor, values, gradient in tensors:
        tensor.copy_(values)
        tensor.grad = gradient
        store[name] = tensor
