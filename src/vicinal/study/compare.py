"""``compare``: many runs, one answer, from Python."""

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vicinal.batches import BatchMixer
from vicinal.data.loaders import DataLoaders
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.errors import VicinalError
from vicinal.learner.callbacks import as_callbacks, as_list
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.metrics import accuracy, accuracy_multi, rmse
from vicinal.mixing import Mixer
from vicinal.progress import progress_bar
from vicinal.rng import derive_seed
from vicinal.scores.masks import MeanIoU
from vicinal.study.analysis import Analysis
from vicinal.study.answer import answer
from vicinal.study.arms import Arm
from vicinal.study.curve_points import is_own
from vicinal.study.identity import identity
from vicinal.study.result import digest
from vicinal.study.runner import PreparedRun, Runner
from vicinal.study.store import ResultStore
from vicinal.tasks.mixers import check_holds_no_model, seed_mixers

if TYPE_CHECKING:
    import pandas as pd


def compare(
    dls_fn: Callable[[int], DataLoaders],
    model_fn: Callable[[], nn.Module],
    arms: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] = 3,
    epochs: int | Sequence[int] = 5,
    lr: float = 1e-3,
    fit: Callable[[Learner, int, float], None] = Learner.fit_one_cycle,
    folder: str | Path | None = None,
    report: str | Path | None = None,
    **learner: Any,
) -> "pd.DataFrame":
    """Train every arm with every seed, and say which differences between them are significant.

    Arms share their seeds: for one seed they have the same data in the same order, and begin with
    the same weights, so that they are compared in pairs.

    Args:
        dls_fn: from a seed to the data, in an order that follows from the seed. The validation
            part must be the same for all seeds.
        model_fn: makes a network; torch's global generator is seeded before it is called.
        arms: what to compare, by name: None for no mixing; a mixer or a callback, such as one that
            changes the loss, or a list of them; a class of either; or a function from the learner
            to any of these. An instance is deep-copied for each run, as mixers and callbacks have
            state, and mixers are seeded with the seed of the run, also those that are attributes
            of a callback. What cannot be copied needs a function. The arm of None, or without one
            the first arm, is the baseline of the others.
        seeds: how many, or which ones.
        epochs: the length of training; each of several numbers makes arms of its own.
        lr: the highest learning rate.
        fit: trains a learner, given the number of epochs and the rate. With a function or a
            callback of your own, every epoch is validated, and not only 20 at most.
        folder: where each result is stored, so that a second call goes on from there. Name another
            folder when ``dls_fn`` or ``model_fn`` change, which cannot be detected. None stores
            nothing.
        report: an HTML file to write.
        **learner: arguments of :class:`Learner`, such as ``loss_func`` and ``precision``.

    Returns:
        A row for each run: mix (the name of the arm), alpha, epochs, seed, the measures, seconds,
        samples_per_second, and why it failed, if it diverged. ``frame.attrs["answer"]`` has the
        answer in sentences, which are also printed, and ``frame.attrs["differences"]`` a dict for
        each difference with its interval: ``pd.DataFrame(frame.attrs["differences"])``. A
        notebook shows both above the rows.

    Raises:
        VicinalError: there are fewer than two arms, something else than these in an arm, no seed,
            or a number twice; the validation part differs between seeds; or a run in the folder
            was trained with other settings (as far as can be seen: data and networks come from
            functions).

    >>> import torch
    >>> from torch import nn
    >>> from vicinal import DataLoaders, MixUp, compare
    >>> _ = torch.manual_seed(1)
    >>> x, y = torch.randn(200, 2), torch.arange(200) % 2
    >>> x[:, 0] += y
    >>> def data(seed):
    ...     return DataLoaders.from_tensors(x, y, x, y, bs=20, seed=seed, device="cpu")
    >>> frame = compare(
    ...     data, lambda: nn.Linear(2, 2), {"none": None, "mixup": MixUp(0.4)}, seeds=2, lr=0.1
    ... )
    2 seeds ...
    Two seeds are the fewest that give an interval, and a very wide one: ...
    mixup ...
    >>> frame[["mix", "seed"]].values.tolist()
    [['none', 0], ['none', 1], ['mixup', 0], ['mixup', 1]]
    """
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    lengths = [epochs] if isinstance(epochs, int) else sorted(epochs)
    _check(arms, numbers, lengths, report)
    made = [
        Arm(name, None, length, mixes=content is not None)
        for length in lengths
        for name, content in arms.items()
    ]

    def prepare(arm: Arm, seed: int) -> PreparedRun:
        torch.manual_seed(seed)
        dls = dls_fn(seed)
        metrics = _metric_for(dls)
        options = {name: value for name, value in learner.items() if name != "cbs"}
        learn = Learner(dls, model_fn(), **{"metrics": metrics, **options})
        # Those of all arms are copied, too, and draw otherwise than the arm's own.
        learn.add_cbs(_callbacks(learner.get("cbs"), learn, derive_seed(seed, "cbs")))
        learn.add_cbs(_callbacks(arms[arm.mix], learn, seed))
        # A function of the user's may read the row of any epoch.
        every = not is_own(fit)
        return PreparedRun(learn, lambda learn: fit(learn, arm.epochs, lr), every_epoch=every)

    common = [lr, fit, sorted(learner.items())]
    settings = {arm: digest(identity([arms[arm.mix], *common])) for arm in made}
    runs = [(arm, seed) for seed in numbers for arm in made]
    with tempfile.TemporaryDirectory() as scratch, torch.random.fork_rng():
        store = ResultStore(Path(folder or scratch), settings.__getitem__)
        store.folder.mkdir(parents=True, exist_ok=True)
        analysis = Analysis(made, Runner(runs, prepare, store, bar=progress_bar()).run())
    from vicinal.study.comparison_frame import ComparisonFrame  # with pandas

    frame = ComparisonFrame(analysis.frame())
    frame.attrs["answer"] = answer(analysis)
    frame.attrs["differences"] = analysis.differences()
    for sentence in frame.attrs["answer"]:
        print(sentence)
    if report is not None:
        from vicinal.study.report import write_report

        write_report(Path(report), analysis, frame.attrs["answer"])
    return frame


