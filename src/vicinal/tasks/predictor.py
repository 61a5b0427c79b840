"""Predictor: a trained network with everything needed to use it, from a run folder."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from vicinal.data.listing import endings, list_folder
from vicinal.data.part_items import rows_of
from vicinal.errors import VicinalError
from vicinal.kinds import KINDS
from vicinal.learner.checkpoint import load_rescaling, load_weights
from vicinal.rescaling import Rescaling
from vicinal.stored import Misfit, check_dataclass, check_fields, first_line, misfit
from vicinal.tasks.run_config import CONFIG, RESCALING, WEIGHTS, check_has_weights, read_config

NETWORK = "network"  # the folder with the config and tokenizer of a network of the hub
BATCH = 64
# The types of the fields of data that come in tables, beside their own.
OF_TABLES = {"reading": dict[str, Any] | None, "threshold": float | None}


@dataclass(frozen=True)
class Preprocessing(ABC):
    """How validation samples were preprocessed, so that new ones are treated the same way.

    Args:
        model: the network's name.
        vocab: the names of the classes; None for values.
        threshold: of several labels for each sample, the probability above which one is predicted;
            None where each sample has one class or value.
    """

    #: What one sample is called in the predictions, and as an argument of the command line.
    sample_name: ClassVar[str]
    argument: ClassVar[str]
    #: Whether predictions are pictures, which ``vicinal predict`` writes to a folder.
    writes: ClassVar[bool] = False
    #: Whether :meth:`samples` numbers those of a file, rather than to name them.
    numbered: ClassVar[bool] = False

    model: str
    vocab: list[str] | None
    threshold: float | None = field(default=None, kw_only=True)

    @property
    def n_out(self) -> int:
        """How many numbers the network gives for a sample."""
        return 1 if self.vocab is None else len(self.vocab)

    def check(self) -> None:
        """Refuse fields that contradict each other; those of a run may have been edited.

        Raises:
            VicinalError: they do; the message is a clause.
        """
        vocab = self.vocab
        if vocab is not None and (len(vocab) < 1 or len(set(vocab)) < len(vocab)):
            raise VicinalError(f"vocab must name each class once, not {', '.join(vocab)}")
        if self.threshold is not None and (vocab is None or not 0 <= self.threshold <= 1):
            raise VicinalError(f"threshold must be from 0 to 1, of classes, not {self.threshold}")

    def _threshold(self) -> dict[str, float]:
        """For :meth:`to_json`: nothing where there is none, as earlier versions had it."""
        return {} if self.threshold is None else {"threshold": self.threshold}

    @classmethod
    @abstractmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        """From :meth:`to_json`: the network with random weights, and the preprocessing."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""

    def save(self, folder: Path) -> None:  # noqa: B027 -- most have nothing
        """Write to a run folder what JSON cannot hold."""

    @abstractmethod
    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The samples that arguments of the command line name, as pairs of a name and a sample."""

    @staticmethod
    def takes(file: Path) -> bool:
        """Whether a file in a folder holds samples, by its name."""
        return True

    def found(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """As :meth:`samples`, also of the files below folders.

        In place of what cannot be read, it gives the error, and goes on.
        """
        files = [file for argument in arguments for file in self._files(str(argument))]
        for name, failed in files:
            try:
                if failed is not None:
                    raise failed
                for sample, item in self.samples([name]):
                    several = self.numbered and len(files) > 1
                    yield (f"{name}:{sample}" if several else sample), item
            except VicinalError as error:
                yield name, error

    def _files(self, argument: str) -> list[tuple[str, VicinalError | None]]:
        """The files of one argument; where a folder cannot be read or has none, what is wrong."""
        if not os.path.isdir(argument):  # Path.is_dir() would raise for a long text
            return [(argument, None)]
        listing = list_folder(argument)
        taken: list[tuple[str, VicinalError | None]] = [
            (str(file), None) for file in listing.files if self.takes(file)
        ]
        for folder, reason in listing.closed.items():
            taken.append((str(folder), VicinalError(f"{folder} cannot be opened: {reason}")))
        others = endings([file for file in listing.files if not self.takes(file)])
        if not taken:
            wanted = f"{argument} holds no {self.argument.lower()} file, at any depth"
            return [(argument, VicinalError(f"{wanted}{f', only {others}' if others else ''}"))]
        if others:
            print(f"note: left out of {argument}: {others}", file=sys.stderr)
        return taken

    @abstractmethod
    def batch(self, items: list[Any]) -> Any:
        """Collate samples into what the network takes, a tensor or a nested batch."""

    def finished(self, item: Any, output: Tensor) -> Tensor:
        """The prediction for a sample, from probabilities or values."""
        return output


class Predictor:
    """Predict with a trained network.

    Args:
        model: the network; it is set to evaluation mode.
        preprocessing: of the samples.
        rescaling: of the network's outputs, if it was trained with RescaledMixUp.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        rescaling: Rescaling | None = None,
    ) -> None:
        self.model, self.preprocessing, self.rescaling = model.eval(), preprocessing, rescaling

    @classmethod
    def load(cls, run: str | Path, threshold: float | None = None) -> "Predictor":
        """Load the run folder of a ``vicinal train``. No code in it is run.

        Args:
            run: the folder.
            threshold: of a network for several labels, in the place of the run's: labels whose
                probability is above it are predicted.

        Raises:
            VicinalError: the folder does not exist, holds no run, or is damaged; or the threshold
                is none, or the network is for one class or value of each sample.
        """
        folder = Path(run)
        if folder.is_file():
            raise VicinalError(
                f"{folder} is a file, and a run is a folder: what learn.export() wrote is read by "
                "load_learner()"
            )
        config = read_config(folder)
        check_has_weights(folder, config)
        model, preprocessing = _loaded(config, folder)
        load_weights(model, folder / WEIGHTS)
        rescaling = load_rescaling(folder / RESCALING) if config.get("rescaled") else None
        if config.get("rescaled") and rescaling is None:
            raise VicinalError(
                f"{folder / RESCALING} is missing, by which the predictions of this run are "
                "rescaled: restore it from a copy, or train again"
            )
        if threshold is not None:
            preprocessing = _with_threshold(preprocessing, threshold)
        return cls(model, preprocessing, rescaling)

    def predict(self, items: Iterable[Any]) -> Iterator[Tensor]:
        """Probabilities of the classes, (C,) float32, or values, (1,), one sample after the other.

        Of several labels for each sample, the probability of each, which do not add up to 1. Of a
        network for masks it is a mask of the image's size, (H, W) uint8 class indices.

        :meth:`answer` gives them names.

        Args:
            items: of a network for images: files, encoded bytes or PIL images; for texts: strings;
                for tables: a data frame, or rows as dicts.

        Raises:
            VicinalError: a sample cannot be read, which is named; or an output is not finite.
        """
        return self._outputs(_rows(items))

    def outcomes(self, items: Iterable[Any]) -> Iterator[Tensor | VicinalError]:
        """As :meth:`predict`, with an error in place of the output of a sample that has none.

        Args:
            items: as for :meth:`predict`; an error among them stays one.
        """
        remaining, done = _rows(items), 0
        while batch := list(islice(remaining, BATCH)):
            yield from self._outcomes(batch, done)
            done += len(batch)

    def _outcomes(self, items: list[Any], done: int) -> Iterator[Tensor | VicinalError]:
        failed = [item if isinstance(item, VicinalError) else None for item in items]
        try:
            outputs = self._output([item for item in items if not isinstance(item, VicinalError)])
        except VicinalError:  # it names one sample, and there may be more
            failed = [error or self._error(item) for item, error in zip(items, failed, strict=True)]
            good = [item for item, error in zip(items, failed, strict=True) if error is None]
            outputs = self._output(good)
        remaining = iter(outputs)
        for number, error in enumerate(failed, done):
            if error is not None:
                yield error
                continue
            output = next(remaining)
            try:
                check_finite(output[None], number)
            except VicinalError as infinite:
                yield infinite
            else:
                yield self.preprocessing.finished(items[number - done], output)

    def _error(self, item: Any) -> VicinalError | None:
        """Why a sample cannot be read."""
        try:
            self.preprocessing.batch([item])
        except VicinalError as error:
            return error
        return None

    def _outputs(self, remaining: Iterator[Any]) -> Iterator[Tensor]:
        done = 0
        while batch := list(islice(remaining, BATCH)):
            output = self._output(batch)
            check_finite(output, done)
            done += len(output)
            yield from map(self.preprocessing.finished, batch, output)

    def outputs(self, items: list[Any]) -> Tensor:
        """Probabilities or values of samples, (B, C), or for masks (B, C, height, width).

        Of masks they are of the size that the network sees, and not masks yet.

        Raises:
            VicinalError: as :meth:`predict`.
        """
        found = self._output(items)
        check_finite(found)
        return found

    @torch.no_grad()
    def _output(self, items: list[Any]) -> Tensor:
        """Probabilities or values of samples, (B, C) on the CPU."""
        if not items:
            return torch.empty(0, self.preprocessing.n_out)
        device = next(self.model.parameters()).device
        x = send_to_device(self.preprocessing.batch(items), device)
        rescaling = self.rescaling
        output: Tensor
        output = self.model(x) if rescaling is None else rescaling.to(device)(self.model, x)
        if self.preprocessing.threshold is not None:
            return output.float().sigmoid().cpu()
        return (output.softmax(dim=1) if self.preprocessing.vocab else output).cpu()

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The prediction for one sample: a value, or a class with the probabilities of all.

        Of several labels for each sample, the labels above the threshold; of a mask, the share of
        the pixels of each class that it has.
        """
        shares = getattr(self.preprocessing, "shares", None)
        if shares is not None:
            return {"shares": self.named_shares(shares(output))}
        if self.preprocessing.vocab is None:
            return {"value": output.item()}
        ranked = self.best(output, len(output))
        if self.preprocessing.threshold is not None:
            labels = [name for name, _ in self.above(output)]
            return {"labels": labels, "probabilities": dict(ranked)}
        return {"class": ranked[0][0], "probabilities": dict(ranked)}

    def above(self, probabilities: Tensor) -> Sequence[tuple[str, float]]:
        """The labels above the threshold with their probabilities, in descending order."""
        threshold = self.preprocessing.threshold or 0.0
        return [
            each
            for each in self.best(probabilities, self.preprocessing.n_out)
            if each[1] > threshold
        ]

    def named_shares(self, shares: Tensor) -> dict[str, float]:
        """All classes with their shares of a mask's pixels, the largest first."""
        pairs = zip(self.preprocessing.vocab or [], shares.tolist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    def best(self, probabilities: Tensor, k: int) -> Sequence[tuple[str, float]]:
        """The ``k`` most likely classes with their probabilities, in descending order."""
        vocab = self.preprocessing.vocab or []
        values, indices = probabilities.topk(min(k, len(vocab)))
        names = [vocab[i] for i in indices.tolist()]
        return list(zip(names, values.tolist(), strict=True))


def _with_threshold(preprocessing: Preprocessing, threshold: float) -> Preprocessing:
    if preprocessing.threshold is None:
        raise VicinalError(
            f"--threshold {threshold:g} is for networks of several labels, and this one is for one "
            "of each sample: leave it out"
        )
    if not 0 <= threshold < 1:
        raise VicinalError(f"--threshold must be 0 or more and below 1, not {threshold:g}")
    return replace(preprocessing, threshold=threshold)


def _loaded(config: dict[str, Any], folder: Path) -> tuple[nn.Module, Preprocessing]:
    """The network with random weights and the preprocessing that settings of a run describe."""
    stored, file, version = config["predict"], folder / CONFIG, config.get("vicinal")
    try:
        model, preprocessing = preprocessing_of(stored["kind"]).load(stored["how"], folder)
    except Misfit as error:
        raise misfit(file, error, version) from None
    except (AttributeError, LookupError, TypeError, OverflowError, RuntimeError) as error:
        # What fits no network, such as a size.
        unfit = Misfit(f"predict.how does not fit ({first_line(error)})")
        raise misfit(file, unfit, version) from error
    try:
        preprocessing.check()
    except VicinalError as error:
        raise misfit(file, error, version) from None
    return model, preprocessing


def _rows(items: Iterable[Any]) -> Iterator[Any]:
    """The samples, one after the other; of a data frame its rows."""
    one = isinstance(items, str | bytes | os.PathLike | Mapping | Tensor)
    if one or not isinstance(items, Iterable):
        raise VicinalError(f"predict takes several samples, not {items!r}: give a list of them")
    return iter(rows_of(items) if hasattr(items, "iterrows") else items)


def preprocessing_of(kind: str) -> type[Preprocessing]:
    """The preprocessing of a kind of data."""
    found: type[Preprocessing] = KINDS[kind].task_type.preprocessing_type
    return found


def check_finite(outputs: Tensor, done: int = 0) -> None:
    """Refuse probabilities or values that are NaN or infinite.

    Args:
        outputs: (B, C).
        done: how many samples came before these.

    Raises:
        VicinalError: some are; the first sample is named by its number.
    """
    finite = outputs.isfinite().reshape(len(outputs), -1).all(dim=1)
    if not finite.all():
        number = done + int(finite.int().argmin()) + 1
        raise VicinalError(
            f"the network's output for sample {number} is not a finite number: look for NaN or "
            "huge values in that sample, or train the network again"
        )


def check_reading(stored: Any) -> None:
    """Refuse what does not say how a table was read.

    Raises:
        VicinalError: it does not; the message is a clause.
    """
    if stored is None:
        return
    from vicinal.data.cells import Reading  # pandas takes its time, and images need none
    from vicinal.data.numbers import Form

    where = "predict.how.reading"
    kinds: dict[str, Any] = {"separator": str, "decimal": str | None, "strings": list[str]}
    kinds["numbers"] = dict[str, list[Any]]
    check_fields(stored, kinds, where, needed=tuple(kinds))
    for name, form in stored["numbers"].items():
        names = [field.name for field in fields(Form)]
        check_dataclass(dict(zip(names, form, strict=False)), Form, f"{where}.numbers.{name}")
    Reading.from_json(stored)
