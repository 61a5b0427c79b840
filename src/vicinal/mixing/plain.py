"""Whether tensors are just memory that the host may read, and nobody follows what it does there."""

from collections.abc import Sequence

from torch import Tensor, is_grad_enabled, strided

# By their own names: between two steps of a training a look into torch costs a microsecond or two.
from torch._C._functorch import is_legacy_batchedtensor, maybe_current_level
from torch.autograd import forward_ad
from torch.compiler import is_compiling
from torch.nn import Parameter


def are_plain_cpu_tensors(tensors: Sequence[Tensor], *, are_derived: bool | None = None) -> bool:
    """Whether all of these lie in the host's memory, as they are.

    Args:
        tensors: any.
        are_derived: whether autograd may follow them; None asks whether it is enabled.

    >>> import torch
    >>> are_plain_cpu_tensors([torch.ones(2)])
    True
    >>> are_plain_cpu_tensors([torch.ones(2, device="meta")])
    False
    """
    if is_transformed() or is_compiling():
        return False
    if are_derived is None:
        are_derived = is_grad_enabled()
    for t in tensors:
        # Subclasses and sparse tensors have no rows of their own in memory.
        is_plain = (type(t) is Tensor or type(t) is Parameter) and t.layout is strided
        if not (is_plain and t.is_cpu) or (are_derived and t.requires_grad):
            return False
        if is_legacy_batchedtensor(t):  # of several gradients that are taken at once
            return False
    return True


def is_transformed() -> bool:
    """Whether torch.func or forward differentiation looks on: tensors are more than memory then."""
    return maybe_current_level() is not None or forward_ad._current_level >= 0
