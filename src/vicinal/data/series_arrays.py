"""Series in files of NumPy (.npz): arrays (N, T) or (N, C, T), with a label for each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vicinal.data.npz import IMAGES, LABELS, by_part, read_arrays, shapes_of
from vicinal.data.parts import part_names
from vicinal.data.request import DataRequest
from vicinal.data.series import SeriesSplit, split_of_series
from vicinal.data.series_finder import SERIES
from vicinal.data.series_values import FoundSeries, ended
from vicinal.errors import VicinalError

LAYOUT = {"kind": "arrays"}


def split_of_series_arrays(path: Path, request: DataRequest) -> SeriesSplit:
    """Series in the arrays of a file.

    Names of arrays are those of parts and of what they hold: ``x_train``, ``y_test``,
    ``series_valid``, or without parts ``series`` and ``labels``. Where series have different
    lengths, what follows the end of a shorter one is NaN.

    Raises:
        VicinalError: the arrays are no series with labels, or do not fit together.
    """
    reasons = {"": "holds arrays of series and their labels, and no columns"}
    request.accept("label_kind", "drop_missing", "series", reasons=reasons)
    arrays = read_arrays(path)
    series, labels = _names(arrays, path), by_part(arrays, LABELS, path)
    both = [part for part in series if part in labels]
    if not both:
        raise VicinalError(
            f"{path} holds {shapes_of(arrays)}: name arrays x_train and y_train, or series and "
            "labels"
        )
    notes, parts = [], {}
    for part in both:
        values, y = arrays[series[part]], arrays[labels[part]]
        if len(values) != len(y):
            raise VicinalError(
                f"{path} holds {len(values):,} series in {series[part]} and {len(y):,} labels in "
                f"{labels[part]}: give one label for each"
            )
        parts[part] = array_series(values, series[part], path, {"label": _labels(y, labels[part])})
    shape = arrays[series[part_names(parts)[0]]].shape
    if len(shape) == 3 and shape[1] > shape[2]:
        notes.append(
            f"axes: {shape} is taken as (series, channels, time); if time comes second, swap the "
            "other two"
        )
    return split_of_series(parts, request, layout=dict(LAYOUT), notes=notes)


def _names(arrays: Mapping[str, Any], path: Path) -> dict[str, str]:
    """The arrays of series by part; plainly named ones, or else any that could hold samples."""
    return by_part(arrays, SERIES, path) or by_part(arrays, IMAGES, path)


def array_series(
    values: NDArray[Any], name: str, path: Path, known: Mapping[str, Any] | None = None
) -> FoundSeries:
    """The series of an array.

    Args:
        values: (N, T) or (N, C, T) numbers.
        name: of the array, for messages.
        path: of its file.
        known: what is known of each, by the name of a column.

    Raises:
        VicinalError: the array has another shape, or holds no numbers.
    """
    if values.ndim not in (2, 3) or values.dtype.kind not in "fiub":
        raise VicinalError(
            f"{path} holds {name} {values.shape} of {values.dtype}, which are no series: store "
            "numbers (N, T), or of several channels (N, C, T)"
        )
    if values.ndim == 3 and values.shape[1] > values.shape[2] == 1:
        raise VicinalError(
            f"{path} holds {name} {values.shape}, which would be {values.shape[1]:,} channels of "
            "one step of time: store (N, T), or (N, C, T) with the time last"
        )
    rows = values[:, None] if values.ndim == 2 else values
    series = [ended(row) for row in rows.astype(np.float64)]
    names = [f"{name}[{row}]" for row in range(len(series))]
    return FoundSeries(series, names, pd.DataFrame(dict(known or {}), index=range(len(series))))


def _labels(labels: NDArray[Any], name: str) -> Any:
    """A label for each series, from (N,), (N, 1) or one-hot (N, K)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    is_one_hot = labels.ndim == 2 and bool(np.isin(labels, (0, 1)).all())
    if is_one_hot and (labels.sum(1) == 1).all():
        labels = labels.argmax(1)
    if labels.ndim != 1:
        raise VicinalError(
            f"the labels in {name} have the shape {labels.shape}: give one of each series, (N,)"
        )
    return labels.astype(str) if labels.dtype.kind == "S" else labels


def only_series(path: Path) -> FoundSeries:
    """The series of a file without labels, to predict.

    Raises:
        VicinalError: the file holds none, or several arrays that could be such.
    """
    arrays = read_arrays(path)
    named = {name for words in (SERIES, IMAGES) for name in by_part(arrays, words, path).values()}
    found = list(named) if len(arrays) > 1 else list(arrays)
    if len(found) != 1:
        raise VicinalError(
            f"{path} holds {shapes_of(arrays)}: give a file with one array of series, called series"
        )
    return array_series(arrays[found[0]], found[0], path)
