"""DataRequest: the data that the user named, and what a look at them shows."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vicinal.data.frames import is_table
from vicinal.data.images import files_below, is_image
from vicinal.data.tables import tables_of_hub
from vicinal.errors import VicinalError


@dataclass(frozen=True)
class DataRequest:
    """The data that the user named; see :func:`~vicinal.data.sources.load_split`.

    Kinds of data are asked one after the other whether they recognise it, so whatever they look at
    is read once, for all of them.

    Args:
        data: ``digits``, a path, ``hf:NAME``, ``torchvision:NAME``, or another kind's own name.
        label: the label column.
        label_pattern: a regular expression for file names, whose first group is the class.
        valid_pct: the share that is held out where there is no validation part.
        seed: of that random choice.
        stream: read shards one after the other, and store nothing.
    """

    data: str
    label: str | None = None
    label_pattern: str | None = None
    valid_pct: float = 0.2
    seed: int = 0
    stream: bool = False

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
        return None if named or not path.exists() else path

    @cached_property
    def tables(self) -> list[Path]:
        """The path, or the files in the folder, that are tables by their names."""
        if self.path is None:
            return []
        if self.path.is_file():
            found = [self.path]
        else:  # a clone of a hub's repository has its files in a folder data
            found = sorted([*self.path.glob("*"), *self.path.glob("data/*")])
        return [file for file in found if is_table(file)]

    @cached_property
    def files(self) -> list[Path]:
        """All files below the folder, at any depth; none where the path is no folder."""
        return files_below(self.path) if self.path is not None and self.path.is_dir() else []

    @cached_property
    def images(self) -> list[Path]:
        """Those of :attr:`files` that are images by their names."""
        return [file for file in self.files if is_image(file)]

    @cached_property
    def hub_tables(self) -> Any:
        """A hub's tables, one a part; they are downloaded."""
        return tables_of_hub(self.name)

    def refuse(self, option: str, reason: str) -> None:
        """Raise a VicinalError where an option is given that does not apply.

        Args:
            option: ``label`` or ``label_pattern``.
            reason: why it does not, about the data.
        """
        value = getattr(self, option)
        if value is not None:
            raise VicinalError(
                f"{self.path or self.data} {reason}, so --{option.replace('_', '-')} {value} names "
                "nothing: leave it out"
            )

    def refuse_stream(self) -> None:
        """Raise a VicinalError where ``stream`` is set, for data without shards."""
        if self.stream:
            raise VicinalError(
                f"{self.path or self.data} has no Parquet shards, so --stream has nothing to read: "
                "leave it out"
            )
