"""Experiment: the arms of ``vicinal compare``, and the training of each of their runs."""

import copy
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal import __version__
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.mixing.looking import LooksWithModel, lend
from vicinal.rng import derive_seed
from vicinal.study.arms import NONE, Arm, make_arms, sizes_text
from vicinal.study.config import ExperimentConfig
from vicinal.study.known_columns import check_columns
from vicinal.study.known_labels import notes_on_unknown, of_known_labels, targets_of_part
from vicinal.study.result import digest
from vicinal.study.runner import PreparedRun
from vicinal.study.store import ResultStore
from vicinal.study.training_set import (
    ModifiedSplit,
    modify_training_set,
    rows_of_subset,
    train_count,
)
from vicinal.tasks import Task, TrainOptions, find_split, make_task

if TYPE_CHECKING:
    from vicinal.study.other_data import OtherData

# The options of early versions. The digest of an experiment's settings has later ones only where
# they are set, so that a comparison which such a version began can be resumed.
EARLY = (
    *("data", "recipe", "mix", "alpha", "model", "pretrained", "epochs", "batch_size", "lr"),
    *("size", "valid", "label", "label_pattern", "precision", "compile", "track", "seed"),
    *("skip_bad", "stream"),
)
# Options whose defaults go by the number of training samples, and the names of these choices.
BY_SIZE = {"batch_size": "batch size", "lr": "learning rate"}


