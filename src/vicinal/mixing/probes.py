"""What :func:`check_mixer` compares: batches in other dtypes and layouts, and the shares kept."""

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixing.batch import map_leaves, tensors_to_mix
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer


def shares_of(
    mixer: Mixer, mix: Mix, x: Any, values: Tensor, partners: Tensor, other: Any = None
) -> Tensor:
    """The shares of themselves that constant samples keep, measured on the mixed batch.

    Args:
        mixer: whose options fields, integers and maximum apply.
        mix: the mix to apply.
        x: samples, each filled with one of the ``values``, (B,).
        values: (B,) the values of the samples.
        partners: (B,) the values of their partners.
        other: the second batch that holds the partners, if there is one.

    Returns:
        (B,) float64; the weight of the mix where sample and partner have the same value.
    """
    options = application_options(mixer)
    mixed = mix(x, other=other, **options)
    mixed = tensors_to_mix(mixed, options["fields"], options["integers"], options["maximum"])
    flat = torch.cat([t.cpu().double().reshape(len(values), -1) for t in mixed], 1)
    distance = values.double() - partners.double()
    shares = (flat.mean(1) - partners) / distance.where(distance != 0, 1.0)
    return shares.where(distance != 0, mix.weight.cpu().double())


def application_options(mixer: Mixer) -> Any:
    """The options of a mixer that say how a mix is applied."""
    return {name: getattr(mixer, name) for name in ("fields", "integers", "maximum")}


def tensors_in(batch: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]


def are_equal(first: Any, second: Any) -> bool:
    return all(map(torch.equal, tensors_in(first), tensors_in(second)))


def are_close(first: Any, second: Any, tolerance: float) -> bool:
    def is_close(a: Tensor, b: Tensor) -> bool:
        size = float(b.abs().max()) if b.numel() else 0.0
        return torch.allclose(a.double(), b.double(), rtol=0, atol=tolerance * max(size, 1.0))

    return all(map(is_close, tensors_in(first), tensors_in(second)))


def dtypes_of(batch: Any) -> list[str]:
    return [f"{tuple(t.shape)} of {t.dtype}" for t in tensors_in(batch)]


def with_floats_as(batch: Any, dtype: torch.dtype) -> Any:
    def cast(_: Any, leaf: Any) -> Any:
        is_float = isinstance(leaf, Tensor) and leaf.is_floating_point()
        return leaf.to(dtype, copy=True) if is_float else leaf

    return map_leaves(cast, batch)


def last_axis_first(leaf: Any) -> Any:
    """The same values with the last dimension slowest in memory; images as channels_last."""
    if not isinstance(leaf, Tensor) or leaf.ndim < 2:
        return leaf
    if leaf.ndim == 4:
        return leaf.contiguous(memory_format=torch.channels_last)
    return leaf.transpose(0, -1).contiguous().transpose(0, -1)


def with_gaps(leaf: Any) -> Any:
    """The same values as a view of every other row of a larger tensor."""
    is_batch = isinstance(leaf, Tensor) and leaf.ndim > 0
    return leaf.repeat_interleave(2, 0)[::2] if is_batch else leaf
