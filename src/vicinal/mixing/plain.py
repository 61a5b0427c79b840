"""Whether tensors are plain CPU memory that nothing traces, so that it can be read directly."""

from collections.abc import Sequence

from torch import Tensor, is_grad_enabled, strided

# Imported by name: this runs several times in each training step, and each attribute lookup in
# torch and its submodules would add to it.
from torch._C._functorch import is_legacy_batchedtensor, maybe_current_level
from torch.autograd import forward_ad
from torch.compiler import is_compiling
from torch.nn import Parameter


def are_plain_cpu_tensors(tensors: Sequence[Tensor], *, grad_enabled: bool | None = None) -> bool:
    """Whether all of these are strided CPU tensors that neither autograd nor a transform traces.

    Only then may code read and write their memory row by row or by address: what it does there is
    invisible to autograd, torch.func, forward-mode differentiation and torch.compile.

    Args:
        tensors: any tensors.
        grad_enabled: whether autograd records operations on tensors that require grad; None asks
            ``torch.is_grad_enabled()``.

    >>> import torch
    >>> are_plain_cpu_tensors([torch.ones(2)])
    True
    >>> are_plain_cpu_tensors([torch.ones(2, device="meta")])
    False
    """
    if in_transform() or is_compiling():
        return False
    if grad_enabled is None:
        grad_enabled = is_grad_enabled()
    for t in tensors:
        # Subclasses may give the memory another meaning; sparse tensors have no rows in it.
        is_plain = (type(t) is Tensor or type(t) is Parameter) and t.layout is strided
        if not (is_plain and t.is_cpu) or (grad_enabled and t.requires_grad):
            return False
        if is_legacy_batchedtensor(t):  # of torch.autograd.grad(is_grads_batched=True)
            return False
    return True


def in_transform() -> bool:
    """Whether a transform of torch.func or forward-mode differentiation is active.

    Tensors may then be wrappers, with more to them than the values in memory.
    """
    return maybe_current_level() is not None or forward_ad._current_level >= 0