class Experiment:
    """The runs that a config asks for.

    Args:
        config: what the user asked for.
        resolved: the options with every open choice made, where an earlier call has made them.
        choices: the reasons for these choices, as :meth:`Task.chosen` gave them then.
        existing: the names of the arms that an earlier call has made.

    Attributes:
        split: the data.
        task: the training without mixing, whose choices hold for all runs; in a map, but for
            those that go by the number of training samples.
        resolved: the options with these choices, so that no run makes them again.
        choices: what was chosen and why, by name.
        arms: what is compared.
        ood: samples of other data, of none of the classes; None where none are asked for.

    Raises:
        VicinalError: the data cannot be read, or a setting does not go with them.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        resolved: TrainOptions | None = None,
        choices: dict[str, str] | None = None,
        existing: Collection[str] = (),
    ) -> None:
        if config.options.skip_bad and config.label_noise:
            raise VicinalError("--skip-bad and --label-noise exclude each other: leave out one")
        self.config = config
        self.split = find_split(config.options)
        self._modified: tuple[tuple[int, float | None], ModifiedSplit] | None = None
        sizes: tuple[float | None, ...] = config.train_sizes or (None,)
        first = resolved or config.options
        self.task = self._task(first, sizes[0])
        self.resolved = resolved or self.task.resolved()
        self.choices = self.task.chosen(choices)
        self._sized: dict[float | None, TrainOptions] = {}
        for size in sizes[1:]:
            self._choose_for(size)
        mixes = config.mixes or self.task.compared
        epochs = config.epochs or (self.task.epochs,)
        self.arms = make_arms(
            mixes, config.alphas, epochs, config.options, existing, config.train_sizes
        )
        self._check()
        self.ood = self._other_data()

    def _task(self, options: TrainOptions, size: float | None) -> Task:
        """The training without mixing, of so many samples."""
        return make_task(replace(options, mix=NONE), self._data(0, size).split)

    def _choose_for(self, size: float | None) -> None:
        """Choose anew, for another training size of a map, what goes by the number of samples."""
        asked = {name: getattr(self.config.options, name) for name in BY_SIZE}
        task = self._task(replace(self.resolved, **asked), size)
        self._sized[size] = task.resolved()
        for name, text in task.chosen().items():
            if name in BY_SIZE.values() and text not in self.choices[name].split("; "):
                self.choices[name] += f"; {text}"

    def _resolved(self, size: float | None) -> TrainOptions:
        return self._sized.get(size, self.resolved)

    @property
    def is_map(self) -> bool:
        """Whether there are several training sizes."""
        return len(self.config.train_sizes) > 1

    def train_size(self, arm: Arm) -> float | None:
        """How many training samples an arm has, or which share; None for all."""
        return arm.train_size or next(iter(self.config.train_sizes), None)

    def train_count(self, arm: Arm) -> int:
        """How many training samples an arm has."""
        size, available = self.train_size(arm), len(self.split.train)
        return available if size is None else train_count(size, available)

    def _other_data(self) -> "OtherData | None":
        if self.config.ood is None:
            return None
        from vicinal.study.other_data import read_other  # which imports what reads tables

        return read_other(self.config.ood, self.task)

    def _check(self) -> None:
        """Make the mixer of each arm, so that mistakes are reported before any training."""
        hidden, looking = set(), set()
        for arm in self.arms:
            # No new task: its choices, which read the data, are the same for all arms.
            task = copy.copy(self.task)
            task.options = self._options(arm, seed=0)
            mixer = task.batch_mixer()
            looks = mixer is not None and any(isinstance(m, LooksWithModel) for m in mixer.nested())
            if mixer is not None and looks and arm.mix not in looking:
                looking.add(arm.mix)
                learn = task.learner()
                learn.to_device()
                lend(mixer, learn.model)
                x, _ = mixer(*learn.dls.one_batch())  # which not every network allows
                if mixer.at_layers:
                    learn.model.train()
                    learn.forward(x)
            # Inside the network, whose layers the method may not know: one learner shows that.
            if task.layers and arm.mix not in hidden:
                hidden.add(arm.mix)
                task.mixer(task.learner())

    def _options(self, arm: Arm, seed: int) -> TrainOptions:
        chosen = self._resolved(self.train_size(arm))
        return replace(chosen, mix=arm.mix, alpha=arm.alpha, epochs=arm.epochs, seed=seed)

    def passes(self, arm: Arm) -> float:
        """How many samples pass through the network for each of a batch, in an arm's training."""
        return max((method.passes for method in self._options(arm, seed=0).methods), default=1)

    def _data(self, seed: int, size: float | None) -> ModifiedSplit:
        """The data of a seed, made once for all its arms, whose runs follow each other."""
        if self._modified is None or self._modified[0] != (seed, size):
            made = modify_training_set(self.split, size, self.config.label_noise, seed)
            if size is not None:
                made = replace(made, split=of_known_labels(made.split))
            self._modified = (seed, size), made
        return self._modified[1]

    def settings(self) -> list[tuple[str, str]]:
        """What all arms have in common, by name."""
        config = self.config
        common = [("data", self.task.describe())]
        if self.is_map:
            common.append(("training sizes", sizes_text(sorted(config.train_sizes))))
        common += [(name, reason) for name, reason in self.choices.items() if name != "epochs"]
        if config.label_noise:
            share = (
                f"{100 * config.label_noise:g} % of the training labels, drawn anew for each seed"
            )
            common.append(("label noise", share))
        if self.ood is not None:
            common.append(("other data", self.ood.text))
        return [*common, ("versions", f"vicinal {__version__}, torch {torch.__version__}")]

    def check_subsets(self, seeds: Iterable[int]) -> list[tuple[str, str]]:
        """Refuse training parts of these seeds that do not suffice; lines about unknown labels.

        Raises:
            VicinalError: of one of these parts nothing can be learned.
        """
        subsets = [
            (size, seed, rows_of_subset(self.split, size, seed))
            for seed in seeds
            for size in self.config.train_sizes
        ]
        check_columns(self.split, subsets)
        if not subsets or self.split.targets_are != "labels":
            return []
        return notes_on_unknown(self.split, subsets)

    def command(self, seeds: int) -> str:
        """The command line that does all of it anew."""
        config = self.config
        if config.alphas and any("+" in arm.mix and not arm.is_text for arm in self.arms):
            # An earlier version gave the strengths to no sum of methods: say those of each arm.
            typed = dict.fromkeys(arm.typed for arm in self.arms)
            config = replace(config, mixes=tuple(typed), alphas=())
        return config.command(seeds)

    def fingerprint(self) -> str:
        """Changes when the samples change, also those of other data."""
        own = self.task.fingerprint()
        return own if self.ood is None else digest([own, self.ood.digest])

    @property
    def ood_passes(self) -> float:
        """Forward passes that the other data take, in units of the validation part."""
        return 0.0 if self.ood is None else len(self.ood.items) / len(self.split.valid)

    @property
    def curve_looks(self) -> int:
        """How many times a point of the learning curve looks at samples: also at noisy labels."""
        return 2 if self.config.label_noise else 1

    def board(self) -> list[dict[str, str]]:
        """Images for the mixing board; none where the data have none."""
        from vicinal.study.board import board_images

        return board_images(self.split)

    def seeds(self, count: int) -> range:
        """So many seeds, from the first one on."""
        return range(self.config.first_seed, self.config.first_seed + count)

    def runs(self, seeds: int) -> list[tuple[Arm, int]]:
        """Every arm with every seed. The arms of a seed are adjacent, as they are compared in
        pairs: an experiment that is stopped early has whole pairs. The cells of a map are done one
        after the other, the cheapest first."""
        cells = sorted({arm.cell for arm in self.arms}, key=lambda cell: cell.work)
        groups = [[cell] for cell in cells] if self.is_map else [cells]
        return [
            (arm, seed)
            for group in groups
            for seed in self.seeds(seeds)
            for arm in self.arms
            if arm.cell in group
        ]

    def store(self, folder: Path) -> ResultStore:
        """The store of the results; it refuses those of other settings."""
        digests = self.digests()
        return ResultStore(folder, lambda arm: digests[arm.name])

    def digests(self) -> dict[str, str]:
        """For the name of each arm a digest of its settings, but for what the name says."""
        return {arm.name: self._digest(self.train_size(arm)) for arm in self.arms}

    def _digest(self, size: float | None) -> str:
        options = {
            name: value
            for name, value in asdict(self._resolved(size)).items()
            if name in EARLY or value != getattr(TrainOptions, name)
        }
        settings: list[Any] = [options, size, self.config.label_noise]
        if size is not None and self.split.targets_are == "labels":
            # Earlier versions scored labels that the smaller training part lacks, too.
            settings.append("labels of the training part")
        return digest(settings)

    def prepare(self, arm: Arm, seed: int) -> PreparedRun:
        """The learner of a run; torch's global generator is seeded for its weights."""
        data = self._data(seed, self.train_size(arm))
        # A task of its own for each run: some own the network that they give their learner.
        task = make_task(self._options(arm, seed), data.split)
        torch.manual_seed(derive_seed(seed, "weights"))
        learn = task.learner()
        learn.add_cbs(task.mixer(learn))

        def fit(learn: Learner) -> None:
            task.fit(learn, task.epochs, task.lr)

        ood = None if self.ood is None else self.ood.items
        return PreparedRun(
            learn,
            fit,
            data.noisy,
            ood,
            rounded=data.split.vocab is None,
            identified=self._identified(self.train_size(arm)),
        )

    def _identified(self, size: float | None) -> Tensor | None:
        """The targets that tell the validation part from others, where runs leave out labels."""
        # Which labels are left out differs from seed to seed, and the validation part does not.
        is_left_out = size is not None and self.split.targets_are == "labels"
        return targets_of_part(self.split.valid) if is_left_out else None
