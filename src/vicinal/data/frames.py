"""CSV and Parquet files as data frames."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from vicinal.data.parts import part_names
from vicinal.data.tables import first_sentence, parts_of
from vicinal.errors import VicinalError

CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
SEPARATORS = (",", ";", "\t")
# What pandas takes for missing, and the mark of the UCI repository, after stripping blanks.
MISSING = (
    *("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"),
    *("#NA", "#N/A", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)


def is_table(file: Path) -> bool:
    """Whether a file's name is that of a table: CSV, TSV (gzipped or not) or Parquet."""
    return file.name.lower().endswith((*CSV, ".parquet"))


def read_frames(path: str | Path) -> dict[str, pd.DataFrame]:
    """Read a table, or a folder of its parts.

    Args:
        path: a CSV or Parquet file, or a folder of them. A file with valid, val, validation, test
            or testing in its name belongs to the part of that name, all others to train. Files of
            one part are concatenated.

    Returns:
        The parts by name, as :func:`read_frame` reads them; columns of strings in the training
        part are not converted to numbers in the others.

    Raises:
        VicinalError: there is no table, a file cannot be read, or the columns of a part's files
            differ.
    """
    path = Path(path)
    found = [path] if path.is_file() else sorted([*path.glob("*"), *path.glob("data/*")])
    parts = parts_of([file for file in found if is_table(file)])
    if not parts:
        raise VicinalError(
            f"{path} holds no table: give a CSV or Parquet file, or a folder of them"
        )
    train_name, _ = part_names(parts)
    train = _joined(parts.pop(train_name))
    strings = [str(name) for name in train if not pd.api.types.is_numeric_dtype(train[name])]
    return {train_name: train} | {name: _joined(files, strings) for name, files in parts.items()}


def _joined(files: list[str], strings: Collection[str] = ()) -> pd.DataFrame:
    frames = [read_frame(file, strings) for file in files]
    for file, frame in zip(files, frames, strict=True):
        if set(frame.columns) != set(frames[0].columns):
            odd = ", ".join(map(str, sorted({*frame.columns} ^ {*frames[0].columns})))
            raise VicinalError(
                f"{file} and {files[0]} differ in their columns ({odd}): put the files of one "
                "table in a folder"
            )
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def read_frame(file: str | Path, strings: Collection[str] = ()) -> pd.DataFrame:
    """Read a CSV file (separated by commas, semicolons or tabs; UTF-8; with a header) or Parquet.

    Strings are stripped of blanks, marks of missing values (pandas' own and ``?``) become NaN, and
    a column whose other values are all numbers becomes numeric.

    Args:
        file: ``.csv``, ``.tsv``, either of them with ``.gz``, or ``.parquet``.
        strings: columns that stay strings, even if all of their values look like numbers.

    Raises:
        VicinalError: the file cannot be read, has no header or no rows.
    """
    file = Path(file)
    if not file.exists():
        raise VicinalError(f"{file} does not exist: give a CSV or Parquet file")
    if file.is_dir():
        raise VicinalError(f"{file} is a folder: name the CSV or Parquet files in it")
    if not is_table(file):
        raise VicinalError(f"{file} is no table: give a CSV or Parquet file")
    try:
        is_csv = file.name.lower().endswith(CSV)
        frame = _read_csv(file, strings) if is_csv else pd.read_parquet(file)
    except UnicodeDecodeError as error:
        raise VicinalError(
            f"{file} is not in UTF-8 (byte {error.object[error.start]:#x}): save it as UTF-8"
        ) from None
    except pd.errors.EmptyDataError:
        raise VicinalError(f"{file} is empty: give a table with a header and rows") from None
    except (OSError, EOFError, ValueError) as error:
        reason = first_sentence(ValueError(str(error).rpartition("C error: ")[2]))
        raise VicinalError(f"{file} cannot be read ({reason}): repair or remove it") from None
    if not len(frame):
        raise VicinalError(f"{file} has no rows: remove it, or give one with rows")
    if any(frame.index.names):  # pandas had stored a column as the index
        frame = frame.reset_index()
    return pd.DataFrame(
        {str(name): _cleaned(frame[name], str(name) in strings) for name in frame}
    ).reset_index(drop=True)


def _read_csv(file: Path, strings: Collection[str]) -> pd.DataFrame:
    def read(separator: str, **options: object) -> pd.DataFrame:
        return pd.read_csv(
            file, sep=separator, encoding="utf-8-sig", skipinitialspace=True, **options
        )

    def columns(separator: str) -> int:
        try:
            return len(read(separator, nrows=0).columns)
        except pd.errors.ParserError:  # with this separator, quotes are misplaced
            return 0

    separator = max(SEPARATORS, key=columns)
    header = read(separator, nrows=1, header=None, dtype=str).iloc[0].dropna()
    twice = header[header.duplicated()]
    if len(twice):
        raise VicinalError(f"{file} has two columns named {twice.iloc[0]}: rename one of them")
    options = {"dtype": dict.fromkeys(strings, str), "na_values": ["?"], "low_memory": False}
    frame = read(separator, **options)
    if separator != ",":  # numbers may have a decimal comma, as commas do not separate columns
        with_commas = read(separator, decimal=",", **options)
        frame = max(frame, with_commas, key=lambda f: f.select_dtypes("number").shape[1])
    names = [str(name) for name in frame.columns]
    if pd.to_numeric(pd.Series(names), errors="coerce").notna().all():
        raise VicinalError(
            f"{file} has no header, its first line is {separator.join(names[:4])}…: add a line "
            "with the names of the columns"
        )
    if not isinstance(frame.index, pd.RangeIndex):
        raise VicinalError(
            f"the rows of {file} have more values than its header has names ({len(names)}): name "
            "all columns"
        )
    return frame


def _cleaned(values: pd.Series, stays_string: bool) -> pd.Series:
    if pd.api.types.infer_dtype(values, skipna=True) != "string":
        return values
    values = values.str.strip()
    values = values.mask(values.isin(MISSING))
    numbers = pd.to_numeric(values, errors="coerce")
    is_number = numbers.notna()
    if stays_string or not is_number.any() or not is_number.equals(values.notna()):
        return values
    return numbers
