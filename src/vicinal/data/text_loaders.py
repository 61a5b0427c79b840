"""TextDataLoaders: texts from folders, tables and data frames."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from vicinal.data.block import DataBlock
from vicinal.data.image_blocks import CategoryBlock
from vicinal.data.label_blocks import MultiCategoryBlock
from vicinal.data.splitters import ColSplitter, RandomSplitter
from vicinal.data.text_block import TextBlock, TextLoaders, get_text_files
from vicinal.errors import VicinalError


class TextDataLoaders(TextLoaders):
    """Batches of texts, from files or a data frame."""

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        train: str = "train",
        valid: str = "valid",
        valid_pct: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> TextLoaders:
        """From class folders of ``.txt`` files, such as those of IMDB.

        Args:
            path: the folder.
            train, valid: the names of the folders of both parts in it.
            valid_pct: hold out this fraction instead of ``valid``.
            seed: of this choice, and of the order.
            **kwargs: of :meth:`DataBlock.dataloaders`, such as ``bs``.

        Raises:
            VicinalError: there is no such folder, or a text is empty.
        """
        block = DataBlock(
            blocks=(TextBlock(), CategoryBlock),
            get_y=lambda file: Path(file).parent.name,
            splitter=_by_folder(Path(path), train, valid)
            if valid_pct is None
            else RandomSplitter(valid_pct, seed=seed),
        )
        folders = [train, valid] if valid_pct is None else None
        files = get_text_files(path, folders=folders)
        if not files:
            raise VicinalError(f"{path} holds no .txt files: give the folder of the texts")
        return _made(block, files, seed, kwargs)

    @classmethod
    def from_df(
        cls,
        df: pd.DataFrame,
        path: str | os.PathLike[str] = ".",
        valid_pct: float = 0.2,
        seed: int | None = None,
        text_col: Any = 0,
        label_col: Any = 1,
        label_delim: str | None = None,
        y_block: Any = None,
        valid_col: Any = None,
        **kwargs: Any,
    ) -> TextLoaders:
        """From a data frame.

        Args:
            df: its rows.
            path: is not read.
            valid_pct: the fraction held out for validation, between 0 and 1.
            seed: of this choice, and of the order.
            text_col: name or number of the column of texts; several are joined by a blank.
            label_col: of the column of labels; several for several labels of each text.
            label_delim: what separates several labels in a cell.
            y_block: what targets are; None takes :class:`CategoryBlock`, or for several labels
                :class:`MultiCategoryBlock`.
            valid_col: a column that is true in the validation part.
            **kwargs: of :meth:`DataBlock.dataloaders`, such as ``bs``.

        Raises:
            VicinalError: a column does not exist, or a text or a label is missing.
        """
        texts = _columns(df, text_col)
        labels = _columns(df, label_col)
        several = len(labels) > 1
        if y_block is None:
            y_block = CategoryBlock()
            if several:
                y_block = MultiCategoryBlock(encoded=True, vocab=labels)
            elif label_delim is not None:
                y_block = MultiCategoryBlock()

        def get_x(row: Any) -> Any:
            return row[texts[0]] if len(texts) == 1 else " ".join(str(row[name]) for name in texts)

        def get_y(row: Any) -> Any:
            if several:
                return [row[name] for name in labels]
            label = row[labels[0]]
            if label_delim is None:
                return label
            return str(label).split(label_delim) if isinstance(label, str) and label else []

        splitter: Any = RandomSplitter(valid_pct, seed=seed)
        if valid_col is not None:
            (name,) = _columns(df, valid_col)
            splitter = ColSplitter(name)
        block = DataBlock(
            blocks=(TextBlock(), y_block),
            get_x=get_x,
            get_y=get_y,
            splitter=splitter,
        )
        return _made(block, df, seed, kwargs)

    @classmethod
    def from_csv(
        cls,
        path: str | os.PathLike[str],
        csv_fname: str = "labels.csv",
        header: Any = "infer",
        delimiter: str | None = None,
        **kwargs: Any,
    ) -> TextLoaders:
        """From a CSV file, read by pandas.

        Args:
            path: its folder.
            csv_fname: its name.
            header, delimiter: of :func:`pandas.read_csv`.
            **kwargs: of :meth:`from_df`.

        Raises:
            VicinalError: the file cannot be read, or as for :meth:`from_df`.
        """
        file = Path(path) / csv_fname
        try:
            frame = pd.read_csv(file, header=header, sep=delimiter or ",")
        except (OSError, ValueError) as error:
            raise VicinalError(f"{file} cannot be read: {error}") from None
        return cls.from_df(frame, path, **kwargs)


def _made(block: DataBlock, source: Any, seed: int | None, kwargs: dict[str, Any]) -> Any:
    return block.dataloaders(source, **{"seed": seed, **kwargs})


def _by_folder(root: Path, train: str, valid: str) -> Any:
    for name in (train, valid):
        if not (root / name).is_dir():
            raise VicinalError(
                f"{root} has no folder {name!r}: name both parts by train= and valid=, or give "
                "valid_pct=0.2"
            )

    def split(files: Any) -> tuple[list[int], list[int]]:
        parts: dict[str, list[int]] = {train: [], valid: []}
        for place, file in enumerate(files):
            for name, rows in parts.items():
                if (root / name) in Path(file).parents:
                    rows.append(place)
        return parts[train], parts[valid]

    return split


def _columns(df: pd.DataFrame, given: Any) -> list[Any]:
    """The names of columns, which may be numbered."""
    if not hasattr(df, "iterrows"):
        raise VicinalError(f"df must be a data frame, not {df!r:.80}")
    columns = [given] if isinstance(given, str | int) else list(given)
    names = []
    for column in columns:
        if column in df.columns:
            names.append(column)
        elif isinstance(column, int) and 0 <= column < df.shape[1]:
            names.append(df.columns[column])
        else:
            raise VicinalError(
                f"there is no column {column!r}: the data frame has "
                f"{', '.join(map(str, df.columns))}"
            )
    return names
