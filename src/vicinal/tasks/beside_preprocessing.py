"""How new texts and images are brought to a network together with the columns beside them."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pandas as pd
from torch import Tensor, nn

from vicinal.data.beside_loaders import IMAGES, columns_of
from vicinal.data.columns import as_texts
from vicinal.data.frames import read_frame
from vicinal.data.listing import find_images
from vicinal.data.named_images import NamedImages
from vicinal.data.part_items import rows_of
from vicinal.data.plugins import is_readable
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.table_files import is_table
from vicinal.errors import VicinalError
from vicinal.models.beside import Beside
from vicinal.models.rescale import Rescale
from vicinal.models.zoo import create_model
from vicinal.stored import check_dataclass
from vicinal.tasks.image_preprocessing import ImagePreprocessing
from vicinal.tasks.predictor import check_reading
from vicinal.tasks.tables import check_table
from vicinal.tasks.texts import TextPreprocessing, without_text


@dataclass(frozen=True)
class TextsBesidePreprocessing(TextPreprocessing):
    """How rows with a text become input of a network.

    Args:
        model, vocab, column, tokenizer, reading: as of :class:`TextPreprocessing`.
        table: from the other columns to tensors.
    """

    table: TablePreprocessing = field(kw_only=True)

    sample_name = "row"
    argument = "TABLE"
    numbered = True

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        rest, table = _without_table(stored)
        network, texts = TextPreprocessing.load(rest, folder)
        rescale: Any = None
        if isinstance(network, nn.Sequential):  # of values
            network, rescale = network
        made = cls(**vars(texts), table=table)
        return made.beside(network, rescale), made

    def beside(self, network: nn.Module, rescale: Rescale | None) -> Beside:
        """A network for the texts with one for the columns beside it."""
        table = self.table
        numeric, cardinalities = len(table.mean), table.cardinalities
        return Beside(network, numeric, cardinalities, self.n_out, rescale=rescale)

    def check(self) -> None:
        super().check()
        check_table(self.table)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "table": self.table.to_json()}

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The rows of tables, numbered from 0 on."""
        files = list(arguments)
        for file in files:
            frame = read_rows(file, self.column, "texts", self.table, self.reading)
            for number, row in enumerate(rows_of(frame)):
                missing = without_text(row[self.column], number, Path(file))
                yield (f"{file}:{number}" if len(files) > 1 else str(number)), missing or row

    @staticmethod
    def takes(file: Path) -> bool:
        return is_table(file)

    def batch(self, items: list[Any]) -> dict[str, Tensor]:
        """Rows, as data frames' or as dicts, to tokens, numbers and categories."""
        columns = columns_of(items, self.table, self.column)
        return {**super().batch([item[self.column] for item in items]), **columns}


@dataclass(frozen=True)
class ImagesBesidePreprocessing(ImagePreprocessing):
    """How rows with an image become input of a network.

    Args:
        model, vocab, item_size, size, mean, std, resize, pixel_range: as of
            :class:`ImagePreprocessing`.
        column: the one that names the images.
        table: from the other columns to tensors.
        reading: how the training file's numbers are written, by which new files are read.
    """

    column: str = field(kw_only=True)
    table: TablePreprocessing = field(kw_only=True)
    reading: dict[str, Any] | None = field(default=None, kw_only=True)

    sample_name = "file"
    argument = "TABLE"

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        rest, table = _without_table(stored)
        check_dataclass({**rest, "table": stored["table"]}, cls, "predict.how")
        made = cls(**rest, table=table)
        return made.beside(create_model(made.model, made.n_out)), made

    def beside(self, network: nn.Module) -> Beside:
        """A network for the images with one for the columns beside it."""
        return Beside(network, len(self.table.mean), self.table.cardinalities, self.n_out)

    def check(self) -> None:
        super().check()
        check_table(self.table)
        check_reading(self.reading)

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """The rows of tables, with the files that they name."""
        for argument in arguments:
            file = Path(argument)
            frame = read_rows(file, self.column, "images", self.table, self.reading)
            texts = as_texts(frame[self.column])
            values = [None if no else str(t) for t, no in zip(texts, texts.isna(), strict=True)]
            for number, (value, found) in enumerate(
                zip(values, named_files(values, file), strict=True)
            ):
                name = f"row {number}" if value is None else value
                yield name, _item(frame.iloc[number], self.column, found, f"row {number} of {file}")

    @staticmethod
    def takes(file: Path) -> bool:
        return is_table(file)

    def batch(self, items: list[Any]) -> Any:
        """Rows, as data frames' or as dicts, to images, numbers and categories.

        Raises:
            BadImage: an image cannot be read; it is named.
        """
        columns = columns_of(items, self.table, self.column)
        return {IMAGES: super().batch([item[self.column] for item in items]), **columns}


def named_files(values: Sequence[str | None], table: Path) -> list[list[Path]]:
    """For each value of a table the files that it can mean, as in training.

    Args:
        values: None for a row that names nothing.
        table: the file of the table.
    """
    beside = [table.parent / (value or "") for value in values]
    if all(map(os.path.isfile, beside)):
        return [[file] for file in beside]  # the folder, which may hold much else, is not searched
    named = NamedImages(table.parent, find_images(table.parent, is_readable))
    found = named.find(values, table)
    return [
        files or ([file] if value is not None else [])
        for files, file, value in zip(found, beside, values, strict=True)
    ]


def _item(row: pd.Series, column: str, files: list[Path], where: str) -> Any:
    """A row with the file that it names; the error of one that names none, or several."""
    if len(files) == 1:  # of one that is not there, the error comes when it is read
        return {**row, column: files[0]}
    if not files:
        return VicinalError(f"{where} names no image: name one, or drop the row")
    return VicinalError(
        f"{row[column]} in {where} can be {files[0]} or {files[1]}: write folders before the "
        "names, or move away what is not meant"
    )


def read_rows(
    file: Path | str,
    column: str,
    what: str,
    table: TablePreprocessing,
    reading: dict[str, Any] | None,
) -> pd.DataFrame:
    """The rows of a new table, which are checked, with notes about them.

    Args:
        column: of the texts or images.
        what: which of the two.
        table, reading: of the training.

    Raises:
        VicinalError: it is no table, or lacks a column.
    """
    if not is_table(Path(file)):
        raise VicinalError(
            f"{file} is no table: give one (CSV, TSV, Parquet, JSON Lines or Excel) with the "
            f"column {column} and those beside it"
        )
    strings = [] if reading else list(table.categories)
    frame = read_frame(file, strings, reading=reading, written=[column])
    if column not in frame:
        raise VicinalError(
            f"{file} has no column {column}, which held the {what} in training: name the column so"
        )
    try:  # before any row is predicted
        table.transform(frame)
    except VicinalError as error:
        raise VicinalError(f"{file}: {error}") from None
    for line in (*frame.attrs["notes"], *table.unknown(frame)):
        print(f"note: {line}", file=sys.stderr)  # stdout may be JSON
    return frame


def _without_table(stored: dict[str, Any]) -> tuple[dict[str, Any], TablePreprocessing]:
    check_dataclass(stored["table"], TablePreprocessing, "predict.how.table")
    rest = {name: value for name, value in stored.items() if name != "table"}
    return rest, TablePreprocessing.from_json(stored["table"])
