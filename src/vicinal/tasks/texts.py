"""Texts: defaults for them, and how new ones are classified."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from vicinal.data.frames import read_frame
from vicinal.data.rows import Rows, TextSplit
from vicinal.data.table_files import is_table
from vicinal.data.text import TextData, Tokenizer, WordTokenizer
from vicinal.data.text_folders import ENDINGS, decoded_text
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.mixes import MixPart
from vicinal.mixing.layers import select_layers
from vicinal.models.hub_text import HubTokenizer, hub_text_model, save_hub_text
from vicinal.models.rescale import Rescale
from vicinal.models.text import OWN, check_text_model, create_text_model
from vicinal.stored import check_fields
from vicinal.tasks.predictor import NETWORK, OF_TABLES, Preprocessing, check_reading
from vicinal.tasks.rows import RowTask
from vicinal.tasks.task import Default

AFTER_THE_MASK = ("sentence", "head")  # layers that know no words any more


@dataclass(frozen=True)
class TextPreprocessing(Preprocessing):
    """How texts become input of a network.

    Args:
        model, vocab: as in :class:`Preprocessing`.
        column: the column of texts, where they come in a table.
        tokenizer: from texts to token ids.
        reading: how the training file's numbers are written, by which new files are read.
    """

    column: str
    tokenizer: Tokenizer
    reading: dict[str, Any] | None = None

    sample_name = "text"
    argument = "TEXT"

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        kinds = {"model": str, "vocab": list[str] | None, "column": str, **OF_TABLES}
        kinds["tokenizer"] = dict[str, Any] | None
        check_fields(stored, kinds, "predict.how", needed=("model", "vocab", "column", "tokenizer"))
        model, vocab, column = (stored[name] for name in ("model", "vocab", "column"))
        n_out = 1 if vocab is None else len(vocab)
        network: nn.Module
        tokenizer: Tokenizer
        if stored["tokenizer"] is None:
            network, tokenizer = hub_text_model(str(folder / NETWORK), n_out, pretrained=False)
        else:
            tokenizer = WordTokenizer.from_json(stored["tokenizer"])
            network = own_network(model, tokenizer, n_out)
        if vocab is None:  # the mean and deviation of values come with the weights
            network = nn.Sequential(network, Rescale(0.0, 1.0, dtype=torch.float64))
        more = {name: stored.get(name) for name in OF_TABLES}
        return network, cls(model, vocab, column, tokenizer, **more)

    def check(self) -> None:
        super().check()
        check_reading(self.reading)

    def to_json(self) -> dict[str, Any]:
        words = self.tokenizer.to_json() if isinstance(self.tokenizer, WordTokenizer) else None
        fields: dict[str, Any] = {"model": self.model, "vocab": self.vocab, "column": self.column}
        more = {"reading": self.reading, **self._threshold()}
        return {**fields, **more, "tokenizer": words}

    def save(self, folder: Path) -> None:
        if isinstance(self.tokenizer, HubTokenizer):
            save_hub_text(self.tokenizer, folder / NETWORK)

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Texts from tables and files; an argument that is no file is itself a text.

        A file is one text where the network learned from files, and else it has one on each line.
        """
        for argument in arguments:
            file = Path(argument)
            # An argument that ends in .txt is meant for a file, also where there is none.
            is_file = file.suffix == ".txt" or os.path.isfile(argument)
            if is_table(file):
                yield from self._of_table(file)
            elif is_file and file.suffix.lower() in ENDINGS:
                yield from self._of_file(file)
            elif os.path.exists(argument):  # Path.exists() would raise for a long text
                raise VicinalError(
                    f"{file} holds no texts: give a .txt file, a table (CSV, TSV, Parquet, JSON "
                    "Lines or Excel), or a text"
                )
            else:
                yield argument, argument

    def _of_table(self, file: Path) -> Iterator[tuple[str, Any]]:
        frame = read_frame(file, reading=self.reading, written=[self.column])
        if self.column not in frame:
            raise VicinalError(
                f"{file} has no column {self.column}, which held the texts in training: "
                "name the column so"
            )
        for number, text in enumerate(frame[self.column]):
            missing = without_text(text, number, file)
            yield (f"row {number}", missing) if missing else (text, text)

    def _of_file(self, file: Path) -> Iterator[tuple[str, Any]]:
        try:
            text, is_utf8 = decoded_text(file)
        except OSError as error:
            raise VicinalError(f"{file} cannot be read: {error.strerror}") from None
        if not is_utf8:
            print(f"note: {file} is not in UTF-8, and taken as Latin-1", file=sys.stderr)
        if not text:
            each = "" if self.reading is None else " on each line"
            raise VicinalError(f"{file} is empty: write a text{each}")
        if self.reading is None:
            yield str(file), text
            return
        for line in re.split(r"\r\n|\r|\n", text):
            if line.strip():
                yield line, line

    @staticmethod
    def takes(file: Path) -> bool:
        return file.suffix.lower() in ENDINGS or is_table(file)

    def batch(self, items: list[Any]) -> dict[str, Tensor]:
        return self.tokenizer.encode(items)


