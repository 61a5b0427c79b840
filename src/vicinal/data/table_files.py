"""Which files are tables, by their names."""

from pathlib import Path

CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
JSON_LINES = (".jsonl", ".jsonl.gz", ".ndjson")
# Of files of one name, the first kind is read: it keeps the types of values.
KINDS = ((".parquet",), CSV, JSON_LINES, (".xlsx",))


def is_table(file: Path) -> bool:
    """Whether a file's name is that of a table: CSV, TSV, JSON Lines, Parquet or Excel.

    Hidden files, and those that Excel writes beside an open one, are none.

    >>> [is_table(Path(name)) for name in ("a.CSV", "a.tsv.gz", "._a.csv", "~$a.xlsx", "a.txt")]
    [True, True, False, False, False]
    """
    name = file.name.lower()
    return name.endswith(sum(KINDS, ())) and not name.startswith((".", "~$"))
