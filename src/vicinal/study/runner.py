"""Runner: train and measure the runs of an experiment, alone or beside other processes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from filelock import Timeout
from rich.progress import Progress, TaskID
from torch import Tensor

from vicinal.data.label_blocks import MultiCategoryBlock
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.errors import Diverged, VicinalError
from vicinal.learner.callbacks import StopWhenAsked
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.learner.one_number import are_of_one_number, fitted
from vicinal.study.arms import Arm, size_text
from vicinal.study.calibration import Reliability
from vicinal.study.curve_points import CurvePoints
from vicinal.study.evaluation import Evaluation
from vicinal.study.mask_scores import overlaps, with_classes
from vicinal.study.measuring import compute_measures, main_measure
from vicinal.study.memorising import Memorising
from vicinal.study.result import Result, digest
from vicinal.study.store import ResultStore
from vicinal.study.training_set import no_noise
from vicinal.study.unknown_samples import outputs_on

WAIT = 0.5  # seconds between looks at the runs of other processes


@dataclass(frozen=True)
class PreparedRun:
    """What is trained in a run.

    Args:
        learn: not trained yet.
        fit: trains it.
        noisy: (M,) int64, the indices of the training samples with injected label noise.
        ood: samples of other data, as the learner's loaders stack them; None where there are none.
        rounded: whether targets are identified by their float32 values, as earlier versions read
            the values of tables, so that their results can be added to.
        identified: the targets by which the validation part is told from others; None takes those
            that are measured.
        every_epoch: whether it is validated after every epoch, and not only after those that a
            learning curve needs.
    """

    learn: Learner
    fit: Callable[[Learner], None]
    noisy: Tensor = field(default_factory=no_noise)
    ood: Sequence[Any] | Tensor | None = None
    rounded: bool = False
    identified: Tensor | None = None
    every_epoch: bool = False


class TimeIsUp(VicinalError):
    """A run was stopped, or not started, because it would end after the deadline."""


class Deadline(Callback):
    """Stop the training at a time of ``time.monotonic``; its last checkpoint stays."""

    order = 99

    def __init__(self, at: float) -> None:
        self.at = at

    def after_batch(self, learn: Learner) -> None:
        if time.monotonic() > self.at:
            raise TimeIsUp("the time is up")


class Advance(Callback):
    """Advances the progress bar with each training batch.

    Args:
        work: what an epoch is in units of the bar.
    """

    order = 90

    def __init__(self, bar: Progress, task: TaskID, name: str, work: float) -> None:
        self.bar, self.task, self.run_name, self.work = bar, task, name, work

    def after_fit(self, learn: Learner) -> None:
        self.bar.update(self.task, description=f"{self.run_name}, measuring")

    def before_epoch(self, learn: Learner) -> None:
        epoch = f"epoch {learn.epoch + 1}/{learn.epochs}"
        self.bar.update(self.task, description=f"{self.run_name}, {epoch}")

    def after_batch(self, learn: Learner) -> None:
        if learn.training:
            self.bar.advance(self.task, self.work / len(learn.dls.train))


def train_and_measure(
    arm: str, seed: int, prepared: PreparedRun, extra: Sequence[Callback] = ()
) -> Result:
    """Train a learner, and measure it on the validation part.

    Args:
        arm, seed: the name of the run.
        prepared: the learner and how it is trained.
        extra: more callbacks.

    Returns:
        The measures; where the training diverged, the reason instead.

    Raises:
        TimeIsUp: a :class:`Deadline` among the callbacks stopped it.
        VicinalError: there is only one validation sample, or all have the same target, or the
            training failed otherwise.
    """
    learn = prepared.learn
    learn.dls.prepare()  # the time of the first run is compared with that of the others
    learn.add_cbs(list(extra))
    try:
        prepared.fit(learn)
    except Diverged as error:
        return Result(arm, seed, failed=str(error), history=learn.history)
    seconds = sum(row["seconds"] for row in learn.history)
    trained = len(learn.history) * len(learn.dls.train) * learn.dls.bs
    has_masks = isinstance(learn.dls, MaskLoaders)
    outputs, targets = overlaps(learn) if has_masks else learn.get_preds(act=learn.activation)
    if not has_masks and are_of_one_number(outputs, targets):
        targets = fitted(outputs, targets)
    if len(targets) < 2:
        raise VicinalError("one validation sample is too few to compare: hold out more")
    evaluation = Evaluation(
        outputs,
        targets,
        learn.dls.is_classes,
        learn=learn,
        noisy=prepared.noisy,
        ood=None if prepared.ood is None else outputs_on(learn, prepared.ood),
        has_labels=isinstance(learn.dls.target_block, MultiCategoryBlock),
        has_masks=has_masks,
    )
    values = compute_measures(evaluation)
    if not all(bool(value.isfinite().all()) for value in values.values()):
        return Result(arm, seed, failed="its outputs are not finite", history=learn.history)
    chance = _chance(evaluation)
    history = learn.history
    identified = targets if prepared.identified is None else prepared.identified
    if has_masks:
        history = with_classes(history, outputs, learn.dls.vocab)
    return Result(
        arm=arm,
        seed=seed,
        history=history,
        seconds=seconds,
        samples_per_second=trained / seconds if seconds else 0.0,
        values=values,
        reliability=_reliability(evaluation),
        validated=digest(_identified(identified, prepared.rounded).tolist()),
        chance=chance,
    )


def _chance(evaluation: Evaluation) -> float:
    """The main measure of a prediction that ignores the samples."""
    main, targets = main_measure(evaluation), evaluation.targets
    if main.chance is None:
        return 0.0
    chance = main.chance(targets)
    if chance == 1 if main.percent else bool((targets == targets[:1]).all()):
        raise VicinalError(
            "all validation samples have the same target, which a network can give without looking "
            "at them, so nothing can be compared: hold out samples with different ones"
        )
    return chance


def _run_name(arm: Arm, seed: int) -> str:
    size = f", {size_text(arm.train_size)}" if arm.train_size else ""
    return f"{arm.method}{size}, seed {seed}"


def _identified(targets: Tensor, rounded: bool) -> Tensor:
    return targets.float() if rounded and targets.is_floating_point() else targets


def _reliability(evaluation: Evaluation) -> list[Reliability]:
    """The diagrams before and after temperature scaling; none of values."""
    if not evaluation.is_classifier:
        return []
    both = evaluation.outputs, evaluation.scaled
    return [Reliability.of(probabilities, evaluation.targets) for probabilities in both]


class Runner:
    """Does the runs of an experiment, one after the other.

    Each result is stored at once. A run that was killed resumes after its last whole epoch.
    Several processes, also on other machines that see the folder, can work on the same runs: each
    takes one that no other process is working on.

    Args:
        runs: every arm with its seeds, in order.
        prepare: makes the learner of a run.
        store: where results are stored.
        deadline: a time of ``time.monotonic``; no run is started that would end later.
        expected: seconds that a run of an arm takes, where that is known.
        done: called with each result, the number of results so far, and whether it is new: done
            since this runner started, by this process or another one.
        callbacks: of each run, beside its own.
        idle: called once, when other processes do the last runs, and this one has to wait.
        bar: shows the progress.
    """

    def __init__(
        self,
        runs: Sequence[tuple[Arm, int]],
        prepare: Callable[[Arm, int], PreparedRun],
        store: ResultStore,
        *,
        deadline: float | None = None,
        expected: dict[str, float] | None = None,
        done: Callable[[Result, int, bool], Any] = lambda *_: None,
        callbacks: Sequence[Callback] = (),
        idle: Callable[[], Any] = lambda: None,
        bar: Progress,
    ) -> None:
        self.runs, self.prepare, self.store = list(runs), prepare, store
        self.deadline, self.expected = deadline, dict(expected or {})
        self.done, self.callbacks, self.bar = done, list(callbacks), bar
        self.idle: Callable[[], Any] | None = idle
        self.results: list[Result] = []

    def left(self) -> int:
        """How many runs have no result yet."""
        return len(self.runs) - len(self.results)

    def run(self) -> list[Result]:
        """Do all runs that are not done yet, and return the results of all that time allows."""
        self.task = self.bar.add_task("", total=sum(arm.cell.work for arm, _ in self.runs))
        self.earlier = {run for run in self.runs if self.store.has(*run)}
        left = sorted(self.runs, key=lambda run: run not in self.earlier)  # these are counted first
        with self.bar:
            while left:
                # From the first on after each, so that what other processes finish counts at once.
                finished = next((each for each in left if self._finish(*each)), None)
                if finished is not None:
                    left.remove(finished)
                else:
                    self.bar.update(self.task, description="other processes do the last runs")
                    if self.idle is not None:
                        self.idle()
                        self.idle = None
                    time.sleep(WAIT)  # other processes are working on all of them
        return self.results

    def _finish(self, arm: Arm, seed: int) -> bool:
        """Load or do a run, unless another process is doing it; whether it needs no more looks."""
        result = self.store.load(arm, seed)
        if result is None:
            lock = self.store.lock(arm, seed)
            try:
                lock.acquire(timeout=0)
            except Timeout:  # another process is doing it: wait for its result while there is time
                return self._is_late()
            try:
                # Again, as another process may have finished it just before it gave up the lock.
                result = self.store.load(arm, seed) or self._train(arm, seed)
            except TimeIsUp:
                return True
            finally:
                lock.release()
        else:
            self.bar.advance(self.task, arm.cell.work)
        self._keep(arm, seed, result)
        return True

    def _keep(self, arm: Arm, seed: int, result: Result) -> None:
        self._check(result)
        self.results.append(result)
        self.done(result, len(self.results), (arm, seed) not in self.earlier)

    def _is_late(self, seconds: float = 0.0) -> bool:
        """Whether the deadline is less than this many seconds away."""
        return self.deadline is not None and time.monotonic() + seconds > self.deadline

    def _check(self, result: Result) -> None:
        """Refuse a result of other validation samples: runs are compared sample by sample."""
        others = {other.validated for other in self.results if not other.failed}
        if not result.failed and others - {result.validated}:
            raise VicinalError(
                f"the validation part of {result.arm} with seed {result.seed} is not that of the "
                "runs before: make it the same for all seeds"
            )

    def _train(self, arm: Arm, seed: int) -> Result:
        if self._is_late(self.expected.get(arm.name, 0.0)):
            raise TimeIsUp("the run would end too late")
        self.bar.update(self.task, description=f"{_run_name(arm, seed)}, preparing")
        began = time.monotonic()
        # Before the data are prepared: it refuses what was trained with other settings.
        checkpoint = self.store.checkpoint(arm, seed)
        prepared = self.prepare(arm, seed)
        name = _run_name(arm, seed)
        extra: list[Callback] = [
            checkpoint,
            *([] if prepared.every_epoch else [CurvePoints()]),
            *([Memorising(prepared.noisy)] if len(prepared.noisy) else []),
            Advance(self.bar, self.task, name, arm.cell.work / arm.epochs),
            StopWhenAsked(),
            *self.callbacks,
        ]
        if self.deadline is not None:
            extra.append(Deadline(self.deadline))
        with prepared.learn.no_logging():
            result = train_and_measure(arm.name, seed, prepared, extra)
        self._check(result)
        self.store.save(arm, result)
        self.expected[arm.name] = time.monotonic() - began
        return result
