"""TabularDataLoaders: rows of data frames, by fastai's names."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vicinal.data.blocks import TargetBlock, as_block
from vicinal.data.columns import column_kinds, is_numeric, with_names
from vicinal.data.hold_out import hold_out, random_halves
from vicinal.data.image_blocks import CategoryBlock
from vicinal.data.keywords import check_keywords
from vicinal.data.label_blocks import RegressionBlock
from vicinal.data.loaders import DataLoaders
from vicinal.data.part_items import ItemsToPredict, rows_of
from vicinal.data.procs import Procs
from vicinal.data.samples import listed
from vicinal.data.showing import SampleTable
from vicinal.data.split_loader import Batches, SplitLoader, TensorData
from vicinal.data.tabular_part import TabularPart, checked_parts, classes_of
from vicinal.errors import VicinalError
from vicinal.stored import check_fields

FIELDS: dict[str, Any] = {
    "vocab": list[str | bool | int | float] | None,
    "n_out": int,
    "bs": int,
    "procs": dict[str, Any],
}


def cont_cat_split(
    df: pd.DataFrame, max_card: int = 20, dep_var: str | Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """The columns of numbers and those of categories.

    Args:
        df: a table.
        max_card: whole numbers with so many distinct values, or fewer, are categories.
        dep_var: the label columns, which are neither.

    >>> frame = pd.DataFrame({"age": [2.5, 3.0], "rooms": [2, 3], "city": ["a", "b"], "y": [0, 1]})
    >>> cont_cat_split(frame, dep_var="y")
    (['age'], ['rooms', 'city'])
    """
    numbers, categories = [], []
    for name in df.columns:
        if name in _listed(dep_var):
            continue
        values = df[name]
        is_whole = pd.api.types.is_integer_dtype(values)
        if is_numeric(values) and not (is_whole and values.nunique() <= max_card):
            numbers.append(name)
        else:
            categories.append(name)
    return numbers, categories


_OF_TABLES = ("procs", "cat_names", "cont_names", "y_names", "y_block", "valid_idx")


class TabularPandas:
    """A table whose columns have become numbers, categories and targets.

    Args:
        df: the rows of both parts.
        procs: of :class:`Categorify`, :class:`FillMissing` and :class:`Normalize`; None takes all.
        cat_names, cont_names: the columns of categories and of numbers; if both are None, all
            columns but the label's are taken, by their values.
        y_names: the label column; several of values.
        y_block: what targets are; None takes :class:`RegressionBlock` for numbers, as fastai does,
            and otherwise :class:`CategoryBlock`. Give ``CategoryBlock()`` for classes that are
            numbers.
        splits: the row numbers of the training and of the validation part; None holds out a fifth.
        seed: of this choice.

    Raises:
        VicinalError: a column is missing, a label is missing or of another kind, or a number is
            missing or infinite.

    >>> frame = pd.DataFrame({"age": [20, 30, 40, 50] * 5, "buys": ["no", "no", "yes", "yes"] * 5})
    >>> to = TabularPandas(frame, cont_names=["age"], y_names="buys")
    >>> dls = to.dataloaders(bs=4, device="cpu")
    >>> x, y = dls.one_batch()
    >>> x["numbers"].shape, y.shape, dls.vocab
    (torch.Size([4, 1]), torch.Size([4]), ['no', 'yes'])
    """

    def __init__(
        self,
        df: pd.DataFrame,
        procs: Any = None,
        cat_names: Sequence[str] | None = None,
        cont_names: Sequence[str] | None = None,
        y_names: str | Sequence[str] | None = None,
        y_block: TargetBlock | None = None,
        splits: tuple[Sequence[int], Sequence[int]] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if not hasattr(df, "iterrows"):
            raise VicinalError(f"df must be a data frame, not {df!r:.80}")
        self.frame, self.index = with_names(df).reset_index(drop=True), df.index
        self.y_names = [str(name) for name in _listed(y_names)]
        raw = _raw_targets(self.frame, self.y_names)
        self.y_block = as_block(y_block or _block_for(self.frame[self.y_names]))
        targets = self.y_block.encode(raw, [f"row {row}" for row in range(len(raw))])
        self.targets = replace(targets, values=_as_columns(targets.values))
        parts = self._split(seed) if splits is None else splits
        train, valid = checked_parts(parts, len(self.frame))
        self.train, self.valid = TabularPart(self, train), TabularPart(self, valid)
        self.targets = self.y_block.arranged(self.targets, train)
        part = self.frame.iloc[train].drop(columns=self.y_names)
        if cat_names is None and cont_names is None:
            kinds = column_kinds(part)
            cat_names, cont_names = kinds.categorical, kinds.numeric
        self.procs = Procs.fit(part, _listed(cont_names), _listed(cat_names), procs)

    def __repr__(self) -> str:
        parts = f"{len(self.train):,} training and {len(self.valid):,} validation rows"
        return f"TabularPandas({parts} of {listed(self.procs.table.columns)})"

    @property
    def cat_names(self) -> list[str]:
        """The columns of categories, with those that say whether a number was missing."""
        return list(self.procs.table.categories)

    @property
    def cont_names(self) -> list[str]:
        """The columns of numbers."""
        return list(self.procs.table.mean)

    @property
    def _all(self) -> TabularPart:
        return TabularPart(self, [*self.train, *self.valid])

    @property
    def xs(self) -> pd.DataFrame:
        """The inputs of both parts, training first; see :class:`TabularPart`."""
        return self._all.xs

    @property
    def ys(self) -> pd.DataFrame:
        """The targets of both parts."""
        return self._all.ys

    @property
    def items(self) -> pd.DataFrame:
        """The inputs and the targets of both parts, as numbers."""
        return self._all.items

    def show(self, max_n: int = 10) -> SampleTable:
        """Some rows in words, as a table."""
        return self._all.show(max_n)

    @property
    def classes(self) -> dict[str, list[str]]:
        """The categories of each column, of which the first stands for missing and unknown ones."""
        return classes_of(self.procs)

    def _split(self, seed: int | None) -> tuple[list[int], list[int]]:
        values = self.targets.values
        if values.ndim == 1 and not values.is_floating_point():
            return hold_out(values.tolist(), 0.2, seed or 0)
        return random_halves(len(values), 0.2, seed or 0)

    def dataloaders(
        self,
        bs: int = 64,
        *,
        val_bs: int | None = None,
        seed: int | None = None,
        device: torch.device | str | None = None,
        **unknown: Any,
    ) -> "TabularDataLoaders":
        """Batches of both parts.

        Args:
            bs: batch size in training.
            val_bs: in validation; None takes ``2 * bs``.
            seed: of the order.
            device: None takes the accelerator, if there is one.

        Raises:
            VicinalError: the batch size does not go with the data.
        """
        known = ("bs", "val_bs", "seed", "device")
        check_keywords("TabularDataLoaders", unknown, (*known, *_OF_TABLES))
        parts = [
            TensorData(self.procs.transform(self.frame.iloc[rows]), self.targets.values[rows])
            for rows in (list(self.train), list(self.valid))
        ]
        train = Batches(parts[0], bs, training=True, seed=seed or 0, device=device)
        valid = Batches(parts[1], val_bs or 2 * bs, device=device)
        dls = TabularDataLoaders(train, valid, self.targets.vocab, self.targets.n_out)
        dls.target_block, dls.loss_func = self.y_block, self.y_block.loss_func
        dls.procs, dls.y_names = self.procs, self.y_names
        return dls


class TabularDataLoaders(DataLoaders):
    """Batches of a table's rows: numbers and categories, in a dict."""

    #: How rows become tensors.
    procs: Procs
    #: The columns of the targets.
    y_names: Sequence[str] = ()
    #: See :class:`TabularPandas`.
    cat_names = property(lambda dls: list(dls.procs.table.categories))
    cont_names = property(lambda dls: list(dls.procs.table.mean))
    classes = property(lambda dls: classes_of(dls.procs))

    @classmethod
    def from_df(
        cls,
        df: pd.DataFrame,
        path: str | os.PathLike[str] = ".",
        procs: Any = None,
        cat_names: Sequence[str] | None = None,
        cont_names: Sequence[str] | None = None,
        y_names: str | Sequence[str] | None = None,
        y_block: TargetBlock | None = None,
        valid_idx: Sequence[int] | None = None,
        *,
        seed: int | None = None,
        **kwargs: Any,
    ) -> "TabularDataLoaders":
        """From a data frame.

        Args:
            df, procs, cat_names, cont_names, y_names, y_block, seed: as for
                :class:`TabularPandas`.
            path: is not read.
            valid_idx: the row numbers of the validation part; None holds out a fifth at random.
            **kwargs: of :meth:`TabularPandas.dataloaders`, such as ``bs``.

        Raises:
            VicinalError: as for :class:`TabularPandas`.
        """
        splits = None
        if valid_idx is not None:
            held = set(valid_idx)
            splits = ([row for row in range(len(df)) if row not in held], valid_idx)
        to = TabularPandas(df, procs, cat_names, cont_names, y_names, y_block, splits, seed=seed)
        return to.dataloaders(seed=seed, **kwargs)

    @classmethod
    def from_csv(
        cls,
        csv: str | os.PathLike[str],
        skipinitialspace: bool = True,
        *,
        path: str | os.PathLike[str] = ".",
        **kwargs: Any,
    ) -> "TabularDataLoaders":
        """From a CSV file, read by pandas.

        Args:
            csv: the file.
            skipinitialspace: leave out blanks after separators.
            path: as for :meth:`from_df`.
            **kwargs: as for :meth:`from_df`.

        Raises:
            VicinalError: the file cannot be read, or as for :meth:`from_df`.
        """
        try:
            frame = pd.read_csv(csv, skipinitialspace=skipinitialspace)
        except (OSError, ValueError) as error:
            raise VicinalError(f"{csv} cannot be read: {error}") from None
        return cls.from_df(frame, path, **kwargs)

    def to_json(self) -> dict[str, Any]:
        """What these loaders do to new rows, as JSON values, for :meth:`from_json`."""
        fields = {"vocab": self.vocab, "n_out": self.c, "bs": self.bs}
        return {**fields, "procs": self.procs.to_json()}

    @classmethod
    def from_json(cls, stored: dict[str, Any], device: torch.device | str) -> "TabularDataLoaders":
        """Loaders without samples, from what :meth:`to_json` returned.

        Raises:
            Misfit: it is something else; the message is a clause.
        """
        check_fields(stored, FIELDS, "data", needed=tuple(FIELDS))
        procs = Procs.from_json(stored["procs"])
        empty = TensorData({}, torch.empty(0, dtype=torch.int64))
        part = Batches(empty, stored["bs"], device=device)
        dls = cls(part, part, stored["vocab"], stored["n_out"])
        dls.procs = procs
        return dls

    def test_dl(
        self, test_items: Any, *, bs: int | None = None, with_labels: bool = False
    ) -> SplitLoader:
        """Batches of other rows, as pairs ``(x, y)``; y is None without labels.

        Args:
            test_items: a data frame, or a list of its rows or of dicts.
            bs: batch size; None for that of validation.
            with_labels: take the targets from the same columns as in training.

        Raises:
            VicinalError: a column is missing, or a label is none of the training part's.
        """
        frame = test_items if hasattr(test_items, "iterrows") else _frame_of(test_items)
        y = None
        if with_labels:
            assert self.target_block is not None
            raw = _raw_targets(with_names(frame), self.y_names)
            names = [f"row {row}" for row in range(len(frame))]
            y = _as_columns(self.target_block.encode_more(raw, names, self.class_names))
        dataset = ItemsToPredict([*rows_of(frame)], self.stack, y)
        return Batches(dataset, bs or self.valid.batch_size, device=self.device)

    def stack(self, items: Sequence[Any]) -> Any:
        """Rows, as a data frame's or as dicts, to the network's numbers and categories."""
        return self.procs.transform(_frame_of(items))

    def described(self, x: dict[str, Tensor]) -> list[dict[str, str]]:
        """The rows of a batch in their own units, to be shown; unknown categories are ``#na#``."""
        return self.procs.described(x)


