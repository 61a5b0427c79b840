"""Tensors and sequences that have no rows of one shape, and so cannot be mixed as they are."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

_PADDED = "name the lengths in maximum=, or mix behind the encoder by ManifoldMixUp"
# By name: classes of modules that need not be imported, or not be built into torch.
_CLASSES = {
    "MaskedTensor": "fill it by x.to_tensor(0), and give its mask beside it, named in maximum=",
    "DTensor": "mix batches before they are distributed, or x.to_local()",
}


def check_supported(part: Any) -> None:
    """Raise a TypeError if a part of a batch has no rows to mix, which says what to do.

    >>> check_supported(torch.eye(2).to_sparse())
    Traceback (most recent call last):
    TypeError: a sparse tensor (torch.sparse_coo) cannot be mixed: give x.to_dense()
    """
    found = why_unsupported(part)
    if found is not None:
        raise TypeError(found)


def why_unsupported(part: Any) -> str | None:
    """What is wrong with a part of a batch that has no rows to mix; None if nothing is."""
    if not isinstance(part, Tensor):
        if isinstance(part, PackedSequence):
            return (
                "a PackedSequence cannot be mixed: pad it by pad_packed_sequence(x, "
                f"batch_first=True), and {_PADDED}"
            )
        return None
    if part.is_nested:
        return (
            "a nested tensor cannot be mixed: pad it by torch.nested.to_padded_tensor(x, 0.0), "
            f"and {_PADDED}"
        )
    if type(part) is not Tensor and type(part).__name__ in _CLASSES:
        kind = type(part).__name__
        return f"a {kind} cannot be mixed: {_CLASSES[kind]}"
    if part.layout is not torch.strided:
        return f"a sparse tensor ({part.layout}) cannot be mixed: give x.to_dense()"
    return None
