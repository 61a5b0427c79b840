"""An image column of a hub's table, read row by row."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any


class Column(Sequence[Any]):
    """An image column of a hub's table, read row by row."""

    def __init__(self, table: Any, name: str, rows: Sequence[int] | None = None) -> None:
        self.table, self.name = table, name
        self.rows = range(len(table)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        row, picked = self.rows[index], self.table._indices
        if picked is not None:  # the table has some of the rows that are stored
            row = picked.column(0)[row].as_py()
        return self._stored[row].as_py()

    @cached_property
    def _stored(self) -> Any:
        """Arrow's own column, whose rows are read in a fraction of the time."""
        return self.table.data.column(self.name)

    def sizes(self) -> list[int]:
        """How many bytes each image has; 0 where none are stored."""
        import pyarrow.compute as pc  # type: ignore[import-untyped]

        lengths = pc.binary_length(pc.struct_field(self._stored, "bytes"))
        stored, picked = pc.fill_null(lengths, 0).to_numpy(), self.table._indices
        if picked is not None:
            stored = stored[picked.column(0).to_numpy()]
        sizes: list[int] = stored[list(self.rows)].tolist()
        return sizes

    def __getstate__(self) -> dict[str, Any]:
        # A table is pickled by the names of its files, but an Arrow column with all that it holds.
        return {name: value for name, value in vars(self).items() if name != "_stored"}

    def subset(self, indices: Sequence[int]) -> "Column":
        return Column(self.table, self.name, [self.rows[i] for i in indices])
