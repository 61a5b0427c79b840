"""Which samples are predicted: a part of the data, in order, whole, and without augmentation."""

from collections.abc import Iterable
from typing import Any

from vicinal.data.loaders import DataLoaders
from vicinal.data.split_loader import Batches, SplitLoader
from vicinal.errors import VicinalError

#: Loaders, or batches ``(x, y)``.
Part = SplitLoader | Iterable[tuple[Any, Any]]


def chosen_part(dls: DataLoaders, ds_idx: int, dl: Part | None) -> Part:
    """The part that ``get_preds(ds_idx, dl)`` predicts.

    Args:
        dls: the data.
        ds_idx: 0 for the training part, 1 for the validation part.
        dl: another part, such as ``dls.test_dl(files)``; None for that of ``ds_idx``.

    Raises:
        VicinalError: there is no such part or no sample in it, or it cannot be read in order.
    """
    if dl is not None:
        return in_order(dls, dl)
    part = part_of(dls, ds_idx)
    dls.check_samples()
    return in_order(dls, part)


def part_of(dls: DataLoaders, ds_idx: int) -> SplitLoader:
    """The training part for 0, the validation part for 1.

    Raises:
        VicinalError: ``ds_idx`` is neither.
    """
    if isinstance(ds_idx, bool) or ds_idx not in (0, 1):
        raise VicinalError(
            f"ds_idx is 0 for the training part or 1 for the validation part, not {ds_idx!r}: give "
            "batches as dl="
        )
    return dls.train if ds_idx == 0 else dls.valid


def in_order(dls: DataLoaders, part: Part) -> Part:
    """A part as in validation: a training part is shuffled, augmented, and lacks its rest."""
    if not (isinstance(part, SplitLoader) and part.training):
        return part
    if not isinstance(part, Batches):
        raise VicinalError(
            "the training part is streamed in random order, so its predictions could not be told "
            "apart: predict the validation part"
        )
    how: dict[str, Any] = {"transforms": dls.valid.transforms, "device": part.device}
    return type(part)(part.dataset, 2 * part.batch_size, workers=part.workers, **how)
