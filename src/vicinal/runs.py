"""A training, from the name of the data to a run folder with its results."""

import contextlib
import csv
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.files import check_writable, write_file
from vicinal.learner.callbacks import StopWhenAsked
from vicinal.learner.checkpoint import save_rescaling, save_weights
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.learner.resume import Checkpoint
from vicinal.learner.trackers import Track
from vicinal.mixing import Mixer
from vicinal.processes import this_process
from vicinal.progress import status
from vicinal.rng import derive_seed
from vicinal.stopping import held_back
from vicinal.tasks import Task, TrainOptions, find_split, make_task, task_type_of
from vicinal.tasks.default_mix import choose_mix
from vicinal.tasks.predictor import NETWORK
from vicinal.tasks.run_config import (
    CONFIG,
    RESCALING,
    RESUMED,
    WEIGHTS,
    config_digest,
    default_folder,
    is_run,
    read_config,
)

CHECKPOINT = "checkpoint.safetensors"
LOCK = ".lock"
TRACKED = "tracker"
METRICS = ("metrics.csv", "metrics.jsonl")
PICTURES = ("mixed_batch.png", "curves.png")
FOLDERS = (TRACKED, NETWORK)
OWN = (CONFIG, WEIGHTS, RESCALING, CHECKPOINT, *METRICS, *PICTURES)
PARTIAL = tuple(f".{own}." for own in OWN)  # what is left when a process is killed
Log = Callable[[str, str], None]


def train(
    options: TrainOptions,
    out: Path | None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    typed: Collection[str] = (),
    log: Log,
) -> Path:
    """Train, and save everything to a run folder.

    Args:
        options: of the training.
        out: the run folder; None takes the next free one below ``runs``, or to resume, the last
            one of these data.
        overwrite: replace the run in that folder.
        resume: resume the run in that folder with its options; without one, start it.
        typed: the names of options that were given explicitly: where they are the default, the run
            to resume must have them, too.
        log: is called with a name and a text for everything that was found or chosen.

    Returns:
        The run folder.

    Raises:
        VicinalError: the data, the options or the folder cannot be used; no files are left behind.
        KeyboardInterrupt: after what was trained has been saved.
    """
    if overwrite and resume:
        raise VicinalError("--overwrite and --resume exclude each other: leave out one of them")
    is_main = this_process().is_main_process
    # The main process changes the folder later, so the others must not look at it themselves.
    resolved = [_resolve(options, out, overwrite, resume, typed) if is_main else None]
    folder, options, before = broadcast_object_list(resolved)[0]
    if before and before["finished"]:
        log("finished", f"after {before['epochs_done']} epochs: nothing is left to do")
        return folder
    if resume and not before:
        log("resume", f"{folder} holds no run yet: it is started")
    track = Track(options.track, folder=folder / TRACKED) if options.track else None
    with this_process().local_main_process_first():  # it decodes the images for the others
        learn, task, mixer, chosen = _prepare(options, before, log)
    if overwrite and (folder / CONFIG).exists():
        learn.dls.prepare()  # a bad image is found before the run that is there is removed
    fingerprint = task.fingerprint()
    if before and before["fingerprint"] != fingerprint:  # other files, another split
        raise VicinalError(
            f"the data are not what they were when the run in {folder} was begun: restore them, or "
            "begin another run"
        )
    checkpoint = Checkpoint(folder / CHECKPOINT, resume=resume)
    if checkpoint.found is not None:
        epochs = len(checkpoint.found["history"])
        log("resumed", f"after epoch {epochs}, from {checkpoint.file}")
    learn.add_cbs([checkpoint, StopWhenAsked()])
    if track is not None:
        track.parameters = task.parameters()
        learn.add_cbs(track)
    settings = {
        "options": before["options"] if before else task.options.to_json(),
        "resolved": task.resolved().to_json(),
        "chosen": chosen,
        "fingerprint": fingerprint,
    }
    with (
        Run(folder, learn, task, mixer, settings, overwrite=overwrite, resumed=resume, log=log)
        if is_main
        else contextlib.nullcontext()
    ):
        task.fit(learn, task.epochs, task.lr)
        for name, text in task.after_training(learn):
            log(name, text)
    return folder


