"""Which column of a table holds images: records of bytes and path, or bytes of image files."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from vicinal.data.tables import first_sentence
from vicinal.errors import VicinalError

LOOKED_AT = 8  # values of a column of bytes that show whether it holds images


def has_images(tables: Any) -> bool:
    """Whether a hub's tables have an image column."""
    return find_image_column(next(iter(tables.values()))) is not None


def image_column(table: Any) -> str:
    """The name of the image column of a table, which may be streamed.

    Raises:
        VicinalError: there is none.
    """
    found = find_image_column(table)
    if found is None:
        raise VicinalError(
            f"none of the columns holds images (they are {', '.join(table.features or {})}): an "
            "image column has records of bytes and path, or the bytes of image files"
        )
    return found


def find_image_column(table: Any) -> str | None:
    """The name of the first image column; None where there is none."""
    features = table.features or {}
    for name, feature in features.items():
        is_record = isinstance(feature, dict) and {"bytes", "path"} <= set(feature)
        if is_record or getattr(feature, "_type", None) in ("Image", "Audio"):
            return str(name)
    for name, feature in features.items():
        if getattr(feature, "dtype", None) in ("binary", "large_binary"):
            column = table.select_columns([name])
            # datasets 3.0 raises where there are fewer; what is streamed has no length.
            count = len(column) if hasattr(column, "__len__") else LOOKED_AT
            head = column.take(min(LOOKED_AT, count))
            if _are_images([row[name] for row in head]):
                return str(name)
    return None


def holds_images(file: Path) -> bool:
    """Whether a Parquet file has an image column."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            for field in schema:
                kind = field.type
                if pyarrow.types.is_struct(kind) and {"bytes", "path"} <= {f.name for f in kind}:
                    return True
                if pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
                    batches = opened.iter_batches(LOOKED_AT, columns=[field.name])
                    head = next(batches, None)
                    if head is not None and _are_images(head[0].to_pylist()):
                        return True
    except (OSError, ValueError) as error:
        raise VicinalError(
            f"{file} cannot be read ({first_sentence(error)}): download it again or remove it"
        ) from None
    return False


def _are_images(values: list[bytes | None]) -> bool:
    """Whether the first of these bytes that are there begin as an image."""
    first = next((value for value in values if value), None)
    if first is None:
        return False
    try:
        Image.open(io.BytesIO(first)).close()
    except Exception:  # Pillow's readers raise nearly anything on other data
        return False
    return True
