"""Masks in tables: a hub's data and Parquet files with a column of images and one of masks."""

from pathlib import Path
from typing import Any

from vicinal.data.column import Column
from vicinal.data.mask_pairs import OF_MASKS
from vicinal.data.parts import part_names, words_of
from vicinal.data.request import DataRequest
from vicinal.data.samples import images_of
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError

REASONS = {
    "": "holds images and masks",
}


def split_of_mask_columns(request: DataRequest) -> DataSplit | None:
    """Images and masks in a table; None where it has no column of masks.

    The mask column is the one that ``--label`` names, or that is called after masks.

    Raises:
        VicinalError: there is one, and it cannot be used.
    """
    tables = _tables(request)
    if tables is None:
        return None
    features = next(iter(tables.values())).features or {}
    names = [str(name) for name, feature in features.items() if _is_image(feature)]
    mask = _mask_column(names, request.label)
    is_labelled = any(
        name in ("label", "labels") or hasattr(feature, "names")
        for name, feature in features.items()
        if name not in names
    )
    if is_labelled and request.label is None and request.legend is None:
        return None  # images of classes, with masks beside them
    if mask is None:
        return None
    request.accept("label", "legend", "drop", reasons=REASONS)
    others = [name for name in names if name != mask and name not in request.drop]
    image = next((name for name in others if not OF_MASKS & set(words_of(name))), None)
    if image is None:
        raise VicinalError(f"beside the masks in column {mask} there is no column of images")
    return _split(tables, image, mask, request)


def _tables(request: DataRequest) -> Any:
    """The tables, if they may have two columns of images; what cannot be read, others refuse."""
    if request.path is None:
        from vicinal.data.shards import too_large_for_disk

        return None if too_large_for_disk(request.name) else request.hub_tables
    if request.has_hub_tables:
        return request.hub_tables
    shards = [file for file in request.tables if file.suffix.lower() == ".parquet"]
    if not shards or _image_fields(shards[0]) < 2:
        return None
    from vicinal.data.tables import parquet_rows, tables_of_parquet

    for file in shards:
        parquet_rows(file)
    return tables_of_parquet(shards)


def _image_fields(file: Path) -> int:
    """How many columns of a Parquet file hold records of images; 0 if it cannot be read."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        schema = pyarrow.parquet.read_schema(file)
    except (OSError, ValueError):
        return 0
    records = [field.type for field in schema if pyarrow.types.is_struct(field.type)]
    return sum({"bytes", "path"} <= {field.name for field in kind} for kind in records)


def _split(tables: Any, image: str, mask: str, request: DataRequest) -> DataSplit:
    from vicinal.data.legend import find_legend
    from vicinal.data.mask_split import MaskFiles, split_of_masks
    from vicinal.data.tables import undecoded

    notes = [f"columns: images {image}, masks {mask}"]
    with_masks = {str(name): table for name, table in tables.items() if mask in table.features}
    used = part_names(with_masks)
    images, masks = {}, {}
    for name, table in with_masks.items():
        if name not in used:
            notes.append(f"left alone: the part {name}, {images_of(len(table))}")
            continue
        images[name] = [*Column(undecoded(table, image), image)]
        masks[name] = [*Column(undecoded(table, mask), mask)]
    folder = request.path if request.path is not None and request.path.is_dir() else None
    legend = None
    if request.legend is not None or folder is not None:
        legend = find_legend(folder or Path(), request.legend)
    return split_of_masks(
        MaskFiles(images, masks, None, notes),
        used,
        legend,
        request.valid_pct,
        request.seed,
        skip_bad=request.skip_bad,
    )


def _mask_column(names: list[str], label: str | None) -> str | None:
    """The column of masks among those of images."""
    if label is not None:
        return label if label in names and len(names) > 1 else None
    found = [name for name in names if OF_MASKS & set(words_of(name))]
    if len(names) < 2 or not found:
        return None
    if len(found) > 1:
        shown = ", ".join(found)
        raise VicinalError(f"which column holds the masks? use --label with one of {shown}")
    return found[0]


def _is_image(feature: Any) -> bool:
    is_record = isinstance(feature, dict) and {"bytes", "path"} <= set(feature)
    return is_record or getattr(feature, "_type", None) == "Image"
