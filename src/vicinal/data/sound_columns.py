"""Sounds in tables: columns of records of bytes and path, as ``datasets`` stores them."""

import io
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from vicinal.data.class_names import features_of
from vicinal.data.image_columns import LOOKED_AT, find_image_column
from vicinal.data.local_table import IMAGE
from vicinal.data.shards import too_large_for_disk
from vicinal.data.sound_files import is_sound

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest

# How sound files begin, with the endings that libsndfile's formats have.
BEGINS = {
    b"RIFF": ".wav",
    b"FORM": ".aiff",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff\xfb": ".mp3",
    b"\xff\xf3": ".mp3",
    b"\xff\xf2": ".mp3",
}


class HeldSound:
    """A sound in a row of a column, read as its file would be.

    Args:
        column: of records of bytes and path.
        row: its place there.
    """

    def __init__(self, column: Any, row: int) -> None:
        self.column, self.row = column, row
        path = self._record["path"]
        self.place = f"row {column.rows[row]}"
        self.name = PurePath(path).name if path else self.place

    @property
    def _record(self) -> dict[str, Any]:
        return self.column[self.row] or {"bytes": None, "path": None}

    @property
    def suffix(self) -> str:
        try:
            return PurePath(self.name).suffix or _suffix_of(self.read_bytes())
        except OSError:
            return ""

    def read_bytes(self) -> bytes:
        """What the file holds; of a record with a path alone, the file's own bytes."""
        held, path = self._record["bytes"], self._record["path"]
        if held is None and path is None:
            raise OSError("there is no sound in this row")
        return bytes(held) if held is not None else Path(path).read_bytes()

    def open(self, mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(self.read_bytes())

    def stat(self) -> None:
        """Raise an OSError where nothing can be read."""
        self.read_bytes()

    def __str__(self) -> str:
        # Files in several rows may have one name.
        return self.place if self.name == self.place else f"{self.name} ({self.place})"


def sound_shards(request: "DataRequest") -> list[Path]:
    """The Parquet files with a column of sounds; none where the first has no such column."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    files = [file for file in request.tables if file.suffix.lower() == ".parquet"]
    if not files:
        return []
    try:
        with pyarrow.parquet.ParquetFile(files[0]) as opened:
            described = features_of(opened.schema_arrow)
            for field in opened.schema_arrow:
                if str(field.type) == IMAGE:
                    head = next(opened.iter_batches(LOOKED_AT, columns=[field.name]), None)
                    about = described.get(field.name)
                    kind = about.get("_type") if isinstance(about, dict) else None
                    records = [] if head is None else head[0].to_pylist()
                    return files if _are_sounds(kind, records) else []
    except (OSError, ValueError):
        pass  # other finders say so
    return []


def sound_tables(request: "DataRequest") -> Any:
    """A hub's tables with a column of sounds, one a part; None where there are none."""
    if request.path is None and too_large_for_disk(request.name) is not None:
        return None  # images are streamed
    tables = request.hub_tables
    table = next(iter(tables.values()))
    name = find_image_column(table)
    kind = None if name is None else getattr(table.features[name], "_type", None)
    return tables if kind == "Audio" else None


def _are_sounds(kind: str | None, records: list[Any]) -> bool:
    """Whether records are sounds, by their type, or by the first path or bytes."""
    if kind is not None:
        return kind == "Audio"
    first = next((record for record in records if record and any(record.values())), None)
    if first is None:
        return False
    return is_sound(PurePath(first["path"] or "").suffix) or bool(_suffix_of(first["bytes"] or b""))


def _suffix_of(content: bytes) -> str:
    # Other files than sounds begin with RIFF, too, such as WebP images.
    if content[:4] == b"RIFF" and content[8:12] != b"WAVE":
        return ""
    return next((suffix for begin, suffix in BEGINS.items() if content.startswith(begin)), "")
