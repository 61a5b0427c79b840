"""Blends of all rows of a batch, by a matrix of shares."""

import torch
from torch import Tensor

from vicinal.mixing.move import in_full_precision


def combined(shares: Tensor, rows: Tensor) -> Tensor:
    """The shares (n, B) times rows (B, ...), which gives (n, ...), in the rows' dtype.

    It is computed in float32, or in the rows' precision if that is higher, also inside of autocast,
    which would round the shares.

    >>> combined(torch.tensor([[0.25, 0.75]]), torch.tensor([[0.0, 4.0], [8.0, 4.0]]))
    tensor([[6., 4.]])
    """
    dtype = torch.promote_types(rows.dtype, torch.float32)
    flat = rows.reshape(len(rows), -1).to(dtype)
    with in_full_precision(rows.device):
        product = (shares.to(rows.device, dtype) @ flat).view(len(shares), *rows.shape[1:])
    return (product.round_() if rows.dtype == torch.uint8 else product).to(rows.dtype)
