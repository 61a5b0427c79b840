"""The puzzle of two images: which blocks to show of which one, and where."""

from dataclasses import dataclass
from math import lgamma

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.mixing.graph_cut import least_labels
from vicinal.mixing.transport import transport

PRECISION = 1000  # of costs, in units of the saliency of an average block
LEAST = 1e-8  # of λ and 1 - λ, whose logarithms are finite then


@dataclass(frozen=True)
class Rules:
    """What the pieces of a puzzle cost, see :class:`PuzzleMix`, whose arguments they are."""

    labels: int
    beta: float
    gamma: float
    eta: float
    price: float | None


def solve(
    saliency: Tensor,
    edges: tuple[Tensor, Tensor],
    lam: Tensor,
    blocks: int,
    pieces: int,
    rules: Rules,
) -> Tensor:
    """The best blocks for each pair of images, all on the CPU.

    Args:
        saliency: (2, B, n, n) float32, 0 or more, of the samples and of their partners, where n is
            a multiple of ``blocks`` and of ``pieces``.
        edges: (2, 2, B, C, blocks - 1, w) and (2, 2, B, C, h, blocks - 1) floats, as of
            :func:`edges_of`: the first dimension is of samples and partners.
        lam: (B,) float64 in [0, 1], about how much a sample keeps.
        blocks: along each side, of which each shows as much of the sample as its label says.
        pieces: along each side, those that are moved; a multiple of ``blocks``.
        rules: the costs.

    Returns:
        (B, 3, n, n) float32, the ``blocks`` of :class:`MovedBlocks`.
    """
    labels = least_labels(*costs(shares_of(saliency, blocks), edges, lam, rules))
    keep = (1 - labels / (rules.labels - 1)).float()
    keep = _enlarged(keep, pieces)
    fine = saliency.shape[-1]
    here = torch.arange(fine * fine, device="cpu").view(1, fine, fine).expand(keep.shape[0], -1, -1)
    sources = [here, here]
    if rules.price is not None:
        shown = torch.cat((keep > 0, keep < 1))
        moved = transport(shares_of(saliency, pieces).flatten(0, 1), shown, rules.price)
        sources = [_finer(part, fine) for part in moved.chunk(2)]
    return torch.stack((_enlarged(keep, fine), *(part.float() for part in sources)), 1)


def edges_of(cells: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    """The cells on both sides of the edges between blocks.

    Args:
        cells: (B, C, h, w) images, shrunk so that each block has the same number of pixels.
        blocks: along each side.

    Returns:
        (2, B, C, blocks - 1, w) above and below the horizontal edges, and (2, B, C, h, blocks - 1)
        to the left and to the right of the vertical ones.
    """
    found = []
    for axis in (-2, -1):
        at = torch.arange(1, blocks, device=cells.device) * (cells.shape[axis] // blocks)
        found.append(torch.stack([cells.index_select(axis, at - 1), cells.index_select(axis, at)]))
    return found[0], found[1]


def costs(
    saliency: Tensor, edges: tuple[Tensor, Tensor], lam: Tensor, rules: Rules
) -> tuple[Tensor, Tensor, Tensor]:
    """What :func:`least_labels` gets.

    Args:
        saliency: (2, B, n, n) with a sum of 1 for each image.
        edges, lam, rules: as for :func:`solve`.
    """
    count = saliency.shape[-1]
    beta = rules.beta / (16 * count)
    # To show of a block the sample loses the partner's saliency, and the other way round.
    shown = saliency.flip(0).double()
    weights = []
    for axis, edge in zip((-2, -1), edges, strict=True):
        penalty = beta * rules.gamma * _penalties(edge, count, axis).double()
        shown.narrow(axis, 0, count - 1).add_(penalty.mean(1))
        shown.narrow(axis, 1, count - 1).add_(penalty.mean(0))
        differ = (penalty[0, 1] + penalty[1, 0] - penalty[0, 0] - penalty[1, 1]) / 2
        weights.append(_whole(differ + beta, count).clamp(min=0))
    share = torch.linspace(0, 1, rules.labels, dtype=torch.float64, device="cpu").view(-1, 1, 1)
    prior = rules.eta / count**2 * _surprise(lam, rules.labels)
    own, partner = shown.unsqueeze(2)
    each = (1 - share) * own + share * partner + prior[:, :, None, None]
    return _whole(each, count), weights[0], weights[1]


def _surprise(lam: Tensor, labels: int) -> Tensor:
    """(B, L) minus the logarithms of the binomial probabilities of the labels."""
    label, most = torch.arange(labels, dtype=torch.float64, device="cpu"), labels - 1
    kept = lam.clamp(LEAST, 1 - LEAST).unsqueeze(1)
    ways = [lgamma(labels) - lgamma(k + 1) - lgamma(labels - k) for k in range(labels)]
    binomial = torch.tensor(ways, dtype=torch.float64, device="cpu")
    return -(binomial + (most - label) * kept.log() + label * (1 - kept).log())


def _penalties(edge: Tensor, count: int, axis: int) -> Tensor:
    """How much the pixels on both sides of each edge differ.

    Returns:
        (2, 2, B, n - 1, n) or (2, 2, B, n, n - 1): whose the block before the edge is, and whose
        the one after it, each the sample's or the partner's.
    """
    before, after = edge.unbind(1)
    differences = (before.unsqueeze(1) - after.unsqueeze(0)).abs_().mean(3)
    along = -1 if axis == -2 else -2
    return differences.unflatten(along, (count, -1)).mean(along)


def _whole(cost: Tensor, count: int) -> Tensor:
    return (PRECISION * count**2 * cost).long()


def shares_of(saliency: Tensor, count: int) -> Tensor:
    """(..., n, n) saliency of coarser blocks, with a sum of 1; evenly spread where there is none.

    >>> shares_of(torch.tensor([[[1.0, 0.0], [0.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]]), 2)
    tensor([[[0.2500, 0.0000],
             [0.0000, 0.7500]],
    <BLANKLINE>
            [[0.2500, 0.2500],
             [0.2500, 0.2500]]])
    """
    coarse = F.avg_pool2d(saliency, saliency.shape[-1] // count)
    total = coarse.sum((-2, -1), keepdim=True)
    return (coarse / total).where(total > 0, 1 / count**2)


def _enlarged(blocks: Tensor, count: int) -> Tensor:
    times = count // blocks.shape[-1]
    return blocks.repeat_interleave(times, -2).repeat_interleave(times, -1)


def _finer(source: Tensor, count: int) -> Tensor:
    """The numbers of blocks (B, m, m) as those of the blocks of a grid of n x n."""
    coarse = source.shape[-1]
    times = count // coarse
    inside = torch.arange(count, device="cpu") % times
    source = _enlarged(source, count)
    line = source // coarse * times + inside[:, None]
    return line * count + source % coarse * times + inside
