"""What loaders have in place of fastai's attributes that they lack."""

from typing import Any

ABSENT = {
    "n": "len(dls.train.dataset) is the number of training samples",
    "new": "make the loaders again with another bs or other transforms, as by "
    "block.dataloaders(path, bs=4)",
    "after_item": "dls.item_size says how images are resized, as item_tfms= of a DataBlock does",
    "after_batch": "dls.train.transforms are the transforms of batches",
    "before_batch": "dls.train.transforms are the transforms of batches",
    "tfms": "dls.train.transforms are the transforms of batches",
    "decode_batch": "dls.show_batch(b=batch) shows a batch, and dls.pictures(x) gives its images",
    "cpu": "dls.to('cpu') moves batches there",
    "cuda": "dls.to('cuda') moves batches there",
    "train_dl": "dls.train is the loader",
    "valid_dl": "dls.valid is the loader",
}


def lacking(loaders: Any, name: str) -> AttributeError:
    """The error for an attribute that loaders lack.

    >>> lacking([], "cpu")
    AttributeError("list has no attribute 'cpu': dls.to('cpu') moves batches there")
    >>> lacking([], "colour")
    AttributeError("list has no attribute 'colour'")
    """
    hint = f": {ABSENT[name]}" if name in ABSENT else ""
    return AttributeError(f"{type(loaders).__name__} has no attribute {name!r}{hint}", name=name)