def without_text(text: Any, number: int, file: Path) -> VicinalError | None:
    """The error of a row of a table that has no text; None for one that has."""
    if isinstance(text, str) and text.strip():
        return None
    return VicinalError(f"row {number} of {file} has no text: fill it in or drop the row")


def _is_from_hub(model: str) -> bool:
    """Whether a network is one of the hub's, or a folder with such a one."""
    return model.startswith("hf:") or os.path.isdir(model)  # Path would raise for a long one


def own_network(name: str, tokenizer: WordTokenizer, n_out: int) -> nn.Module:
    return create_text_model(name, len(tokenizer), n_out, max_length=tokenizer.max_length)


class TextTask(RowTask):
    """Train a network on texts."""

    kind = "texts"
    # A network of the hub may start from published weights.
    refused = tuple(option for option in RowTask.refused if option != "pretrained")
    preprocessing_type: ClassVar[type[TextPreprocessing]] = TextPreprocessing
    split: TextSplit
    network: nn.Module
    preparation: TextPreprocessing

    @classmethod
    def takes_model(cls, name: str) -> bool:
        return name in OWN or _is_from_hub(name)

    def _choose_network(self) -> None:
        split = self.split
        self.model = self._choose("model", ("text_cnn", "for texts"))
        texts = split.texts(split.train)
        n_out = 1 if split.vocab is None else len(split.vocab)
        self.from_hub = _is_from_hub(self.model)
        tokenizer: Tokenizer
        if self.from_hub:
            self.pretrained = self.options.pretrained is not False
            torch.manual_seed(self.options.seed)  # for a new last layer
            self.network, tokenizer = hub_text_model(self.model, n_out, pretrained=self.pretrained)
            start = "pretrained" if self.pretrained else "random (as requested)"
            self.reasons.append(("weights", start))
        elif self.options.pretrained:
            raise VicinalError(f"{self.model} has no pretrained weights: leave out --pretrained")
        else:
            tokenizer = WordTokenizer.of(texts)
            check_text_model(self.model)
            self.reasons.append(("words", f"{len(tokenizer.words):,} that occur twice or more"))
        self.preparation = TextPreprocessing(
            self.model, split.vocab, split.column, tokenizer, split.reading
        )

    def _epochs(self) -> Default:
        return (3, "enough from pretrained weights") if self.from_hub else (10, "for texts")

    def _batch_size(self, count: int) -> Default:
        return max(2, min(32, count // 8)), f"{count:,} training texts"

    def _learning_rate(self) -> Default:
        return (5e-5, "for networks of the hub") if self.from_hub else (1e-3, "for texts")

    def _choose_loading(self) -> None:
        tokenizer = self.preparation.tokenizer
        self.train, self.valid = (
            TextData(tokenizer, self.split.texts(part), self._labels(part))
            for part in (self.split.train, self.split.valid)
        )
        if self.train.note:
            self.reasons.append(("texts", self.train.note))

    def _labels(self, part: Rows) -> Tensor:
        """What comes with each text of a part: here, its target."""
        return self._part_targets(part)

    def _parts(self) -> tuple[Any, Any]:
        return self.train, self.valid

    def _network(self) -> nn.Module:
        network, scale = self._text_network(), self.split.scale
        if scale is None:
            return network
        return nn.Sequential(network, Rescale(*scale, dtype=torch.float64))

    def _text_network(self) -> nn.Module:
        """The network for the texts, of standardised values."""
        tokenizer = self.preparation.tokenizer
        if isinstance(tokenizer, WordTokenizer):
            self.network = own_network(self.model, tokenizer, self.preparation.n_out)
        return self.network

    def _layers(self, part: MixPart, learn: Learner) -> list[Any]:
        # Modules, not names: where values are rescaled, the network is nested in another module.
        names = select_layers(self.network, self._layers_of(part))
        layers: list[Any] = [self.network.get_submodule(name) for name in names]
        for layer in layers:
            # Or a first batch whose texts are as long as it is large would be rejected.
            layer._batch_is_first = True
        return layers

    def _maximum(self, part: MixPart) -> str | None:
        if not part.layers:
            return super()._maximum(part)
        # Whatever comes before the sentence is formed is masked by the words of both texts.
        names = select_layers(self.network, part.layers)
        masked = {name not in AFTER_THE_MASK for name in names}
        if len(masked) > 1:
            raise VicinalError(
                f"--mix {part.text}: {' and '.join(AFTER_THE_MASK)} come after the words are "
                "masked, the others before: name only layers of one side"
            )
        return "mask" if masked.pop() else None
