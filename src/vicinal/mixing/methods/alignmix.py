"""AlignMix: align the feature maps of two samples by optimal transport, and blend them."""

from dataclasses import dataclass
from typing import Self, Unpack

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.errors import VicinalError
from vicinal.mixing.arguments import number
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import RowPattern, interpolate
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.move import in_full_precision, move
from vicinal.mixing.pattern import ApplyRow
from vicinal.mixing.target import over_rows
from vicinal.mixing.tensors import image_size

MOST = 1024  # positions of a feature map: a plan has as many squared
EPSILON, ITERATIONS = 0.1, 100
TOGETHER = 11  # iterations between two exponentials of all pairs: nine times, and one before
TINY = -85.0  # e to its power is near the smallest float32: torch's exp is slow below that
CACHED = 2**20  # float32 numbers that stay in a processor's cache
LEAST = -60.0  # e to its power, 1024 times, is less than a float64 can add to 1


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Aligned(RowPattern):
    """Blend feature maps (B, C, H, W) of which one is aligned to the positions of the other.

    Args:
        lam: (B,) floats in [0, 1], the share of itself that each sample keeps; 1 is neutral.
        to_partner: (B,) floats: 0 where the partner is aligned to the sample, and 1 where the
            sample is aligned to the partner.
        size: height and width of the images.
    """

    to_partner: Tensor
    size: tuple[int, ...]

    tensors = ("lam", "to_partner")
    spatial = True
    is_sized = False
    size_of = staticmethod(image_size)  # type: ignore[assignment]

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, ...]) -> Self:
        lam, to_partner = values.unbind(1)
        return cls(lam, to_partner, size)

    def with_tensors(self, *tensors: Tensor) -> Self:
        lam, to_partner = tensors
        return type(self)(lam, to_partner, self.size)

    def apply(self, x: Tensor, partners: Tensor) -> Tensor:
        if x.ndim < 4:
            raise VicinalError(
                f"AlignMix aligns feature maps (B, C, H, W), not tensors of shape {tuple(x.shape)}:"
                " take layers that return such maps, and targets of whole images"
            )
        positions = x.shape[2:].numel()
        if positions > MOST:
            raise VicinalError(
                f"AlignMix aligns maps of up to {MOST:,} positions, not {tuple(x.shape[2:])}: take "
                "a later layer of the network, by ManifoldMixUp(model, layer, mixer=AlignMix())"
            )
        lam, turned = move(self.lam, x.device), move(self.to_partner, x.device) > 0.5
        if is_compiling():
            return torch.where(over_rows(lam < 1, x), _mixed(x, partners, lam, turned), x)
        # Transport is solved for none but the samples that are mixed: it takes as long as the model
        # on a CPU, and more calls on a GPU than waiting for their number.
        rows = (lam < 1).nonzero().flatten()
        mixed = _mixed(*(each.index_select(0, rows) for each in (x, partners, lam, turned)))
        return x.clone().index_copy_(0, rows, mixed)

    def row_function(self, x: Tensor) -> ApplyRow:
        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            one = self.map(lambda t: t[i : i + 1])
            row.copy_(one.apply(row.unsqueeze(0), partner.unsqueeze(0)).squeeze(0))

        return apply_row


def _mixed(x: Tensor, partners: Tensor, lam: Tensor, turned: Tensor) -> Tensor:
    """Blends (B, C, H, W), of which ``turned``, (B,) bool, says whose positions they have."""
    of_rows = over_rows(turned, x)
    still, moving = torch.where(of_rows, partners, x), torch.where(of_rows, x, partners)
    share = torch.where(turned, 1 - lam, lam)
    return interpolate(aligned(moving, still), still, over_rows(share, x))


def aligned(moving: Tensor, still: Tensor) -> Tensor:
    """Feature maps (B, C, ...) at the positions of others: at each, what is most like it there.

    Each position becomes a convex combination of all positions of ``moving``, by the plan of
    :func:`transport`. No gradient flows through the plan.
    """
    shape, dtype = moving.shape, torch.promote_types(moving.dtype, torch.float32)
    flat, frame = moving.flatten(2).to(dtype), still.flatten(2).to(dtype)
    plan = torch.ops.vicinal.transport(frame.detach(), flat.detach())
    with in_full_precision(moving.device):
        found = flat @ plan.transpose(1, 2)
    found = found.view(shape)
    return (found.round() if moving.dtype == torch.uint8 else found).to(moving.dtype)