def _resolve(
    options: TrainOptions, out: Path | None, overwrite: bool, resume: bool, typed: Collection[str]
) -> tuple[Path, TrainOptions, dict[str, Any] | None]:
    """The run folder, the options to train with, and the settings of the run to resume, if any.

    What that run chose is an option now: chosen anew, on another machine or without the hub, it
    could differ.
    """
    folder = default_folder(options.data, resume) if out is None else out
    _check_folder(folder, overwrite or resume)
    if not resume or not os.path.exists(folder / CONFIG):
        check_writable(folder, f"--out {folder}")
        return folder, options, None
    before = read_config(folder, RESUMED)
    if not before["finished"]:
        check_writable(folder, f"--out {folder}")
    merged = options.merged_with(before["options"], typed)
    # A mix from Python is recorded by its text alone, so it is handed on as the object.
    return folder, TrainOptions(**{**before["resolved"], "mix": merged.mix}), before


def _prepare(
    options: TrainOptions, before: dict[str, Any] | None, log: Log
) -> tuple[Learner, Task, Mixer | Callback | None, dict[str, str]]:
    """The learner, its task, what mixes in it, and what was chosen for it and why."""
    task = make_task(options, find_split(options))
    if before is None:
        choose_mix(task)
    chosen = task.chosen(before["chosen"] if before else None)
    notes = (note.split(": ", 1) for note in task.split.notes)
    for name, text in (("data", task.describe()), *notes, *chosen.items()):
        log(name, text)
    torch.manual_seed(options.seed)  # for the network's random weights; the process is ours
    with status("preparing the training"):
        learn = task.learner()
    mixer = task.mixer(learn)
    if mixer or "mix" not in chosen:  # that it is none has been said, with the reason
        log("mixing", repr(mixer) if mixer else "none")
    learn.add_cbs(mixer)
    if this_process().process_index:  # the same weights on every rank, other dropout masks
        torch.manual_seed(derive_seed(options.seed, this_process().process_index))
    return learn, task, mixer, chosen


