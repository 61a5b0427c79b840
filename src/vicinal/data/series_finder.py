"""The finder of series: files of their own format, arrays, and tables where they are asked for."""

import re
import zipfile
from pathlib import Path

from vicinal.data.request import DataRequest
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError

SERIES = {"series", "timeseries", "signal", "signals"}  # what arrays of series are called


def series_split(request: DataRequest) -> DataSplit | None:
    """Series, where the data are files of such, or an option says that they are series.

    Raises:
        VicinalError: they are series, and cannot be used, or are asked for and not found.
    """
    asked = {
        "--series": request.series,
        "--series-id": request.series_id,
        "--time": request.time,
    }
    given = [name for name, value in asked.items() if value]
    if request.path is not None:
        if _has_ts(request):
            from vicinal.data.series_files import split_of_ts

            split = split_of_ts(request)
            if split is not None:
                return split
        if _has_arrays(request.path, request.series):
            from vicinal.data.series_arrays import split_of_series_arrays

            return split_of_series_arrays(request.path, request)
    if not given:
        return None
    if not (request.has_hub_tables or request.tables):
        if request.path is None:
            return None  # it does not exist, or is no table, which others say
        raise VicinalError(
            f"{given[0]} is for series in a table or an .npz file, and {request.path} is none: "
            "leave it out"
        )
    from vicinal.data.series_tables import split_of_series_tables
    from vicinal.data.table_finders import row_frames

    return split_of_series_tables(request, row_frames(request))


def _has_ts(request: DataRequest) -> bool:
    """Whether a file is one of series by its name; the module that reads them imports pandas."""
    assert request.path is not None
    files = [request.path] if request.path.is_file() else request.files
    return any(file.suffix.lower() == ".ts" for file in files)


def _has_arrays(path: Path, asked: bool | None) -> bool:
    """Whether a file is one of arrays, and series are asked for, or arrays are called so."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    if asked is not None:
        return asked
    try:
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    words = {word for name in names for word in re.findall("[a-z]+", name.lower())}
    return bool(words & SERIES)