# Compiled, its iterations would be hundreds of operations in the graph.
@torch.library.custom_op(
    "vicinal::transport", mutates_args=(), schema="(Tensor still, Tensor moving) -> Tensor"
)
def transport(still: Tensor, moving: Tensor) -> Tensor:
    """(B, r, r) what each position of ``still`` takes of those of ``moving``, both (B, C, r).

    It is the plan of optimal transport between positions of equal weight, by the squared distance
    of their features, with an entropy of weight 0.1: Sinkhorn's iterations, in logarithms. It is
    multiplied by r, so that each row adds up to 1, exactly. Each column does so nearly, as far as
    100 iterations bring it: less where features are farther apart.
    """
    # All at once keep a GPU busy, and leave a processor's cache.
    is_cpu, pairs = still.device.type == "cpu", still.shape[2] * moving.shape[2]
    count = max(1, CACHED // pairs if is_cpu else len(still))
    with in_full_precision(still.device):
        parts = zip(still.split(count), moving.split(count), strict=True)
        return torch.cat([_plans(*part) for part in parts])


def _plans(still: Tensor, moving: Tensor) -> Tensor:
    """The plans of some samples, by Sinkhorn's iterations on logarithms.

    After the first iteration, rows and columns of the plan add up to at least 1 / r, so that
    several iterations on the plan itself, by its products with a vector, change no sum by more
    than a float32 holds. They are as exact, and need no exponentials.
    """
    distance = torch.cdist(
        still.transpose(1, 2).contiguous(),
        moving.transpose(1, 2).contiguous(),
        compute_mode="donot_use_mm_for_euclid_dist",  # which would round small ones away
    )
    kernel = distance.square_().mul_(-1 / EPSILON)
    scratch = kernel.clone()
    row = _log_sum_exp(scratch, 2)
    column = _log_sum_exp(torch.sub(kernel, row, out=scratch), 1).neg_()
    for _ in range((ITERATIONS - 1) // TOGETHER):
        plan = torch.add(kernel, column, out=scratch).sub_(row).clamp_(min=TINY).exp_()
        of_column = torch.ones_like(column)
        for _ in range(TOGETHER):
            of_row = (plan @ of_column.transpose(1, 2)).reciprocal_()
            of_column = (of_row.transpose(1, 2) @ plan).reciprocal_()
        row, column = row - of_row.log_(), column + of_column.log()
    return torch.softmax(kernel + column, 2)


def _log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """``torch.logsumexp(x, dim, keepdim=True)``, which overwrites ``x``.

    On a CPU, torch 2.14 takes ten times as long for the exponentials of numbers that underflow, as
    most do for features far apart. Smaller ones than ``LEAST`` do not change a sum that has a 1.
    """
    largest = x.amax(dim, keepdim=True)
    return x.sub_(largest).clamp_(min=LEAST).exp_().sum(dim, keepdim=True).log_().add_(largest)


@transport.register_fake
def _(still: Tensor, moving: Tensor) -> Tensor:
    return still.new_empty(still.shape[0], still.shape[2], moving.shape[2])


class AlignMix(Method):
    """Align the feature maps of two samples by optimal transport, and blend them.

    Of a sample and its partner, one keeps the positions of its features. At each of them, the other
    one's features are those that optimal transport brings there from all of its positions, by how
    alike features are. Then both are blended. Which one keeps its positions is drawn evenly. The
    weight of the target is the sample's share λ.

    It is for feature maps (B, C, H, W) inside of a network, of up to 1,024 positions: apply it by
    ``ManifoldMixUp(model, layer, mixer=AlignMix())``. The paper takes turns with mixup of the
    input: ``Choice([MixUp(2.0), ManifoldMixUp(...)], per="batch")``.

    Take a layer that convolutions or attention follow. Where the mean over all positions comes
    next, as behind the last feature maps of a ResNet, alignment changes little, because transport
    keeps that mean, as far as the iterations end near its solution: more so for small features.

    Args:
        alpha: λ comes from Beta(alpha, alpha), one for each sample; 1 is uniform, 0 mixes nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; tensors are no
            feature maps, or have too many positions; targets are of pixels.

    Source: S. Venkataramanan, E. Kijak, L. Amsaleg, Y. Avrithis, AlignMixup: Improving
    Representations by Interpolating Aligned Features, CVPR 2022, and its code, which draws one λ
    and one direction for a batch (``per="batch"``). That code aligns the last feature maps, and
    then takes their mean, so that its alignment has no effect but the error of its plan: it ends
    the iterations at a mean change over the batch of 0.1, when rows of a plan do not add up to 1,
    and aligned features are larger or smaller than those they come from. Here each plan takes 100
    iterations, whatever else is in the batch, and every aligned feature is a convex combination.

    >>> from torch import nn
    >>> from vicinal import ManifoldMixUp
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten())
    >>> mixer = ManifoldMixUp(model, "1", mixer=AlignMix(), seed=0)
    >>> x, y = mixer(torch.rand(6, 3, 16, 16), torch.arange(6))
    >>> output = model(x)
    >>> mixer.release()
    """

    drawn_types = (Aligned,)

    def __init__(self, alpha: float = 2.0, **options: Unpack[MethodOptions]) -> None:
        super().__init__(**options)
        self.alpha = number("alpha", alpha)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Aligned:
        lam = sample_lam(self.alpha, count, generator).float()
        uniform = torch.rand(count, generator=generator, dtype=torch.float32, device="cpu")
        return Aligned(lam, (uniform < 0.5).float(), size)