class Run(Callback):
    """Writes the results of a training: settings, metrics by epoch, weights and pictures.

    Every file is written atomically. As a context manager, it holds the folder's lock.
    """

    order = 95

    def __init__(
        self,
        folder: Path,
        learn: Learner,
        task: Task,
        mixer: Mixer | Callback | None,
        settings: dict[str, Any],
        *,
        overwrite: bool,
        resumed: bool,
        log: Log,
    ) -> None:
        self.folder, self.learn, self.task, self.mixer = folder, learn, task, mixer
        self.settings, self.log = settings, log
        self.overwrite, self.resumed = overwrite, resumed
        self.was_there, self.has_trained = folder.exists(), False
        self.draw: Callable[[], Any] | None = None  # the picture that is not drawn yet
        # The operating system releases it when the process is killed.
        self.lock = FileLock(folder / LOCK)

    def __enter__(self) -> None:
        is_taken = False
        try:
            with held_back():
                self._take_folder()
                is_taken = True
            self._begin()
        except BaseException as error:
            if is_taken:
                self._end(stopped_by=error)
            raise

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._end(stopped_by=error)

    def _take_folder(self) -> None:
        """Create, lock and clear the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock.acquire(timeout=0)
            # Another training may have run here while the data were read: check again.
            _check_folder(self.folder, self.overwrite or self.resumed)
            self._clear(all_of_it=not self.resumed)
        except VicinalError:
            self.lock.release()
            raise
        except Timeout:
            raise VicinalError(
                f"--out {self.folder} is in use by another training: wait for it, or name another "
                "folder"
            ) from None
        except OSError as error:
            raise VicinalError(f"--out {self.folder} cannot be written: {error.strerror}") from None

    @status("drawing the first batch")
    def _begin(self) -> None:
        """Write what is known before the training, and listen to its events."""
        self.learn.add_cbs([self, DrawFirstBatch(self)])
        # Without a checkpoint, the run may have been killed in what follows.
        has_begun = self.resumed and self._file(CHECKPOINT).exists()
        if not has_begun:
            self.task.preprocessing(self.learn).save(self.folder)
            self._write_config(finished=False)
        if not (has_begun and self._file(PICTURES[0]).exists()):
            self.draw = self.task.picture(self.learn, self.mixer)

    def draw_first_batch(self) -> None:
        """Draw it, if it can be seen and is not drawn yet."""
        if self.draw is not None:
            _save_figure(self.draw(), self._file(PICTURES[0]))
            self.draw = None

    def after_step(self, learn: Learner) -> None:
        self.has_trained = True

    def after_epoch(self, learn: Learner) -> None:
        rows = learn.history
        table = io.StringIO()
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._write(METRICS[0], table.getvalue())
        self._write(METRICS[1], "".join(f"{_json_row(row)}\n" for row in rows))

    def _end(self, stopped_by: BaseException | None) -> None:
        """Save what was trained, also if the training was stopped."""
        with held_back():  # a signal that comes now must not leave half of it
            try:
                self._leave(stopped_by)
            except (VicinalError, OSError):
                if stopped_by is None:
                    raise
                # Else the disk is full or gone, and the first error has reported it.
            finally:
                self.lock.release()
            if stopped_by is not None and not self.was_there and not self.learn.history:
                self._remove_empty()

    def _leave(self, stopped_by: BaseException | None) -> None:
        interrupted, epochs = isinstance(stopped_by, KeyboardInterrupt), len(self.learn.history)
        if epochs or (interrupted and self.has_trained):
            self._save(stopped_by)
            if interrupted:
                done = f"after {epochs} epoch{'s' if epochs != 1 else ''}"
                self.log("stopped", f"{done}; saved to {self.folder}: go on with --resume")
            return
        if interrupted:
            self.log("stopped", "before the first batch: nothing was trained")
        if not self.resumed:  # leave no partial files
            self._clear()

    @status("saving what was trained")
    def _save(self, stopped_by: BaseException | None) -> None:
        is_finite = all(bool(p.isfinite().all()) for p in self.learn.model.parameters())
        if isinstance(stopped_by, VicinalError) and not is_finite:
            return  # the metrics stay; weights of NaN are useless
        save_weights(self.learn.model, self._file(WEIGHTS))
        save_rescaling(self.learn.rescaling, self._file(RESCALING))
        if isinstance(stopped_by, KeyboardInterrupt) and this_process().num_processes == 1:
            self.task.after_training(self.learn)
        self.draw_first_batch()
        if self.learn.history:
            from vicinal import plots

            _save_figure(plots.curves(self.learn.history), self._file(PICTURES[1]))
        self._write_config(finished=stopped_by is None)
        if stopped_by is None:
            self._file(CHECKPOINT).unlink(missing_ok=True)

    def _remove_empty(self) -> None:
        with contextlib.suppress(OSError):
            self._file(LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def _clear(self, *, all_of_it: bool = True) -> None:
        """Remove the partial files of a run that was killed, or all files of the run."""
        for file in self.folder.iterdir():
            if file.name.startswith(PARTIAL) or (all_of_it and file.name in OWN):
                file.unlink(missing_ok=True)
        if all_of_it:
            for folder in FOLDERS:
                shutil.rmtree(self._file(folder), ignore_errors=True)

    def _write_config(self, *, finished: bool) -> None:
        how = self.task.preprocessing(self.learn).to_json()
        config: dict[str, Any] = {
            "vicinal": __version__,
            "torch": torch.__version__,
            **self.settings,
            "predict": {"kind": self.task.kind, "how": how},
            "rescaled": self.learn.rescaling is not None,
            "finished": finished,
            "epochs_done": len(self.learn.history),
        }
        # As it will be read: with keys that are texts, and lists instead of tuples.
        config["digest"] = config_digest(json.loads(json.dumps(config)))
        self._write(CONFIG, json.dumps(config, indent=2) + "\n")

    def _write(self, name: str, content: bytes | str) -> None:
        write_file(self._file(name), content)

    def _file(self, name: str) -> Path:
        return self.folder / name


def _save_figure(figure: Any, file: Path) -> None:
    from vicinal.plots.saving import save_figure  # with matplotlib

    save_figure(figure, file)


class DrawFirstBatch(Callback):
    """Draws a run's first batch after its first epoch: to load what draws takes a second."""

    order = 98  # after the checkpoint, or a signal in this second would cost the epoch

    def __init__(self, run: Run) -> None:
        self.run = run

    def after_epoch(self, learn: Learner) -> None:
        self.run.draw_first_batch()


def _json_row(row: dict[str, float]) -> str:
    """An epoch's metrics; null for infinity and NaN, which JSON does not have."""
    return json.dumps({n: value if math.isfinite(value) else None for n, value in row.items()})


def _check_folder(folder: Path, may_hold_a_run: bool) -> None:
    if os.path.isfile(folder):  # Path's would raise for a long name
        raise VicinalError(f"--out {folder} is a file: name a folder")
    if not os.path.exists(folder):
        return
    # A run that was killed at its very start has no settings yet.
    names = [file.name for file in folder.iterdir() if not file.name.startswith(PARTIAL)]
    if not set(names) - {LOCK}:
        return
    if not is_run(folder):
        raise VicinalError(f"--out {folder} holds other files: name a new folder")
    if not may_hold_a_run:
        raise VicinalError(
            f"--out {folder} already holds a run: name another folder, resume it with --resume, or "
            "replace it with --overwrite"
        )


@status("drawing")
def show(options: TrainOptions, out: Path) -> None:
    """Draw how training samples of a data set are mixed, and write the picture to ``out``."""
    split = find_split(options)
    _save_figure(task_type_of(split).show(options, split), out)
