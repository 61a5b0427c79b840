"""Count: a sum of whole numbers in which both targets have a share."""

from typing import Any

import torch
from torch import Tensor

_INTO_INTEGERS = {"__int__", "__index__", "long", "int", "short", "char", "byte"}
_INTEGER_TENSORS = ("LongTensor", "IntTensor", "ShortTensor", "CharTensor", "ByteTensor")
# Sums, differences and joins of counts are counts as well: libraries add them up in integers later.
_STAYS = """
    to cpu cuda detach clone contiguous reshape view flatten squeeze unsqueeze transpose permute T
    add sub subtract rsub neg mul sum stack cat
    __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __getitem__
"""
_STAYS_A_COUNT = set(_STAYS.split())


class Count(Tensor):
    """A sum of hits or labels, each counted by its weight, such as ``(predicted == y).sum()``.

    It is a float tensor like any other, but is not added to an integer, which would cut it.

    Raises:
        ValueError: it is written into integers, or converted to one.

    >>> torch.tensor(4.5).as_subclass(Count) / 3
    tensor(1.5000)
    """

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        name = getattr(func.__self__, "__name__", "") if name == "__get__" else name
        is_written = (name.endswith("_") and not name.endswith("__")) or (
            name.startswith("__i") and name.strip("_")[1:] in ("add", "sub", "mul")
        )
        is_cut = is_written or name == "__setitem__"
        is_cut = is_cut and isinstance(args[0], Tensor) and not args[0].is_floating_point()
        to_integer = name in ("to", "type", "type_as") and any(
            map(_is_integer, (*args[1:], *kwargs.values()))
        )
        if is_cut or to_integer or name in _INTO_INTEGERS:
            raise ValueError(
                "a count of mixed labels weights each by its share, so it is no whole number: let "
                "the counter that it is added to be a float, or count own_targets(y)"
            )
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
            if isinstance(result, Tensor) and name in _STAYS_A_COUNT and not result.requires_grad:
                return count_of(result)
            return result.as_subclass(Tensor) if isinstance(result, Count) else result

    def __repr__(self) -> str:  # type: ignore[override]
        return repr(self.as_subclass(Tensor))

    # Printed, copied and saved as a plain tensor: torch.load(weights_only=True) knows no subclass.
    def __format__(self, format_spec: str) -> str:
        return format(self.as_subclass(Tensor), format_spec)

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self.detach().as_subclass(Tensor).clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.as_subclass(Tensor).__reduce_ex__(protocol)


def _is_integer(value: Any) -> bool:
    """Whether this names or has a dtype of integers."""
    if isinstance(value, Tensor):
        value = value.dtype
    if isinstance(value, str):
        return value.endswith(_INTEGER_TENSORS)
    value = getattr(value, "dtype", value)  # of the type torch.LongTensor
    return isinstance(value, torch.dtype) and not value.is_floating_point


def count_of(total: Tensor) -> Count:
    # Not as_subclass, which gives a view: torch.compile takes none of a subclass.
    return Tensor._make_subclass(Count, total)
