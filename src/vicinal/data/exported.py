"""Loaders without samples: what they do to new ones, as JSON values and back.

It is what :meth:`Learner.export` stores of the data. Loaders of another kind than images and
tensors give it by a method ``to_json()``, take it by a class method ``from_json(stored, device)``,
and are in ``OTHERS``.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

from vicinal.data.augment import BatchTransform, Normalize, RandomView, resize
from vicinal.data.blocks import TargetBlock
from vicinal.data.cropping import RandomCropping
from vicinal.data.loaders import DataLoaders
from vicinal.data.resizing import Method, Resizing
from vicinal.data.sizes import Size, how_read, sides
from vicinal.data.split_loader import Batches, TensorData
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError
from vicinal.stored import Misfit, check_fields

# What can be stored, by the names of the classes; no file can name others.
LOADERS = {
    "DataLoaders": "vicinal.data.loaders",
    "ImageDataLoaders": "vicinal.data.vision",
    "MaskLoaders": "vicinal.data.mask_loaders",
}
OTHERS = {
    "TabularDataLoaders": "vicinal.data.tabular",
    "TextLoaders": "vicinal.data.text_block",
    # Named, and not imported, as the room that they are in is above this one.
    "SoundLoaders": "vicinal.tasks.signal_loaders",
    "SeriesLoaders": "vicinal.tasks.signal_loaders",
}
BLOCKS = {
    "CategoryBlock": "vicinal.data.image_blocks",
    "MultiCategoryBlock": "vicinal.data.label_blocks",
    "RegressionBlock": "vicinal.data.label_blocks",
    "MaskBlock": "vicinal.data.mask_block",
}
LARGEST = 16_384  # pixels a side

FIELDS: dict[str, Any] = {
    "kind": str,
    "vocab": list[str | bool | int | float] | None,
    "n_out": int,
    "bs": int,
    "item_size": tuple[int, int, Method] | None,
    "cropping": dict[str, Any] | None,
    "pixel_range": int | None,
    "shape": list[int] | None,
    "transforms": list[dict[str, Any]],
    "target_block": dict[str, Any] | None,
}
CROPPING: dict[str, Any] = {
    "min_scale": float,
    "max_scale": float,
    "ratio": tuple[float, float],
    "val_xtra": float,
}
TRANSFORMS: dict[str, Any] = {
    "resize": Size,
    "normalize": tuple[list[float], list[float]],
}


class Resized(BatchTransform):
    """Bring images to a size, as validation does in a training with ``aug_transforms(size=…)``."""

    def __init__(self, size: Size) -> None:
        self.size = size

    def valid(self, x: Tensor) -> Tensor:
        return resize(x, self.size)


def loaders_to_json(dls: DataLoaders) -> dict[str, Any]:
    """What loaders do to new samples, as JSON values.

    Raises:
        VicinalError: these loaders, or a transform or the target block of theirs, cannot be stored.
    """
    name = type(dls).__name__
    if _is_listed(dls, OTHERS):
        stored: dict[str, Any] = dls.to_json()  # type: ignore[attr-defined]
        return {"kind": name, "target_block": _block_to_json(dls.target_block), **stored}
    if not _is_listed(dls, LOADERS):
        raise VicinalError(
            f"what {name} does to a sample cannot be stored in a file: save the weights by "
            "learn.save(), and make the loaders and the learner again"
        )
    # Images that keep their size have to be of the size of the training images.
    reads = isinstance(dls, ImageDataLoaders)
    size = getattr(dls, "item_size", None)
    resizing = None if size is None else Resizing.of(size)
    if resizing is not None and type(resizing) not in (Resizing, RandomCropping):
        raise VicinalError(
            f"how {type(resizing).__name__} resizes an image is code of its own, which cannot be "
            "stored in a file: use Resize, or save the weights by learn.save()"
        )
    shape = list(dls.train.dataset.x.shape[1:]) if reads and resizing is None else None
    return {
        "kind": name,
        "vocab": dls.vocab,
        "n_out": dls.c,
        "bs": dls.bs,
        "item_size": resizing and [resizing.height, resizing.width, resizing.method],
        "cropping": _cropping(resizing),
        "pixel_range": dls.pixel_range if isinstance(dls, ImageDataLoaders) else None,
        "shape": shape,
        "transforms": [found for t in dls.valid.transforms for found in _stored(t)],
        "target_block": _block_to_json(dls.target_block),
    }


def _cropping(resizing: Resizing | None) -> dict[str, Any] | None:
    """What a random crop needs beside the size; validation has none of its draws."""
    if not isinstance(resizing, RandomCropping):
        return None
    return {name: getattr(resizing, name) for name in CROPPING}


def _item_size(size: list[Any] | None, cropping: dict[str, Any] | None) -> Resizing | int | None:
    if size is None:
        return None
    if cropping is None:
        return how_read(Resizing(*size))
    check_fields(cropping, CROPPING, "data.cropping", needed=tuple(CROPPING))
    try:
        return RandomCropping(*size, **{**cropping, "ratio": tuple(cropping["ratio"])})
    except VicinalError as error:
        raise Misfit(str(error)) from None


def _is_listed(thing: object, homes: dict[str, str]) -> bool:
    kind = type(thing)
    return homes.get(kind.__name__) == kind.__module__


def _listed(name: object, homes: dict[str, str], what: str) -> Any:
    """The class of a name."""
    if not isinstance(name, str) or name not in homes:
        raise Misfit(f"there is no {what} {name!r:.40}")
    return getattr(importlib.import_module(homes[name]), name)


def _block_to_json(block: TargetBlock | None) -> dict[str, Any] | None:
    if block is None:
        return None
    if not _is_listed(block, BLOCKS):
        raise VicinalError(
            f"what {type(block).__name__} makes of predictions is code of its own, which cannot be "
            "stored in a file: save the weights by learn.save()"
        )
    return {"name": type(block).__name__, "settings": dict(vars(block))}


def _block_from_json(stored: dict[str, Any] | None) -> TargetBlock | None:
    if stored is None:
        return None
    check_fields(stored, {"name": str, "settings": dict[str, Any]}, "data.target_block")
    made = _listed(stored.get("name"), BLOCKS, "target block")
    try:
        return made(**stored.get("settings", {}))  # type: ignore[no-any-return]
    except (TypeError, VicinalError) as error:
        raise Misfit(f"its target block cannot be made ({error})") from None


def _stored(transform: BatchTransform) -> list[dict[str, Any]]:
    """What a transform does in validation; nothing for one that is of training alone."""
    if type(transform).valid is BatchTransform.valid:
        return []
    if isinstance(transform, Normalize) and type(transform) is Normalize:
        return [{"normalize": [list(transform.mean), list(transform.std)]}]
    if isinstance(transform, RandomView | Resized) and type(transform) in (RandomView, Resized):
        return [] if transform.size is None else [{"resize": transform.size}]
    raise VicinalError(
        f"the transform {type(transform).__name__} changes samples in validation by code of its "
        "own, which cannot be stored in a file: leave it out, or save the weights by learn.save()"
    )


def loaders_from_json(stored: Any, device: torch.device | str) -> DataLoaders:
    """Loaders without samples, from what :func:`loaders_to_json` gave.

    Raises:
        Misfit: it is something else; the message is a clause.
    """
    kind = stored.get("kind") if isinstance(stored, dict) else None
    if kind in OTHERS:
        rest = dict(stored)
        block = _block_from_json(rest.pop("target_block", None))
        del rest["kind"]
        others: DataLoaders = _listed(kind, OTHERS, "loaders").from_json(rest, device)
        others.target_block = block
        return others
    check_fields(stored, FIELDS, "data", needed=tuple(FIELDS))
    _check_numbers(stored)
    transforms = [_transform(found) for found in stored["transforms"]]
    x = torch.empty(0, *(stored["shape"] or ()), dtype=torch.uint8)
    empty = TensorData(x, torch.empty(0, dtype=torch.int64))
    part = Batches(empty, stored["bs"], transforms=transforms, device=device)
    made = _listed(kind, LOADERS, "loaders")
    dls: DataLoaders = made(part, part, stored["vocab"], stored["n_out"])
    if isinstance(dls, ImageDataLoaders):
        if stored["pixel_range"] is not None:
            dls.pixel_range = stored["pixel_range"]
        dls.item_size = _item_size(stored["item_size"], stored["cropping"])
    dls.target_block = _block_from_json(stored["target_block"])
    return dls


def _check_numbers(stored: dict[str, Any]) -> None:
    vocab, shape = stored["vocab"], stored["shape"]
    if vocab is not None and len(vocab) != stored["n_out"]:
        raise Misfit(f"data.vocab names {len(vocab)} classes, and data.n_out is {stored['n_out']}")
    if not 1 <= stored["bs"] <= 10**6:
        raise Misfit(f"data.bs must be 1 to a million, not {stored['bs']}")
    if shape is not None and not (len(shape) == 3 and 1 <= min(shape) <= max(shape) <= LARGEST):
        raise Misfit(f"data.shape is none of an image: {shape}")
    if stored["item_size"] is not None and max(stored["item_size"][:2]) > LARGEST:
        raise Misfit(f"sizes must be up to {LARGEST:,} pixels, not {stored['item_size'][:2]}")
    if stored["pixel_range"] is not None and not 0 < stored["pixel_range"] <= 65535:
        raise Misfit(f"data.pixel_range must be 1 to 65535, not {stored['pixel_range']}")


def _transform(stored: dict[str, Any]) -> BatchTransform:
    check_fields(stored, TRANSFORMS, "data.transforms")
    if len(stored) != 1:
        raise Misfit("data.transforms must hold one transform each")
    ((name, value),) = stored.items()
    if name == "normalize":
        try:
            return Normalize(*value)
        except VicinalError as error:
            raise Misfit(str(error)) from None
    if not 2 <= min(sides(value)) <= max(sides(value)) <= LARGEST:
        raise Misfit(f"sizes must be 2 to {LARGEST:,} pixels, not {value}")
    return Resized(value if isinstance(value, int) else (value[0], value[1]))
