"""Question: what is asked of a comparison of the data that the user names."""

import shlex
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.rng import derive_seed
from vicinal.study.arms import NONE, Arm, make_arms
from vicinal.study.board import board_images
from vicinal.study.runner import Fit, digest
from vicinal.study.samples import Changed, changed
from vicinal.study.words import exact
from vicinal.study.work import Store
from vicinal.tasks import Task, TrainOptions, find_split, make_task
from vicinal.tasks.options import option


@dataclass(frozen=True)
class Question:
    """What the user asked for.

    Args:
        options: of every training; its seed is that of the split.
        mixes: the methods; none of them takes those that suit the data.
        alphas: their strengths; none takes what suits each method.
        epochs: how long to train; none takes what suits the data.
        train_size: how many training samples, or which share of them.
        label_noise: the share of training labels that are made wrong.
    """

    options: TrainOptions
    mixes: tuple[str, ...] = ()
    alphas: tuple[float, ...] = ()
    epochs: tuple[int, ...] = ()
    train_size: float | None = None
    label_noise: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def merged_with(self, asked: dict[str, Any], typed: Collection[str] = ()) -> "Question":
        """This question, what is left open as it was asked before; arms may be other ones.

        Args:
            asked: what was asked before.
            typed: the names of settings that are not left open, though they be the default.

        Raises:
            VicinalError: something else is asked than then.
        """
        settings: dict[str, Any] = {"options": self.options.merged_with(asked["options"], typed)}
        for field in fields(self)[1:]:
            value, before = getattr(self, field.name), asked[field.name]
            before = tuple(before) if isinstance(before, list) else before
            if value == field.default and field.name not in typed:
                value = before
            elif value != before and field.name not in OF_ARMS:
                shown = before if before != field.default else "left open"
                raise VicinalError(
                    f"the comparison was begun with --{_option(field.name)} "
                    f"{_text(shown)}, not {_text(value)}: leave that out, or begin another one"
                )
            settings[field.name] = value
        return Question(**settings)

    def command(self, seeds: int | None = None) -> str:
        """The command line that asks it."""
        words = ["vicinal", "compare", self.options.data]
        settings = {**asdict(self.options), **asdict(self)}
        for name, default in DEFAULTS.items():
            value = settings[name]
            if value == default or name == "data":
                continue
            if isinstance(value, bool):
                words.append(f"--{'' if value else 'no-'}{_option(name)}")
            else:
                words += [f"--{_option(name)}", _text(value)]
        return shlex.join(words + (["--seeds", str(seeds)] if seeds else []))


OF_ARMS = "mixes", "alphas", "epochs"
OPTIONS = {"mixes": "mix", "alphas": "alpha"}
DEFAULTS = {
    field.name: field.default for kind in (TrainOptions, Question) for field in fields(kind)
}
del DEFAULTS["options"], DEFAULTS["mix"], DEFAULTS["alpha"]


def _option(name: str) -> str:
    return OPTIONS.get(name, option(name))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return exact(value) if isinstance(value, float) else str(value)


class Trainings:
    """The trainings that answer a question.

    Args:
        question: what is asked.
        resolved: the options with what was chosen for them, where that is known from before.
        chosen: why, as :meth:`Task.chosen` said it then.

    Attributes:
        split: the data.
        task: the training without mixing, whose choices are those of all.
        resolved: the options with these choices: no run makes them anew.
        chosen: what was chosen and why, by name.
        arms: what is compared.

    Raises:
        VicinalError: the data cannot be read, or something that is asked does not go with them.
    """

    def __init__(
        self,
        question: Question,
        resolved: TrainOptions | None = None,
        chosen: dict[str, str] | None = None,
    ) -> None:
        if question.options.skip_bad and question.label_noise:
            raise VicinalError("--skip-bad and --label-noise exclude each other: leave out one")
        self.question = question
        self.split = find_split(question.options)
        first = resolved or question.options
        self.task = make_task(replace(first, mix=NONE), self._changed(seed=0).split)
        self.resolved = resolved or self.task.resolved()
        self.chosen = self.task.chosen(chosen)
        mixes = question.mixes or self.task.compared
        epochs = question.epochs or (self.task.epochs,)
        self.arms = make_arms(mixes, question.alphas, epochs, question.options)
        self._check()

    def _check(self) -> None:
        """Make a mixer of each arm, so that its mistakes are told before anything is trained."""
        for arm in self.arms:
            self._task(arm, seed=0).batch_mixer()
        for arm in {arm.mix: arm for arm in self.arms}.values():  # of each method, one
            if self.task.mixes.get(arm.mix):  # inside the network, whose layers may not be known
                task = self._task(arm, seed=0)
                task.mixer(task.learner())

    def _task(self, arm: Arm, seed: int) -> Task:
        of_arm: dict[str, Any] = {
            "mix": arm.mix,
            "alpha": arm.alpha,
            "epochs": arm.epochs,
            "seed": seed,
        }
        return make_task(replace(self.resolved, **of_arm), self._changed(seed).split)

    def _changed(self, seed: int) -> Changed:
        question = self.question
        return changed(self.split, question.train_size, question.label_noise, seed)

    def settings(self) -> list[tuple[str, str]]:
        """What is the same for all arms, by name."""
        question = self.question
        same = [("data", self.task.describe())]
        same += [(name, reason) for name, reason in self.chosen.items() if name != "epochs"]
        if question.label_noise:
            share = f"{question.label_noise:.0%} of the training labels, other ones for each seed"
            same.append(("made wrong", share))
        return [*same, ("versions", f"vicinal {__version__}, torch {torch.__version__}")]

    def board(self) -> list[dict[str, str]]:
        """Images for the mixing board; none where the data have none."""
        return board_images(self.split)

    def runs(self, seeds: int) -> list[tuple[Arm, int]]:
        """Every arm with every seed; the arms of one seed stand together, as they are paired."""
        return [(arm, seed) for seed in range(seeds) for arm in self.arms]

    def store(self, folder: Path) -> Store:
        """Where results are kept; what is the same for all arms tells them apart."""
        question = self.question
        settings = digest([asdict(self.resolved), question.train_size, question.label_noise])
        return Store(folder, lambda arm: settings)

    def prepare(self, arm: Arm, seed: int) -> tuple[Learner, Fit, torch.Tensor]:
        """What a run needs; torch's random numbers are seeded."""
        task = self._task(arm, seed)
        torch.manual_seed(derive_seed(seed, "weights"))
        learn = task.learner()
        learn.add_cbs(task.mixer(learn))

        def fit(learn: Learner) -> None:
            task.fit(learn, task.epochs, task.lr)

        return learn, fit, self._changed(seed).wrong
