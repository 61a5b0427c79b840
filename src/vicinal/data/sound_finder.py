"""The finder of sounds: folders of them, in folders of their classes or named by a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, ClassVar

from vicinal.data.finders import of_folder
from vicinal.data.request import DataRequest
from vicinal.data.samples import Split
from vicinal.data.sound_files import as_sounds, check_reader, is_sound
from vicinal.data.split import DataSplit
from vicinal.data.table_files import is_table
from vicinal.errors import VicinalError


class SoundRequest(DataRequest):
    """The same request, of which sounds are the samples."""

    lists_in_parquet: ClassVar[bool] = True
    columns_come_first: ClassVar[bool] = False
    takes_columns: ClassVar[bool] = False

    @staticmethod
    def is_sample(suffix: str) -> bool:
        return is_sound(suffix)


def sound_split(request: DataRequest) -> DataSplit | None:
    """Sounds, where the data hold more of them than images.

    They are found as images are: in folders of classes and of parts, by a pattern for their names,
    or by a table that names them.

    Raises:
        VicinalError: they are sounds, and cannot be used.
    """
    if request.stream or (request.path is None and not request.has_hub_tables):
        return None
    if request.series or request.series_id is not None or request.time is not None:
        return None
    in_table = _in_tables(request)
    if in_table is not None or request.path is None or request.has_hub_tables:
        return in_table
    if request.path.is_file() and not is_table(request.path):
        return None
    if request.path.is_dir():
        count = sum(is_sound(file.suffix) for file in request.files)
        if count <= len(request.images):
            return None
    asked = SoundRequest(**{each.name: getattr(request, each.name) for each in fields(request)})
    with _named_as_sounds():
        found = _found(asked)
    if found is None:
        return None
    check_reader(request.path)
    from vicinal.data.sound_split import split_of_sounds  # with what decodes

    return split_of_sounds(found, skip_bad=request.skip_bad)


def _in_tables(request: DataRequest) -> DataSplit | None:
    """Sounds in a column of a hub's tables, or of Parquet files; None where there are none."""
    if not request.has_hub_tables and not any(file.suffix == ".parquet" for file in request.tables):
        return None
    from vicinal.data.sound_columns import sound_shards, sound_tables  # with Pillow
    from vicinal.data.table_finders import OF_COLUMNS, OF_IMAGES, OF_LABELLED

    if request.path is None:  # before anything is downloaded
        request.accept(*OF_COLUMNS, "stream", reasons={"": "is no folder"})
    is_hub = request.has_hub_tables
    found: Any = sound_tables(request) if is_hub else sound_shards(request)
    if not found:
        return None
    check_reader(request.path or request.data)
    from vicinal.data.column_split import split_of_parquet, split_of_tables
    from vicinal.data.sound_split import split_of_sounds

    with _named_as_sounds():
        request.accept(*OF_LABELLED, reasons=OF_IMAGES)
        split = (split_of_tables if is_hub else split_of_parquet)(found, request)
    return split_of_sounds(split, skip_bad=request.skip_bad)


def _found(request: SoundRequest) -> Split | None:
    if request.path is not None and request.path.is_file():
        if not request.image_tables:
            return None
    elif not request.images:
        return None
    if not request.has_tables:
        return of_folder(request)
    from vicinal.data.table_finders import image_split  # with pandas

    return image_split(request)


@contextmanager
def _named_as_sounds() -> Iterator[None]:
    try:
        yield
    except VicinalError as error:
        raise VicinalError(as_sounds(str(error))) from None
