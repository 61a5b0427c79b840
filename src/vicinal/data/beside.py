"""Images with columns of the table that names them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd
import torch
from torch import Tensor

from vicinal.data.chosen_columns import chosen_columns, named_columns
from vicinal.data.column_names import check_roles
from vicinal.data.columns import ColumnKinds, column_kinds
from vicinal.data.labelled_images import LabelledImages
from vicinal.data.labels import also_labels, also_several_labels
from vicinal.data.row_numbers import row_numbers
from vicinal.data.row_summary import column_table
from vicinal.data.samples import Samples, Split, listed
from vicinal.data.summary import Summary
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.image_tables import ImageTable
    from vicinal.data.request import DataRequest


@dataclass
class ImagesBesideSplit(Split):
    """Labelled images, and for each a row of columns that are learned from, too.

    Args:
        column: the one that names the images.
        rows: for the training and the validation part, a row for each image, in their order.
        kinds: of the columns.
        reading: how the table was read, as :func:`~vicinal.data.frames.read_frame` takes it.
    """

    kind: ClassVar[str] = "images beside columns"

    column: str = field(kw_only=True)
    rows: tuple[pd.DataFrame, pd.DataFrame] = field(kw_only=True)
    kinds: ColumnKinds = field(kw_only=True)
    reading: dict[str, Any] | None = field(default=None, kw_only=True)

    def subset(self, rows: Tensor) -> Self:
        train, valid = self.rows
        frame = train.iloc[rows.tolist()].reset_index(drop=True)
        kinds = self.kinds.without([name for name in frame if frame[name].nunique() < 2])
        return replace(super().subset(rows), rows=(frame, valid), kinds=kinds)

    def summary(self) -> Summary:
        return super().summary() + Summary([], [column_table(self.rows[0], self.kinds)])


def images_beside(
    split: Split,
    parts: Mapping[str, LabelledImages],
    table: "ImageTable",
    label: str,
    request: "DataRequest",
) -> Split:
    """The images with the columns that were chosen, or with a note that some could be.

    Args:
        split: of the images alone.
        parts: what their tables say about each image, whose file is in no part twice.
        table: the training part's, or one of them.
        label: the label column.
        request: names the columns.

    Raises:
        VicinalError: a column is not there, or nothing can be learned from it.
    """
    if not request.takes_columns:
        return split
    whole = next(iter(parts.values())).frame
    others = [name for name in table.beside if name != label and name in whole]
    if not request.columns:
        split.notes += _could_be(whole, others, parts)
        return split
    named = named_columns(request.columns, [*whole])
    _check_roles(table, label, named, request, [*whole])
    names = named or others
    train, valid = _rows_of(split.train, parts), _rows_of(split.valid, parts)
    known = train[[*names]], torch.tensor(split.train.labels), label
    same = also_several_labels(*known, split.vocab) if split.several else also_labels(*known)
    kinds = chosen_columns(
        _kinds(train, names, parts, request.categorical, same, label),
        request.columns,
        (),
        "the images",
    )
    left = [name for name in others if name not in names]
    kinds = replace(kinds, left_out=kinds.left_out | dict.fromkeys(left, "not among --columns"))
    chosen = [*kinds.numeric, *kinds.categorical]
    missing = [name for name in chosen if name not in valid]
    if missing:
        raise VicinalError(
            f"the validation part lacks columns of the training part: {', '.join(missing)}: add "
            "them, or leave them out of --columns"
        )
    return ImagesBesideSplit(
        split.train,
        split.valid,
        split.vocab,
        [*split.notes, *kinds.notes()],
        split.mirrored,
        split.several,
        column=table.column,
        rows=(train[chosen], valid[chosen]),
        kinds=kinds,
        reading=dict(table.reading) or None,
    )


def _could_be(
    frame: pd.DataFrame, names: Sequence[str], parts: Mapping[str, LabelledImages]
) -> list[str]:
    """A line about the columns that could be learned from beside the images."""
    found: list[str] = []
    with suppress(VicinalError):  # nobody has asked for these columns
        kinds = _kinds(frame, names, parts) if names else ColumnKinds([], [], [], [], {})
        found = [*kinds.numeric, *kinds.categorical]
    how = "can be learned from, too, by --columns all"
    return [f"beside the images: {listed(found)} {how}"] if found else []


def _check_roles(
    table: "ImageTable",
    label: str,
    named: Sequence[str],
    request: "DataRequest",
    columns: list[str],
) -> None:
    if table.column in named:
        raise VicinalError(
            f"--columns {table.column}: that column names the images: leave it out of --columns"
        )
    # Several columns of zeros and ones are one by now, of a name of its own.
    of_one = {"label": label, "group": request.group, "split-column": request.split_column}
    roles = {option: [name] for option, name in of_one.items() if name in columns and name}
    others = {"drop": request.drop, "columns": named, "categorical": request.categorical}
    check_roles({**roles, **others}, [*columns, *request.drop])


def _rows_of(samples: Samples, parts: Mapping[str, LabelledImages]) -> pd.DataFrame:
    """A row for each image, in their order."""
    first = str(samples.images[0])
    for part in parts.values():
        place = {str(image): row for row, image in enumerate(part.images)}
        if first in place:
            rows = part.frame.iloc[[place[str(image)] for image in samples.images]]
            return rows.reset_index(drop=True)
    raise AssertionError


def _kinds(
    frame: pd.DataFrame,
    names: Sequence[str],
    parts: Mapping[str, LabelledImages],
    categorical: Sequence[str] = (),
    same: Sequence[str] = (),
    label: str = "",
) -> ColumnKinds:
    """The kinds of columns, by a training part.

    Args:
        same: those that only say the label in another way.
    """
    return column_kinds(
        frame[[*names]],
        categorical=categorical,
        numbering=row_numbers([part.frame.filter(names) for part in parts.values()]),
        left_out=dict.fromkeys(same, f"another name of {label}"),
    )