def _metric_for(dls: DataLoaders) -> Any:
    """What is shown of each epoch, where the user names nothing."""
    if isinstance(dls, MaskLoaders):
        return MeanIoU
    if dls.is_classes:
        return accuracy
    return accuracy_multi if dls.vocab else rmse


def _check(
    arms: Mapping[str, Any],
    seeds: Sequence[int],
    epochs: Sequence[int],
    report: str | Path | None,
) -> None:
    """Refuse what cannot be compared, before any training."""
    if len(arms) < 2 or not seeds or not epochs:
        raise VicinalError("a comparison takes two or more arms, one or more seeds, and epochs")
    for name, content in arms.items():
        for each in as_list(content):
            if not _is_arm(each):
                raise VicinalError(
                    f"the arm {name!r} must be None, a mixer such as MixUp(), a callback, a class "
                    f"of either, or a function from the learner to one, not {each!r}"
                )
            if not isinstance(each, type):
                _copied(name, each)
    for option, numbers in (("seeds", seeds), ("epochs", epochs)):
        if len(set(numbers)) < len(numbers):
            raise VicinalError(f"{option}={list(numbers)} names one twice: leave out one of them")
    if min(epochs) < 1:
        raise VicinalError(f"the number of epochs must be 1 or more, not {min(epochs)}")
    if report is not None and not Path(report).absolute().parent.is_dir():
        raise VicinalError(f"{Path(report).parent} is no folder: make it, or name another report")


def _is_arm(content: Any) -> bool:
    if isinstance(content, type):
        return issubclass(content, Mixer | Callback)
    # A loss is called, too, but not with a learner.
    is_function = callable(content) and not isinstance(content, nn.Module)
    return isinstance(content, Mixer | Callback) or is_function


def _copied(name: str, content: Any) -> Any:
    """A copy of a mixer or a callback; a function is the same for all runs."""
    if not isinstance(content, Mixer | Callback):
        return content
    if isinstance(content, Mixer):
        check_holds_no_model(content)
    try:
        return copy.deepcopy(content)
    except (TypeError, RuntimeError, NotImplementedError, ValueError) as error:
        raise VicinalError(
            f"the arm {name!r} holds {content!r}, which cannot be copied for each run ({error}): "
            "give a function from the learner to a new one"
        ) from None


def _callbacks(content: Any, learn: Learner, seed: int) -> list[Callback]:
    """The callbacks of a run, which no other run shares, with seeded mixers."""
    callbacks: list[Callback] = []
    for each in as_list(content):
        if isinstance(each, type | Mixer | Callback):
            callbacks += as_callbacks(_copied("", each))
        else:
            callbacks += as_callbacks(each(learn))
    seed_mixers(_mixers(callbacks), seed)
    return callbacks


def _mixers(callbacks: Any) -> Iterator[Mixer]:
    """Every mixer of these callbacks, also in lists, and those inside of other mixers."""
    for value in callbacks:
        if isinstance(value, Mixer):
            yield from value.nested()
        elif isinstance(value, BatchMixer):
            yield from value.mixer.nested()
        elif isinstance(value, list | tuple):
            yield from _mixers(value)
        elif isinstance(value, dict):
            yield from _mixers(value.values())
        elif isinstance(value, Callback):
            yield from _mixers(vars(value).values())
