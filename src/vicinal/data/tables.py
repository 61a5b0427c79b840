"""Tables from Parquet files and the Hugging Face hub, most by the ``datasets`` library."""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vicinal.data.class_names import with_class_names
from vicinal.data.local_table import LocalTable, local_tables
from vicinal.data.parts import part_of, part_word
from vicinal.errors import VicinalError

# Reasons why a file cannot be written.
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR)


def parts_of(files: list[Path]) -> dict[str, list[str]]:
    """Group files by the part of the data in their names, or in those of several folders."""
    parts: dict[str, list[str]] = {}
    in_folders = len({file.parent for file in files}) > 1
    for file in files:
        word = part_word(file.stem) or (part_word(file.parent.name) if in_folders else None)
        name = word if word and part_of(word) != "train" else "train"
        parts.setdefault(name, []).append(str(file))
    return parts


def tables_of_parquet(files: list[Path]) -> Any:
    """Tables with an image column, one per part, from Parquet files."""
    return local_tables(parts_of(files)) or load_parquet(files)


def undecoded(table: Any, image: str) -> Any:
    """The image column of a table alone, without decoding the images."""
    alone = table.select_columns(image)
    if isinstance(table, LocalTable):
        return alone
    import datasets

    is_sound = isinstance(table.features[image], datasets.Audio)
    stored = datasets.Audio(decode=False) if is_sound else datasets.Image(decode=False)
    return alone.cast_column(image, stored)


def load_parquet(files: list[Path], **options: Any) -> Any:
    """A hub's tables, one per part, from Parquet files; ``options`` are of ``load_dataset``."""
    import datasets

    datasets.disable_progress_bars()
    try:
        with silent(datasets.logging):
            return datasets.load_dataset("parquet", data_files=parts_of(files), **options)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        cause, folder = error.__cause__ or error, files[0].parent
        check_cache(cause)
        if isinstance(cause, datasets.table.CastError):
            raise VicinalError(
                f"the Parquet files in {folder} differ in their columns: put those of one data "
                "set in a folder of their own"
            ) from None
        raise VicinalError(
            f"{folder} holds a Parquet file that cannot be read ({first_sentence(cause)}): fetch "
            "it anew or remove it"
        ) from None


def check_cache(error: BaseException) -> None:
    """Raise a VicinalError if the ``datasets`` library could not write to its cache."""
    import datasets

    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        raise VicinalError(
            f"the cache of the datasets library, {datasets.config.HF_DATASETS_CACHE}, cannot be "
            f"written ({error.strerror}): set HF_DATASETS_CACHE to a folder that can, or read the "
            "images without it by --stream"
        ) from None


def parquet_rows(file: Path) -> int:
    """The number of rows in the metadata of a Parquet file; at least one."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        rows = int(pyarrow.parquet.read_metadata(file).num_rows)
    except (OSError, ValueError) as error:
        raise VicinalError(
            f"{file} cannot be read ({first_sentence(error)}): download it again or remove it"
        ) from None
    if not rows:
        raise VicinalError(f"{file} has no rows: remove it, or give one with images")
    return rows


def first_sentence(error: BaseException) -> str:
    return str(error).split("\n")[0].split(". ")[0].removesuffix(".")


@contextmanager
def silent(logs: Any) -> Iterator[None]:
    """Silence a library's log: errors are raised as one sentence instead."""
    verbosity = logs.get_verbosity()
    logs.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logs.set_verbosity(verbosity)


def tables_of_hub(name: str) -> Any:
    """A hub's tables, one per part."""
    import datasets

    return load_hub(name, datasets.load_dataset)


def is_saved(path: Path) -> bool:
    """Whether a folder is one that ``save_to_disk`` of the ``datasets`` library wrote."""
    if (path / "dataset_dict.json").is_file():
        return True
    return all((path / name).is_file() for name in ("state.json", "dataset_info.json"))


def saved_tables(path: Path) -> Any:
    """The tables of a folder that ``save_to_disk`` wrote, one per part."""
    import datasets

    try:
        with silent(datasets.logging):
            found = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, datasets.exceptions.DatasetsError) as error:
        raise VicinalError(
            f"{path} was written by save_to_disk and cannot be read ({first_sentence(error)}): "
            "write it anew"
        ) from None
    return found if isinstance(found, datasets.DatasetDict) else {"train": found}


def frames_of(tables: Any) -> dict[str, Any]:
    """A hub's tables as data frames, with the names of classes."""
    frames = {}
    for part, table in tables.items():
        classes = {}
        for name, feature in table.features.items():
            # List(ClassLabel), and as early versions wrote it, [ClassLabel].
            of = feature[0] if isinstance(feature, list) and feature else feature
            names = getattr(getattr(of, "feature", of), "names", None)
            if names is not None:
                classes[name] = names
        frames[str(part)] = with_class_names(table.to_pandas(), classes)
    return frames


def load_hub(name: str, load: Callable[..., Any], **options: Any) -> Any:
    """Call a loader of the ``datasets`` library with ``NAME`` or ``NAME:CONFIGURATION``."""
    import datasets

    path, _, configuration = name.partition(":")
    if not path:
        raise VicinalError("hf: names no data set: use hf:NAME, or hf:NAME:CONFIGURATION")
    try:
        return load(path, configuration or None, **options)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        check_cache(error.__cause__ or error)
        # The second line lists the configurations.
        reason = " ".join(str(error).partition("\nExample")[0].split())
        raise VicinalError(
            f"hf:{name} cannot be loaded ({reason}): check the name (hf:NAME:CONFIGURATION picks "
            "one of several) and the network, or download its Parquet files and give their folder"
        ) from None
