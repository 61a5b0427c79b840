"""Distances between the samples of a batch, for whatever chooses partners by them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vicinal.mixing.batch import is_blendable, tensors_to_mix
from vicinal.mixing.class_indices import without_subclass
from vicinal.mixing.completion import Batch
from vicinal.mixing.move import in_full_precision

#: From the samples of a batch, as the mixer gets them, to features (B, ...).
Embed = Callable[[Any], Tensor]

FEW = 1024  # values of a sample: for more, a matrix product is faster than differences


def inputs_of(batch: Batch, x: Any) -> list[Tensor]:
    """All inputs with a row for each sample, also integers that are mixed only in the network."""
    tensors = tensors_to_mix(x, batch.fields, "raise", batch.maximum)
    return [tensor for tensor in tensors if tensor.ndim]


@torch.no_grad()
def squared_distances(batch: Batch, distance: Embed | None) -> Tensor:
    """The squared Euclidean distances of all pairs of samples in a batch.

    Inputs of several tensors add up. Two different categories, or other integers, are at a squared
    distance of 2, as their one-hot vectors are; uint8 images count by their pixels.

    Args:
        batch: B samples.
        distance: from the samples to the features that are compared; None compares the inputs.

    Returns:
        (B, B) floats on the device of the samples; infinite where one is not finite.

    >>> squared_distances(Batch(torch.tensor([[0.0], [3.0], [5.0]])), None)
    tensor([[ 0.,  9., 25.],
            [ 9.,  0.,  4.],
            [25.,  4.,  0.]])
    """
    features = inputs_of(batch, batch.x) if distance is None else [distance(batch.x)]
    found = sum(_of_tensor(without_subclass(part)) for part in features)
    if not isinstance(found, Tensor):
        raise ValueError(
            "there are no inputs between which a distance could be: name some in fields="
        )
    return found.where(found.isfinite(), torch.inf)


def _of_tensor(x: Tensor) -> Tensor:
    rows = x.detach().reshape(len(x), -1) if x.numel() else x.new_zeros(len(x), 1)
    if not is_blendable(rows):
        each = [(rows != row).sum(1) for row in rows]
        counts = torch.stack(each) if each else torch.zeros(0, 0, device=x.device)
        return 2.0 * counts.float()
    if rows.is_complex():
        rows = torch.view_as_real(rows).flatten(1)
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    # Where all values are far from 0, the differences of their squares lose digits.
    rows = rows - rows.mean(0, keepdim=True).nan_to_num(0.0, 0.0, 0.0)
    if rows.shape[1] <= FEW:
        return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    with in_full_precision(rows.device):
        products = rows @ rows.T  # a tenth of cdist's time for photos
    squares = products.diagonal()
    return (squares[:, None] + squares - 2 * products).clamp_(min=0)