def range_of(x: Any) -> list[int]:
    """The indices of a list, or the row numbers of a data frame.

    >>> range_of("abc")
    [0, 1, 2]
    """
    return list(range(len(x)))


def _frame_of(rows: Sequence[Any]) -> pd.DataFrame:
    for row in rows:
        if not hasattr(row, "keys"):
            raise VicinalError(f"{row!r:.80} is no row: give a row of a data frame, or a dict")
    return pd.DataFrame([dict(row) for row in rows])


def _raw_targets(frame: pd.DataFrame, names: Sequence[str]) -> list[Any]:
    """The values of the label column, or rows of those of several.

    Raises:
        VicinalError: there is no such column.
    """
    lacking = [name for name in names if name not in frame]
    if lacking or not names:
        raise VicinalError(
            f"y_names must be a column of {listed(list(frame))}, not {', '.join(lacking) or None}"
        )
    labels = frame[list(names)]
    return list(labels[names[0]] if len(names) == 1 else labels.to_numpy())


def _as_columns(targets: Tensor) -> Tensor:
    """Values of one column as (N, 1), which tables have in fastai, unlike images."""
    is_plain = targets.ndim == 1 and targets.is_floating_point()
    return targets[:, None] if is_plain else targets


def _listed(names: str | Sequence[str] | None) -> list[Any]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _block_for(labels: pd.DataFrame) -> Any:
    if all(is_numeric(labels[name]) for name in labels):
        return RegressionBlock()
    if labels.shape[1] > 1:
        raise VicinalError(
            f"several columns of classes ({listed(list(labels))}) are no target: name one, or give "
            "y_block=MultiCategoryBlock(encoded=True, vocab=…) for columns of zeros and ones"
        )
    return CategoryBlock()
