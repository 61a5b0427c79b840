"""DataRequest: the data that the user named, and what a look at them shows."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vicinal.data.listing import Listing, list_folder
from vicinal.data.parts import part_of
from vicinal.data.plugins import is_readable
from vicinal.data.table_files import is_table
from vicinal.data.tables import is_saved, saved_tables, tables_of_hub
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.image_tables import ImageTable

ALWAYS = ("data", "valid_pct", "seed", "skip_bad")  # options of all data
LISTS = ("columns", "drop", "categorical")


@dataclass(frozen=True)
class DataRequest:
    """The data that the user named; see :func:`~vicinal.data.sources.load_split`.

    Kinds of data are asked one after the other whether they recognise it, so whatever they look at
    is read once, for all of them.

    Args:
        data: ``digits``, a path, ``hf:NAME``, ``torchvision:NAME``, or another kind's own name.
        label, label_pattern, text, columns, drop, categorical, group, split_column, label_kind,
            label_sep, drop_missing, legend, series, series_id, time, valid_pct, seed, stream,
            skip_bad: as there.
    """

    data: str
    label: str | None = None
    label_pattern: str | None = None
    text: str | None = None
    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    group: str | None = None
    split_column: str | None = None
    label_kind: Literal["classes", "values", "labels"] | None = None
    label_sep: str | None = None
    drop_missing: bool = False
    legend: str | None = None
    series: bool | None = None
    series_id: str | None = None
    time: str | None = None
    valid_pct: float = 0.2
    seed: int = 0
    stream: bool = False
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.label_kind is not None:
            check_label_kind(self.label_kind)
        if self.label_sep is not None:
            check_label_sep(self.label_sep, self.label_kind)
        if self.label is not None and self.label in self.columns:
            raise VicinalError(
                f"--label and --columns both name the column {self.label}: leave it out of one"
            )

    @property
    def source(self) -> str:
        """``hf`` or ``torchvision``, or another prefix before the first colon; empty for others."""
        return self.data.partition(":")[0] if ":" in self.data else ""

    @property
    def name(self) -> str:
        """What follows the prefix."""
        return self.data.partition(":")[2]

    @cached_property
    def path(self) -> Path | None:
        """The file or folder, if it is one that is there."""
        path = Path(self.data)
        named = self.data == "digits" or self.source in ("hf", "torchvision")
        # Path.exists() would raise for a long name.
        return None if named or not os.path.exists(path) else path

    @cached_property
    def tables(self) -> list[Path]:
        """The path, or the files in the folder, that are tables by their names."""
        if self.path is None:
            return []
        if self.path.is_file():
            found = [self.path]
        else:  # a clone of a hub's repository has its files in a folder data
            found = sorted([*self.path.glob("*"), *self.path.glob("data/*")])
        tables = [file for file in found if is_table(file)]
        return tables or ([] if self.images else self._deeper_tables)

    @property
    def _deeper_tables(self) -> list[Path]:
        """Tables that are all in one folder at any depth, or in folders of parts beside it."""
        tables = [file for file in self.files if is_table(file)]
        folders = {file.parent for file in tables}
        are_parts = all(part_of(folder.name) for folder in folders)
        beside = len({folder.parent for folder in folders}) == 1
        are_most = len(tables) >= len(self.files) / 2  # not a list beside texts in folders
        return tables if are_most and (len(folders) == 1 or (are_parts and beside)) else []

    @cached_property
    def listing(self) -> Listing:
        """What lies below the folder; nothing where the path is no folder."""
        if self.path is None or not self.path.is_dir():
            return Listing(Path(self.data), [])
        return replace(list_folder(self.path), reads=self.is_sample)

    @property
    def files(self) -> list[Path]:
        """All files below the folder, at any depth."""
        return self.listing.files

    @property
    def images(self) -> list[Path]:
        """Those of :attr:`files` that are images by their names."""
        return self.listing.images

    #: Whether one Parquet file may be a list of files.
    lists_in_parquet: ClassVar[bool] = False
    #: Whether columns beside the files may be learned from.
    takes_columns: ClassVar[bool] = True
    #: Whether one table with more columns than files and labels is learned from by its columns.
    columns_come_first: ClassVar[bool] = True

    @staticmethod
    def is_sample(suffix: str) -> bool:
        """Whether files with this ending are images, or in the place of these, other samples."""
        return is_readable(suffix)

    @cached_property
    def image_tables(self) -> "list[ImageTable]":
        """The tables that name images."""
        if not self.has_tables:
            return []
        from vicinal.data.image_tables import image_tables

        return image_tables(self)

    @cached_property
    def has_tables(self) -> bool:
        """Whether there is a table, at any depth."""
        return any(map(is_table, [*self.tables, *self.files]))

    @cached_property
    def has_hub_tables(self) -> bool:
        """Whether the data are a hub's, or a folder that the ``datasets`` library saved."""
        return self.source == "hf" or (self.path is not None and is_saved(self.path))

    @cached_property
    def hub_tables(self) -> Any:
        """A hub's tables, one a part; they are downloaded, or read from a saved folder."""
        return tables_of_hub(self.name) if self.path is None else saved_tables(self.path)

    def accept(self, *options: str, reasons: Mapping[str, str]) -> None:
        """Raise a VicinalError where another option is given, which does not apply.

        Args:
            options: the names of those that apply.
            reasons: why others do not, by option or for all others under ``""``: what the data are
                or lack, such as ``"has no columns"``.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in (*options, *ALWAYS) or value == field.default:
                continue
            name, shown = field.name.replace("_", "-"), f" {value}"
            if isinstance(value, bool):
                name, shown = name if value else f"no-{name}", ""
            elif field.name in LISTS:
                shown = f" {','.join(value)}"
            raise VicinalError(
                f"{self.path or self.data} {reasons.get(field.name) or reasons['']}, so "
                f"--{name}{shown} does not apply: leave it out"
            )


def check_label_kind(kind: str) -> None:
    """Raise a VicinalError where labels cannot be of this kind."""
    if kind not in ("classes", "values", "labels"):
        raise VicinalError(f"--label-kind must be classes, values or labels, not {kind}")


def check_label_sep(separator: str, kind: str | None) -> None:
    """Raise a VicinalError where labels cannot be joined by this."""
    if not separator or separator.isalnum():
        raise VicinalError(
            f"--label-sep must be what stands between labels, such as '|', not {separator!r}"
        )
    if kind in ("classes", "values"):
        raise VicinalError(
            f"--label-sep {separator} is for several labels of each sample, and --label-kind "
            f"{kind} for one: leave out one of them"
        )
