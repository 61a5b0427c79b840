"""tensor: from a picture, an array or numbers to a tensor; and to_cpu."""

from typing import Any

import numpy as np
import torch
from accelerate.utils import recursively_apply, send_to_device
from PIL.Image import Image
from torch import Tensor

from vicinal.errors import VicinalError


def tensor(x: Any, *more: Any, **options: Any) -> Tensor:
    """A tensor of numbers, an array, a picture or a table.

    Args:
        x: a number, nested lists, an array, a tensor, a PIL image, or a data frame or a column of
            numbers.
        more: further numbers.
        **options: of ``torch.tensor``, such as ``dtype``; of a tensor, of its method ``to``.

    Returns:
        A new tensor: of a picture (H, W, 3), or (H, W) if it is grey, uint8; of Python's numbers
        as of ``torch.tensor``; of arrays, frames or columns of float64 float32, which networks
        compute in. A tensor keeps its dtype.

    Raises:
        VicinalError: a column holds other things than numbers.

    >>> tensor(1, 2, 3)
    tensor([1, 2, 3])
    >>> tensor(np.array([0.3, 0.7])).dtype
    torch.float32
    """
    if more:
        x = [x, *more]
    if isinstance(x, Image):
        x = np.array(x)
    elif hasattr(x, "to_numpy"):  # pandas'
        x = _numbers(x)
    if isinstance(x, Tensor):
        return x.detach().clone().to(**options) if options else x.detach().clone()
    if isinstance(x, np.ndarray) and x.dtype == np.uint16:
        x = x.astype(np.float32)  # torch can hardly compute with it
    made = torch.tensor(x, **options)
    return made.float() if made.dtype == torch.float64 and "dtype" not in options else made


def _numbers(table: Any) -> np.ndarray[Any, Any]:
    """The values of a data frame, a column or an index, as far as they are numbers."""
    values: np.ndarray[Any, Any] = table.to_numpy()
    if values.dtype.kind in "biuf":
        return values
    columns = {name: table[name] for name in table} if table.ndim == 2 else {table.name: table}
    for name, column in columns.items():
        if column.to_numpy().dtype.kind not in "biuf":
            raise VicinalError(
                f"a tensor holds numbers alone, and {_called(name)} holds {column.dtype}: leave it "
                "out, or convert it, as by astype(float), or astype('category').cat.codes"
            )
    return values.astype(float)  # numbers and booleans side by side


def _called(name: Any) -> str:
    return "this column" if name is None else f"the column {name!r}"


def to_cpu(b: Any) -> Any:
    """A batch on the CPU, such as ``to_cpu(dls.one_batch())``; it may be nested.

    >>> to_cpu((torch.tensor([1]), {"ids": torch.tensor([2])}))
    (tensor([1]), {'ids': tensor([2])})
    """
    return send_to_device(b, "cpu")


def to_np(b: Any) -> Any:
    """Tensors as arrays of NumPy's, on the CPU; they may be nested.

    >>> to_np(torch.tensor([0.5], requires_grad=True))
    array([0.5], dtype=float32)
    """
    return recursively_apply(lambda x: x.detach().numpy(), to_cpu(b))
