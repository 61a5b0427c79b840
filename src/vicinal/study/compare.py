"""``compare``: many runs, one answer, from Python."""

import copy
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from vicinal.data.loaders import DataLoaders
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.metrics import accuracy, rmse
from vicinal.mixing import Mixer
from vicinal.progress import progress_bar
from vicinal.rng import derive_seed
from vicinal.study.answer import said
from vicinal.study.arms import Arm
from vicinal.study.runner import Fit, digest
from vicinal.study.study import Study
from vicinal.study.work import Store, Work


def compare(
    dls_fn: Callable[[int], DataLoaders],
    model_fn: Callable[[], nn.Module],
    mixers: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] = 3,
    epochs: int | Sequence[int] = 5,
    lr: float = 1e-3,
    fit: Callable[[Learner, int, float], None] = Learner.fit_one_cycle,
    folder: str | Path | None = None,
    report: str | Path | None = None,
    **learner: Any,
) -> pd.DataFrame:
    """Train every arm with every seed, measure what comes of it, and say what can be told.

    Arms share their seeds: for one seed they have the same data in the same order, and begin with
    the same weights, so that they are compared in pairs.

    Args:
        dls_fn: from a seed to the data; the seed is to be that of their order. The validation
            part must be the same for all.
        model_fn: a new network; torch's random numbers are seeded before it is called.
        mixers: the arms by their names: None for no mixing, a mixer, its class, or a function from
            the learner to a mixer. Each run has a copy, seeded by its seed. The arm of None, or
            else the first one, is what the others are compared to.
        seeds: how many, or which ones.
        epochs: how long to train; of several numbers, each is an arm of its own.
        lr: the highest learning rate.
        fit: trains a learner for so many epochs with that rate.
        folder: where each run is kept when it ends, so that a second call goes on from there.
            Take another one when ``dls_fn`` or ``model_fn`` change, which cannot be seen. None
            keeps nothing.
        report: an HTML file to be written.
        **learner: of :class:`Learner`, such as ``loss_func`` and ``precision``.

    Returns:
        A row for each run: mix, alpha, epochs, seed, the measures, seconds, samples_per_second, and
        why it failed, where it diverged. ``frame.attrs["answer"]`` has the answer in sentences,
        which are printed, too, and ``frame.attrs["differences"]`` a dict for each difference with
        its interval: ``pd.DataFrame(frame.attrs["differences"])``.

    Raises:
        VicinalError: there are fewer than two arms, what is no mixer, no seed, or a number twice;
            the validation part differs between seeds; or a run in the folder was trained with other
            settings (as far as can be seen: data and networks come from functions).

    >>> import torch
    >>> from torch import nn
    >>> from vicinal import DataLoaders, MixUp, compare
    >>> x, y = torch.randn(200, 2), torch.arange(200) % 2
    >>> x[:, 0] += 2 * y
    >>> def data(seed):
    ...     return DataLoaders.from_tensors(x, y, x, y, bs=20, seed=seed, device="cpu")
    >>> frame = compare(
    ...     data, lambda: nn.Linear(2, 2), {"none": None, "mixup": MixUp(0.4)}, seeds=2, lr=0.1
    ... )
    2 seeds show no gain over training without mixing, but cannot rule one out.
    Two seeds are the fewest ...
    2 seeds show no difference between mixup and none: ...
    >>> frame[["mix", "seed"]].values.tolist()
    [['none', 0], ['none', 1], ['mixup', 0], ['mixup', 1]]
    """
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    lengths = [epochs] if isinstance(epochs, int) else sorted(epochs)
    _check(mixers, numbers, lengths, report)
    arms = [
        Arm(name, None, length, mixes=mixer is not None)
        for length in lengths
        for name, mixer in mixers.items()
    ]

    def prepare(arm: Arm, seed: int) -> tuple[Learner, Fit, torch.Tensor]:
        torch.manual_seed(seed)
        dls = dls_fn(seed)
        metrics = accuracy if dls.vocab else rmse
        learn = Learner(dls, model_fn(), **{"metrics": metrics, **learner})
        learn.add_cbs(_seeded(mixers[arm.mix], learn, seed))
        none = torch.empty(0, dtype=torch.int64)
        return learn, lambda learn: fit(learn, arm.epochs, lr), none

    same = [lr, fit, sorted(learner.items())]
    settings = {arm: digest(_described([mixers[arm.mix], *same])) for arm in arms}
    runs = [(arm, seed) for seed in numbers for arm in arms]
    with tempfile.TemporaryDirectory() as scratch, torch.random.fork_rng():
        store = Store(Path(folder or scratch), settings.__getitem__)
        store.folder.mkdir(parents=True, exist_ok=True)
        work = Work(runs, prepare, store, done=lambda *_: None, bar=progress_bar())
        study = Study(arms, work.do())
    frame = study.frame()
    frame.attrs["answer"] = said(study)
    frame.attrs["differences"] = study.differences()
    for sentence in frame.attrs["answer"]:
        print(sentence)
    if report is not None:
        from vicinal.study.report import write_report

        write_report(Path(report), study)
    return frame


def _check(
    mixers: Mapping[str, Any],
    seeds: Sequence[int],
    epochs: Sequence[int],
    report: str | Path | None,
) -> None:
    """Refuse what could not be compared, before anything is trained."""
    if len(mixers) < 2 or not seeds or not epochs:
        raise VicinalError("a comparison takes two or more mixers, one seed or more, and epochs")
    for name, mixer in mixers.items():
        if not (mixer is None or isinstance(mixer, Mixer) or callable(mixer)):
            raise VicinalError(
                f"the mixer {name!r} must be None, a mixer such as MixUp(), its class, or a "
                f"function from the learner to one, not {mixer!r}"
            )
    for name, numbers in (("seeds", seeds), ("epochs", epochs)):
        if len(set(numbers)) < len(numbers):
            raise VicinalError(f"{name}={list(numbers)} names one twice: leave out one of them")
    if min(epochs) < 1:
        raise VicinalError(f"the number of epochs must be 1 or more, not {min(epochs)}")
    if report is not None and not Path(report).absolute().parent.is_dir():
        raise VicinalError(f"{Path(report).parent} is no folder: make it, or name another report")


def _seeded(mixer: Any, learn: Learner, seed: int) -> Mixer | None:
    """A mixer of its own for a run."""
    if mixer is None:
        return None
    if isinstance(mixer, Mixer):
        made = copy.deepcopy(mixer)
    else:
        made = mixer() if isinstance(mixer, type) else mixer(learn)
    for place, each in enumerate(made.nested() if made else ()):
        own = derive_seed(seed, place) if place else seed
        each.random.load_state_dict({"seed": own, "draws": 0})
    return made


def _described(settings: Any) -> str:
    """Settings as far as they can be seen, without seeds and places in memory.

    >>> _described([_seeded, 0.1])
    '[<function _seeded>, 0.1]'
    """
    return re.sub(r"seed=\d+| at 0x[0-9a-fA-F]+", "", repr(settings))
