"""HidMix: exchange dimensions of embeddings."""

from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import RowPattern
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.move import move
from vicinal.mixing.pattern import ApplyRow

_BITS = 0xFFFFFFFF


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Dimensions(RowPattern):
    """Take some of the last dimension's values from the partner, the same along all others.

    What is hidden has a width that is unknown when a mix is drawn. So the dimensions follow from
    one random number for each sample, by a hash, which is the same on every device.

    Args:
        lam: (B,) floats in [0, 1], the probability of each dimension to be kept; 1 is neutral.
        number: (B,) whole numbers below 2**24, as floats.
    """

    number: Tensor

    tensors = ("lam", "number")
    copies = True

    def check(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(
                f"a tensor of shape {tuple(x.shape)} has no dimensions to choose from: give "
                "(B, ..., d)"
            )

    def keep(self, width: int) -> Tensor:
        """(B, width) bool, true for the dimensions that a sample keeps of itself."""
        each = torch.arange(1, width + 1, device=self.lam.device)
        mixed = (self.number.long().unsqueeze(1) * 0x9E3779B1 + each * 0x85EBCA77) & _BITS
        for factor in (0x45D9F3B, 0x119DE1F3, 0x45D9F3B):  # below 2**31: no product overflows
            mixed = ((mixed ^ (mixed >> 16)) * factor) & _BITS
        # 24 bits: float32 holds no more, and must not round up to 1.
        return ((mixed ^ (mixed >> 16)) >> 8).float() / 2**24 < self.lam.unsqueeze(1)

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        return torch.where(self._keep_for(x), x, partners)

    def row_function(self, x: Tensor) -> ApplyRow:
        keep = self._keep_for(x)

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            row.copy_(torch.where(keep[i], row, partner))

        return apply_row

    def _keep_for(self, x: Tensor) -> Tensor:
        keep = move(self.keep(x.shape[-1]), x.device)
        return keep.view(len(x), *[1] * (x.ndim - 2), x.shape[-1])


class HidMix(Method):
    """Take some dimensions of the embeddings of another sample: HID-MIX.

    In embeddings (B, ..., d), a sample keeps each of the d dimensions with probability λ, the same
    ones of all its columns, words or patches. The weight of the target is λ.

    It is for what a network computes, and not for its inputs, whose columns have a meaning of their
    own: apply it inside of a model, by ``ManifoldMixUp(model, layer, mixer=HidMix())``.

    Args:
        alpha: λ comes from Beta(alpha, alpha), one for each sample; 1 is uniform, 0 mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch does not
            hold tensors (B, ..., d).

    Source: J. Chen, J. Yan, Q. Chen, D. Z. Chen, J. Wu, J. Sun, Can a Deep Learning Model be a
    Sure Bet for Tabular Prediction?, KDD 2024 (ExcelFormer), and its code, where the weight is λ,
    too, and not the share of dimensions that were kept. It is applied there to the embeddings of
    all columns, (B, F, d).

    >>> embeddings = torch.rand(8, 5, 192)  # of 5 columns
    >>> mixed, y = HidMix(seed=0)(embeddings, torch.arange(8))
    >>> kept = (mixed == embeddings)
    >>> bool((kept == kept[:, :1]).all())  # the same dimensions of all columns
    True
    """

    drawn_types = (Dimensions,)
    block_size = 16

    def __init__(self, alpha: float = 0.5, **options: Unpack[MethodOptions]) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Dimensions:
        lam = sample_lam(self.alpha, count, generator).float()
        drawn = torch.randint(2**24, (count,), generator=generator, device="cpu")
        return Dimensions(lam, drawn.float())
