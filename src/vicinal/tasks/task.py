"""Task: a training of data of one kind, with all that is chosen for it."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.learner.precision import choose_precision
from vicinal.methods import INPUT, METHODS, MethodEntry, compared_for, methods_for
from vicinal.metrics import accuracy, rmse
from vicinal.mixes import MixPart
from vicinal.mixing import ManifoldMixUp, Mixer
from vicinal.mixing.layers import INPUT as NETWORK_INPUT
from vicinal.processes import default_device, this_process
from vicinal.tasks import several_labels
from vicinal.tasks.mixers import (
    LEARNED,
    check_partners,
    ending,
    from_python,
    inside_by_turns,
    make_mixer,
    part_mixers,
)
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.predictor import Preprocessing

LABELS = {"batch_size": "batch size", "lr": "learning rate"}
Default = tuple[Any, str]  # what is chosen where the user left it open, and why


class Task(ABC):
    """Chooses what the user left open, with a reason for each choice, and makes the learner.

    There is a subclass for each kind of data (see :mod:`vicinal.kinds`).

    Args:
        options: the user's.
        split: the data.

    Attributes:
        model: the network's name.
        epochs, batch_size, lr, precision, device: of the training.
        reasons: a line for each choice, for the user.
    """

    #: The plural name of the samples; :mod:`vicinal.methods` lists what mixes such data by it, and
    #: run folders name it for :class:`Predictor`.
    kind: ClassVar[str]
    #: How new samples are brought to the network; run folders hold it as JSON.
    preprocessing_type: ClassVar[type[Preprocessing]]
    #: How batches lie in memory, where that is worth a word.
    layout: ClassVar[str] = ""
    #: The options that do not apply to such data; a kind that can use one of them leaves it out.
    refused: ClassVar[tuple[str, ...]] = (
        "recipe",
        "size",
        "label_pattern",
        "stream",
        "skip_bad",
        "pretrained",
        "resize",
        "augment",
        "flip",
    )
    #: Choices that are made anew when a run is resumed, by name.
    rechosen_on_resume: ClassVar[tuple[str, ...]] = ()
    model: str
    #: Whether the network starts from published weights.
    pretrained: bool = False

    def __init__(self, options: TrainOptions, split: Any) -> None:
        options.refuse(self.refused, self.kind)
        self.options, self.split = options, split
        self.loss = self._checked_loss()
        self.threshold = several_labels.UNKNOWN if split.targets_are == "labels" else None
        self.fixed = self._fixed()
        self.reasons: list[tuple[str, str]] = []
        if self.loss is not None:
            text = several_labels.loss_text(options, self.loss, split.targets_are)
            self.reasons.append(("loss", text))
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
        self._choose_loading()

    @classmethod
    def takes_model(cls, name: str) -> bool:
        """Whether ``--model`` may be this name; known before the data are read."""
        return True

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods that are compared where the user names none."""
        return compared_for(self.kind, self.split.targets_are)

    @property
    def mixes(self) -> dict[str, tuple[str, ...]]:
        """The methods that serve such data, by name, and the layers that each is applied to."""
        return {
            method.name: method.layers_for(self.kind) or INPUT
            for method in methods_for(self.kind, self.split.targets_are)
        }

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
            before: the same of the run that is resumed, whose choices are options by now; their
                reasons are those of then, except for :attr:`rechosen_on_resume`.
        """
        earlier = {n: why for n, why in (before or {}).items() if n not in self.rechosen_on_resume}
        return dict(self.reasons) | earlier

    def _choose(self, field: str, default: Default) -> Any:
        chosen, why = default
        requested = getattr(self.options, field)
        if requested is not None:
            chosen, why = requested, "as requested"
        elif field in self.fixed:
            chosen, why = self.fixed[field], f"the recipe {self.options.recipe}"
        self.reasons.append((LABELS.get(field, field), f"{chosen} ({why})"))
        return chosen

    def describe(self) -> str:
        """How many samples there are, and of what."""
        split: DataSplit = self.split
        counts = f"{len(split.train):,} training and {len(split.valid):,} validation {self.kind} "
        if split.vocab is None:
            return f"{counts}with a value each"
        if split.targets_are == "labels":
            return f"{counts}with any number of {pluralize(len(split.vocab), 'label')} each"
        classes = ", ".join(split.vocab[:5]) + (", …" if len(split.vocab) > 5 else "")
        return f"{counts}of {len(split.vocab):,} classes ({classes})"

    def mixer(self, learn: Learner) -> Mixer | Callback | None:
        """What mixes in a training of this learner, new and unused; None for no mixing.

        Raises:
            VicinalError: it does not go with such data.
        """
        if self.options.mix is not None and not isinstance(self.options.mix, str):
            return from_python(self.options.mix, learn, self.options.seed)
        mixer = self.batch_mixer()
        if mixer is None:
            return None
        spec, head = self.options.spec, 1 if self.fit is Learner.fine_tune else 0
        epochs = self.options.epochs or self.epochs  # those of an arm, which has no task of its own
        batches = len(learn.dls.train) if head and spec.mixing_share(epochs) < 1 else None
        end = partial(ending, spec=spec, epochs=epochs, head_epochs=head, batches=batches)
        are_inside = [bool(self._layers_of(part)) for part in spec.parts]
        if all(are_inside):
            mixer = self._inside(end(mixer), learn)
        elif any(are_inside):
            mixers = [end(each) for each in part_mixers(self.options, self._learned)]
            place = partial(self._inside, learn=learn)
            mixer = inside_by_turns(self.options, mixers, are_inside, place)
        else:
            mixer = end(mixer)
        first = spec.parts[0]
        callback = first.method.callback_type
        return mixer if callback is None else callback(mixer, **first.arguments("callback"))

    def _inside(self, mixer: Mixer, learn: Learner) -> Mixer:
        """The mixer, applied to layers of the learner's network."""
        seed = self.options.seed
        first = next(part for part in self.options.spec.parts if self._layers_of(part))
        try:
            layers = self._layers(first, learn)
            return ManifoldMixUp(
                learn.model, layers, mixer=mixer, maximum=self._maximum(first), seed=seed
            )
        except VicinalError:
            raise
        except (TypeError, ValueError) as error:
            raise VicinalError(f"--mix {self.options.spec.text}: {error}") from None

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that ``--mix``, or some of it, applies to; none for the input alone."""
        found = (self._layers_of(part) for part in self.options.spec.parts)
        return next((layers for layers in found if layers), INPUT)

    def _layers_of(self, part: MixPart) -> tuple[str, ...]:
        return part.layers or part.method.layers_for(self.kind) or INPUT

    def batch_mixer(self) -> Mixer | None:
        """The mixer that ``--mix`` names, before it is applied to a layer, if it is.

        Raises:
            VicinalError: it does not go with such data.
        """
        self.check_mix()
        return make_mixer(self.options, self._learned)

    def check_mix(self) -> None:
        """Refuse a ``--mix`` that does not go with such data, before their samples are read.

        Raises:
            VicinalError: it does not.
        """
        parts = self.options.spec.parts
        for part in parts:
            method, own = part.method, part.method.layers_for(self.kind)
            if own is None:
                raise VicinalError(
                    f"--mix {method.name} does not go with {self.kind}: use none, or one of "
                    f"{', '.join(self.mixes)}"
                )
            if part.layers and not own:
                raise VicinalError(
                    f"--mix {part.text}: {method.name} is applied to the {self.kind} themselves, "
                    "not to a layer: leave out layers, or use manifoldmixup"
                )
            first = METHODS["mixup"].layers_for(self.kind)
            if first and NETWORK_INPUT in part.layers:
                raise VicinalError(
                    f"--mix {part.text}: {self.kind} are no vectors before the layer {first[0]}: "
                    f"name that in place of {NETWORK_INPUT}"
                )
            if self._layers_of(part) not in (self.layers, INPUT):
                inside = next(each for each in parts if self._layers_of(each))
                raise VicinalError(
                    f"--mix {inside.text} and {part.text} are applied to different layers of the "
                    f"network of {self.kind}, so they cannot take turns: name the same layers="
                )
            self._check_targets(method)
        several_labels.check_union(self.options.spec, self.split)
        check_partners(self.options.spec, self.split.targets_are)

    def _check_targets(self, method: MethodEntry) -> None:
        targets = self.split.targets_are
        if method.targets not in (None, targets):
            instead = [other.name for other in methods_for(self.kind, targets)]
            found = "several labels of each" if targets == "labels" else targets
            raise VicinalError(
                f"--mix {method.name} is for {method.targets}, and these are {found}: use one of "
                f"{', '.join(instead)}"
            )

    def _learned(self, method: MethodEntry) -> dict[str, Any]:
        """The arguments of a method that are computed from the training targets."""
        if method.learned is None:
            return {}
        vocab = self.split.vocab or ()
        if method.learned == "num_classes":
            return {"num_classes": len(vocab) if self.split.targets_are == "classes" else None}
        return {method.learned: LEARNED[method.learned](self._targets(), len(vocab))}

    def _targets(self) -> Tensor:
        """The training targets, for the methods that are computed from them."""
        return self.split.targets

    def _layers(self, part: MixPart, learn: Learner) -> Sequence[Any]:
        """The layers of this network that a method is applied to."""
        return self._layers_of(part)

    def _maximum(self, part: MixPart) -> str | None:
        """The part of a batch that becomes the maximum of both samples' at these layers."""
        return part.method.maximum.get(self.kind)

    @property
    def metric(self) -> Any:
        by_targets = {"values": rmse, "classes": accuracy, "labels": several_labels.metrics()}
        return by_targets[self.split.targets_are]

    @property
    def fit(self) -> Any:
        """How the learner is trained: a function of it, the epochs and the learning rate."""
        return Learner.fit_one_cycle

    def _checked_loss(self) -> str | None:
        """The name of the loss; None where the data leave no choice."""
        return several_labels.checked_loss(self.options.loss, self.split)

    def _fixed(self) -> dict[str, Any]:
        """What the recipe sets, by option."""
        return {}

    @abstractmethod
    def _choose_network(self) -> None:
        """Choose the network (``model``), and what it sees of a sample."""

    @abstractmethod
    def _epochs(self) -> Default: ...

    @abstractmethod
    def _batch_size(self, count: int) -> Default:
        """For so many samples in each of the processes that train together."""

    @abstractmethod
    def _learning_rate(self) -> Default: ...

    def _precision(self) -> Default:
        return choose_precision(self.options.precision, self.device)

    @abstractmethod
    def _choose_loading(self) -> None:
        """Choose how samples come to the network."""

    def parameters(self) -> dict[str, Any]:
        """The choices that a tracker logs."""
        choices = {"model": self.model, "epochs": self.epochs, "lr": self.lr}
        return {"data": self.options.data, "seed": self.options.seed, **choices}

    def fingerprint(self) -> str:
        """Changes when the samples or their order change.

        Images are not read for it: they are identified by their labels and their files' names and
        sizes.
        """
        parts = [self.split.vocab, *self._identity()]
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    @abstractmethod
    def _identity(self) -> list[Any]:
        """What identifies the samples of both parts, in their order."""

    @abstractmethod
    def learner(self) -> Learner:
        """A learner that has not been trained, and does not mix."""

    def after_training(self, learn: Learner) -> list[tuple[str, str]]:
        """Choose what depends on a trained network: of several labels, the threshold.

        In a distributed training, all processes have to call it.

        Returns:
            A line for each choice, for the user.
        """
        if self.split.targets_are != "labels":
            return []
        self.threshold, text = several_labels.chosen_threshold(learn)
        return [("threshold", text)]

    def count_parameters(self) -> int:
        """How many parameters its network has; kinds that load weights count without them."""
        return sum(parameter.numel() for parameter in self.learner().model.parameters())

    @abstractmethod
    def preprocessing(self, learn: Learner) -> Preprocessing:
        """How new samples are brought to the network."""

    def picture(self, learn: Learner, mixer: Mixer | Callback | None) -> Callable[[], Any] | None:
        """What draws a figure of the first batch, mixed; None for data that cannot be seen.

        Args:
            mixer: what :meth:`mixer` gave for this training; it is not advanced.
        """
        return None

    @classmethod
    def show(cls, options: TrainOptions, split: Any) -> Any:
        """A figure of some samples, their partners and the mixes.

        Raises:
            VicinalError: such data cannot be seen, or are not mixed.
        """
        raise VicinalError(
            f"{options.data} holds {cls.kind}, which cannot be drawn: name a folder of images, "
            "masks, sounds or series"
        )
