"""An image column of a hub's table, read row by row."""

from collections.abc import Sequence
from typing import Any


class Column(Sequence[Any]):
    """An image column of a hub's table, read row by row."""

    def __init__(self, table: Any, name: str, rows: Sequence[int] | None = None) -> None:
        self.table, self.name = table, name
        self.rows = range(len(table)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.table[self.rows[index]][self.name]

    def subset(self, indices: Sequence[int]) -> "Column":
        return Column(self.table, self.name, [self.rows[i] for i in indices])
