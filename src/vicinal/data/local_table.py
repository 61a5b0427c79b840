"""Parquet files that fit in memory, read without the ``datasets`` library.

Its import alone takes longer than reading ten thousand small photos, and it writes a copy of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from vicinal.data.class_names import class_names, features_of

IMAGE = "struct<bytes: binary, path: string>"
PLAIN = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float", "double", "string", "large_string"),
)
LIMIT = 2**29  # bytes of all files; what is larger is mapped into memory by ``datasets``


@dataclass(frozen=True)
class Value:
    """What a column holds."""

    dtype: str


@dataclass(frozen=True)
class ClassLabel:
    """The names of the classes whose indices a column holds."""

    names: list[str]
    dtype: str = "int64"


class LocalTable:
    """One part of the data, with what is used of the tables of ``datasets``.

    Args:
        files: Parquet files of one schema.
        columns: those to read; None are all.
    """

    _indices = None  # all rows are in the table

    def __init__(self, files: Sequence[str], columns: Sequence[str] | None = None) -> None:
        self.files, self.columns = list(files), columns

    @cached_property
    def data(self) -> Any:
        """The Arrow table; other processes read it anew."""
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]

        opened = [pyarrow.parquet.ParquetFile(file, memory_map=True) for file in self.files]
        return pyarrow.concat_tables([file.read(self.columns) for file in opened])

    @cached_property
    def features(self) -> dict[str, Any]:
        """What each column holds; of images, a dict of what their records hold."""
        names = class_names(self.data.schema)
        found: dict[str, Any] = {}
        for field in self.data.schema:
            if str(field.type) == IMAGE:
                found[field.name] = {"bytes": Value("binary"), "path": Value("string")}
            elif field.name in names:
                found[field.name] = ClassLabel(names[field.name])
            else:
                found[field.name] = Value(str(field.type))
        return found

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def __getitem__(self, column: str) -> list[Any]:
        return list(self.data.column(column).to_pylist())

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "columns": self.columns}

    def select_columns(self, columns: str | Sequence[str]) -> Self:
        chosen = type(self)(self.files, [columns] if isinstance(columns, str) else [*columns])
        chosen.data = self.data.select(chosen.columns)
        return chosen

    def select(self, rows: Sequence[int]) -> Self:
        """Some rows, for a look in this process: pickling forgets which."""
        chosen = type(self)(self.files, self.columns)
        chosen.data = self.data.take([*rows])
        return chosen

    def take(self, count: int) -> list[dict[str, Any]]:
        return list(self.data.slice(0, count).to_pylist())

    def to_pandas(self) -> Any:
        # Without what pandas wrote of its index, which is a column as others.
        return self.data.replace_schema_metadata(None).to_pandas()


def local_tables(parts: dict[str, list[str]]) -> dict[str, LocalTable] | None:
    """The parts of the data, each of some Parquet files.

    Returns:
        None where ``datasets`` should read them, or say what is wrong with them: they are large or
        damaged, differ in their columns, or hold what it would convert.
    """
    import pyarrow.parquet

    try:
        files = [pyarrow.parquet.read_metadata(file) for part in parts.values() for file in part]
        groups = [each.row_group(i) for each in files for i in range(each.num_row_groups)]
        schemas = [each.schema.to_arrow_schema() for each in files]
        small = sum(group.total_byte_size for group in groups) <= LIMIT
        alike = all(each.equals(schemas[0], check_metadata=True) for each in schemas)
        if not (small and alike and _is_plain(schemas[0])):
            return None
        tables = {name: LocalTable(part) for name, part in parts.items()}
        return tables if all(map(len, tables.values())) else None  # reads them
    except (OSError, ValueError):
        return None


def _is_plain(schema: Any) -> bool:
    """Whether all columns are what ``datasets`` would take as they are stored."""
    described = features_of(schema)
    if len({*schema.names}) < len(schema.names):
        return False
    for field in schema:
        kind, described_as = str(field.type), described.get(field.name)
        meant = described_as.get("_type", "") if isinstance(described_as, dict) else "Value"
        needed = {"Image": IMAGE, "ClassLabel": "int64", "Value": kind}.get(meant)
        if not field.nullable or kind != needed or kind not in (IMAGE, *PLAIN):
            return False
    return True
