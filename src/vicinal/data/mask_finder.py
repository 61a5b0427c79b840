"""The finder of masks: folders of images and masks, and tables with two image columns."""

from vicinal.data.mask_pairs import by_part, find_pairs, unmatched
from vicinal.data.parts import part_names
from vicinal.data.request import DataRequest
from vicinal.data.samples import images_of
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError

NO_COLUMNS = {
    "": "holds images and masks, and has no columns",
    "stream": "has no Parquet shards",
}


def mask_split(request: DataRequest) -> DataSplit | None:
    """Images and masks, where the data hold both.

    Raises:
        VicinalError: they do, and cannot be used; or a legend is given for data without masks.
    """
    found = _found(request)
    if found is None and request.legend is not None:
        raise VicinalError(
            f"--legend {request.legend} is for masks, and none are found in {request.data}: give a "
            "folder with images/ and masks/ of the same names"
        )
    return found


def _found(request: DataRequest) -> DataSplit | None:
    if request.data == "digits" or request.source == "torchvision":
        return None
    if request.stream or request.label_pattern is not None:
        return None
    if request.has_hub_tables or (request.tables and not request.images):
        from vicinal.data.mask_columns import split_of_mask_columns

        return split_of_mask_columns(request)
    if request.label is not None or not request.images:
        return None
    if request.legend is None and request.image_tables:  # with the labels of whole images
        return None
    return _of_folder(request)


def _of_folder(request: DataRequest) -> DataSplit | None:
    listing = request.listing
    pairs = find_pairs(listing, are_masks=request.legend is not None)
    if pairs is None:
        return None
    from vicinal.data.cityscapes import legend_of
    from vicinal.data.folders import check_open, groups_of
    from vicinal.data.legend import find_legend
    from vicinal.data.mask_lists import by_lists
    from vicinal.data.mask_split import LEAVE_OUT, MaskFiles, split_of_masks

    request.accept("legend", "group", reasons=NO_COLUMNS)
    check_open(listing, request.skip_bad)
    pairs, notes = by_lists(pairs)
    problem = unmatched(pairs)
    if problem and not request.skip_bad:
        raise VicinalError(f"{problem}: give each its counterpart, {LEAVE_OUT}")
    if problem:
        notes.append(f"left out: {problem}")
    if pairs.others:
        first = pairs.others[0].relative_to(pairs.root).as_posix()
        notes.append(
            f"left alone: {images_of(len(pairs.others))} in folders without counterparts ({first})"
        )
    if pairs.beside:
        first = pairs.beside[0].name
        notes.append(
            f"left alone: {images_of(len(pairs.beside))} beside the masks, such as {first}"
        )
    parts = by_part(pairs)
    used = part_names(parts)
    for name, rows in parts.items():
        if name not in used:
            notes.append(f"left alone: the part {name}, {images_of(len(rows))}")
    groups = None
    if request.group is not None:
        of_all = groups_of(pairs.images, pairs.root, request.group)
        groups = {name: [of_all[row] for row in rows] for name, rows in parts.items()}
    found = MaskFiles(
        {name: [pairs.images[row] for row in rows] for name, rows in parts.items()},
        {name: [pairs.masks[row] for row in rows] for name, rows in parts.items()},
        groups,
        notes,
    )
    legend = find_legend(pairs.root, request.legend) or legend_of(pairs.masks[0])
    return split_of_masks(
        found, used, legend, request.valid_pct, request.seed, skip_bad=request.skip_bad
    )
