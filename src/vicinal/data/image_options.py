"""Item and batch transforms as arguments of ``ImageDataLoaders.from_split``."""

from collections.abc import Sequence
from typing import Any

from vicinal.data.augment import BatchTransform, Normalize, aug_transforms
from vicinal.data.item_transforms import ItemTransform, as_list, resizing_of
from vicinal.data.resizing import Resizing
from vicinal.data.sizes import Size
from vicinal.errors import VicinalError


def image_options(
    item_tfms: Any,
    batch_tfms: Any,
    item_size: Size | Resizing | None,
    size: Size | None,
    min_scale: float,
) -> dict[str, Any]:
    """Transforms, or the short words in their place, as these arguments.

    Raises:
        VicinalError: both are given, or a transform is of another kind.
    """
    is_short = item_size is not None or size is not None or min_scale != 1
    if is_short and item_tfms is not None:
        raise VicinalError(
            "give either item_tfms and batch_tfms, or item_size, size and min_scale in their place"
        )
    if is_short and batch_tfms is None:
        changes = aug_transforms(size=size, min_scale=min_scale)
        return {"item_size": item_size or size, "batch_tfms": changes}
    options = by_batch(as_list(batch_tfms))
    return {"item_size": item_size or size or resizing_of(item_tfms), **options}


def by_batch(batch_tfms: Sequence[Any]) -> dict[str, Any]:
    """Batch transforms as these arguments.

    Raises:
        VicinalError: one is of another kind.
    """
    for transform in batch_tfms:
        if transform is aug_transforms:
            raise VicinalError("aug_transforms is not called: give batch_tfms=aug_transforms()")
        if not isinstance(transform, BatchTransform):
            kind = transform if isinstance(transform, type) else type(transform)
            if issubclass(kind, ItemTransform):
                raise VicinalError(f"{kind.__name__} is for item_tfms, not for batch_tfms")
            raise VicinalError(
                f"batch_tfms must be a list of vicinal's transforms, such as aug_transforms() and "
                f"Normalize(…), not {kind.__module__}.{kind.__name__}"
            )
    normalize = [t for t in batch_tfms if isinstance(t, Normalize)]
    others = [t for t in batch_tfms if not isinstance(t, Normalize)]
    return {"batch_tfms": others, "normalize": normalize[-1] if normalize else None}
