"""Task: a training to be done, of data of one kind, with all that is chosen for it."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor

from vicinal.data.samples import Split
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.learner.precision import choose_precision
from vicinal.metrics import accuracy, rmse
from vicinal.mixing import ManifoldMixUp, Mixer
from vicinal.processes import default_device, this_process
from vicinal.tasks.mixers import check_mix, make_mixer
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.predictor import Preprocessing

CALLED = {"batch_size": "batch size", "lr": "learning rate"}
Chosen = tuple[Any, str]  # what is chosen, and why


class Task(ABC):
    """What is chosen where the user chose nothing, and why; and the learner that comes of it.

    Args:
        options: what the user asked for.
        split: the data.

    Attributes:
        model: the network's name.
        epochs, batch_size, lr, precision, device: of the training.
        reasons: a line for each choice, for the user.
    """

    #: What the samples are called.
    kind: ClassVar[str]
    #: The methods of mixing that go with them, by the names that ``--mix`` takes, and the layers
    #: that such a mix is laid on, by chance one of them; none where it is laid on the samples.
    mixes: ClassVar[dict[str, Sequence[str]]]
    #: How batches lie in memory, where that is worth a word.
    layout: ClassVar[str] = ""
    #: For a method, the part of a batch in which the larger of both samples' values counts.
    maximum: ClassVar[dict[str, str]] = {}
    #: The options that say nothing about them.
    refused: ClassVar[tuple[str, ...]] = ()
    model: str
    #: Whether the network starts from published weights.
    pretrained: bool = False

    def __init__(self, options: TrainOptions, split: Any) -> None:
        options.refuse(self.refused, self.kind)
        self.options, self.split = options, split
        self.fixed = self._fixed()
        self.reasons: list[tuple[str, str]] = []
        self.device, processes = default_device(), this_process().num_processes
        if processes > 1:
            self.reasons.append(("processes", f"{processes}, each with batches of its own"))
        self._choose_network()
        self.epochs = self._choose("epochs", self._epochs())
        count = len(split.train)
        self.batch_size = self._choose("batch_size", self._batch_size(count // processes))
        if self.batch_size > count:
            raise VicinalError(
                f"--batch-size {self.batch_size} is larger than the {count:,} training "
                f"{self.kind}: use {count} or less"
            )
        self.lr = self._choose("lr", self._learning_rate())
        self.precision, why = self._precision()
        self.reasons.append(("precision", f"{self.precision} ({why}){self.layout}"))
        self._choose_reading()

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods that are compared where the user names none."""
        if self.split.vocab is None and "cmixup" in self.mixes:
            return ("none", "mixup", "cmixup")
        return ("none", "mixup")

    def resolved(self) -> TrainOptions:
        """These options with what was chosen for them, so that it is not chosen anew."""
        return replace(
            self.options,
            model=self.model,
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            precision=self.precision,
        )

    def chosen(self, before: dict[str, str] | None = None) -> dict[str, str]:
        """What was chosen and why, by name.

        Args:
            before: the same of a run that is gone on with, whose choices are only asked for now;
                but how images are kept may be new.
        """
        kept = {name: why for name, why in (before or {}).items() if name != "images"}
        return dict(self.reasons) | kept

    def _choose(self, field: str, otherwise: Chosen) -> Any:
        chosen, why = otherwise
        wished = getattr(self.options, field)
        if wished is not None:
            chosen, why = wished, "as asked"
        elif field in self.fixed:
            chosen, why = self.fixed[field], f"the recipe {self.options.recipe}"
        self.reasons.append((CALLED.get(field, field), f"{chosen} ({why})"))
        return chosen

    def describe(self) -> str:
        """How many samples there are, and of what."""
        split: Split = self.split
        counts = f"{len(split.train):,} training and {len(split.valid):,} validation {self.kind} "
        if split.vocab is None:
            return f"{counts}with a value each"
        classes = ", ".join(split.vocab[:5]) + (", …" if len(split.vocab) > 5 else "")
        return f"{counts}of {len(split.vocab):,} classes ({classes})"

    def mixer(self, learn: Learner) -> Mixer | None:
        """A new mixer of the kind that is wished for, for batches of such data.

        Raises:
            VicinalError: it does not go with them.
        """
        mixer = self.batch_mixer()
        names = check_mix(self.options)
        if mixer is None or self.mixes[names[0]] == ():
            return mixer
        layers, maximum = self._layers(names[0], learn), self.maximum.get(names[0])
        seed = self.options.seed
        return ManifoldMixUp(learn.model, layers, mixer=mixer, maximum=maximum, seed=seed)

    def batch_mixer(self) -> Mixer | None:
        """That mixer before it is laid inside the network, where it belongs there."""
        names = check_mix(self.options)
        for name in names:
            if name not in self.mixes:
                raise VicinalError(
                    f"--mix {name} does not go with {self.kind}: say none, or "
                    f"{', '.join(self.mixes)}"
                )
            if len(names) > 1 and self.mixes[name] != ():
                raise VicinalError(
                    f"--mix {name} is laid inside the network, so it takes no turns with others: "
                    "name it alone"
                )
        return make_mixer(self.options, self._learned)

    def _learned(self, mix: str) -> dict[str, Any]:
        """What the data tell about a method: how near values are, how many a class has."""
        split = self.split
        if mix == "cmixup":
            if split.vocab is not None:
                raise VicinalError("--mix cmixup is for values, and these are classes: say mixup")
            # On airfoil, near what its paper found to be best there.
            return {"bandwidth": self._targets().double().std().item() / 4}
        if mix in ("remix", "balancedmixup") and split.vocab is None:
            raise VicinalError(f"--mix {mix} is for classes, and these are values: say cmixup")
        if mix == "remix":
            return {"counts": self._targets().bincount(minlength=len(split.vocab))}
        return {}

    @abstractmethod
    def _targets(self) -> Tensor:
        """The training part's."""

    def _layers(self, mix: str, learn: Learner) -> Sequence[Any]:
        """The layers that such a mix may be laid on."""
        return self.mixes[mix]

    @property
    def metric(self) -> Any:
        return rmse if self.split.vocab is None else accuracy

    @property
    def fit(self) -> Any:
        """How the learner is trained: a function of it, the epochs and the learning rate."""
        return Learner.fit_one_cycle

    def _fixed(self) -> dict[str, Any]:
        """What a recipe says."""
        return {}

    @abstractmethod
    def _choose_network(self) -> None:
        """Choose the network (``model``), and what it sees of a sample."""

    @abstractmethod
    def _epochs(self) -> Chosen: ...

    @abstractmethod
    def _batch_size(self, count: int) -> Chosen:
        """For so many samples in each of the processes that train together."""

    @abstractmethod
    def _learning_rate(self) -> Chosen: ...

    def _precision(self) -> Chosen:
        return choose_precision(self.options.precision, self.device)

    @abstractmethod
    def _choose_reading(self) -> None:
        """Choose how samples come to the network."""

    def parameters(self) -> dict[str, Any]:
        """The choices that a tracker is told of."""
        told = {"model": self.model, "epochs": self.epochs, "lr": self.lr}
        return {"data": self.options.data, "seed": self.options.seed, **told}

    def listed(self) -> str:
        """Tells apart data of other samples, or samples in another order.

        Images are not read for it: they are known by their labels, and by their files' names and
        sizes.
        """
        told = [self.split.vocab, *self._told()]
        return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()

    @abstractmethod
    def _told(self) -> list[Any]:
        """What is known of the samples of each part."""

    @abstractmethod
    def learner(self) -> Learner:
        """A learner that has not been trained, and does not mix."""

    @abstractmethod
    def preprocessing(self, learn: Learner) -> Preprocessing:
        """How new samples are brought to the network."""

    def picture(self, learn: Learner) -> Any:
        """A figure of a mixed batch; None where there is nothing to be seen."""
        return None
