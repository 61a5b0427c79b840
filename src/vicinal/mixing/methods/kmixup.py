"""k-mixup: match groups of k samples by optimal transport, and blend the matched ones."""

from importlib.util import find_spec
from typing import Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number, whole
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.blend import Blend
from vicinal.mixing.chosen import OwnPartners, OwnPartnersOptions, PendingBlend
from vicinal.mixing.completion import Batch
from vicinal.mixing.distances import Embed, squared_distances
from vicinal.mixing.mix import Mix


class KMixUp(OwnPartners):
    """Match groups of k samples by optimal transport, and blend the matched ones: k-mixup.

    The batch is divided at random into groups of ``k`` samples. Each group is matched with another
    one, so that the sum of the squared distances of the matched samples is the least: within these
    groups, samples are blended with near ones. The larger ``k``, the nearer the partners are; with
    ``k=1`` they are random, as in :class:`MixUp`. Targets are blended by the same weights.

    Each sample is the partner of exactly one other. A last, smaller group is matched with as many
    samples; a batch of fewer than ``2 * k`` samples is divided into two groups.

    Args:
        k: the number of samples in a group, 1 or more.
        alpha: of the distribution of λ, Beta(alpha, alpha); 0 mixes nothing, 1 is uniform, large
            values draw weights near 0.5. As partners are nearer than in mixup, it can be larger.
        distance: a function from the samples (B, ...), as the mixer gets them, to features
            (B, ...), between which the distance is then; it is called without gradients. None takes
            the inputs, as :class:`Near` does.
        **options: of :class:`Method` and :class:`Mixer`: per, p, fields, integers, maximum, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range.
        ModuleNotFoundError: SciPy is not installed, which solves the assignment on the CPU. A GPU
            is waited for, for one matrix of distances in a batch.

    Source: K. Greenewald, A. Gu, M. Yurochkin, J. Solomon, E. Chien, k-Mixup Regularization for
    Deep Learning via Optimal Transport, TMLR 2023. Their code draws one weight for a batch
    (``per="batch"``); its README runs k 16 with alpha 10. Deviations from that code: it takes the
    distance itself, not its square, whose displacement interpolation the paper describes; its two
    groups may have samples in common, which are then matched with themselves and not mixed (with
    ``k`` of the size of the batch, all are); and pairs of other groups cost 1000 there, so that
    samples farther apart than that leave their group.

    >>> x = torch.tensor([0.0, 9.0]).repeat(64)[:, None]  # two clusters
    >>> for k in (1, 16):
    ...     partner = KMixUp(k, seed=0).draw(x).partner
    ...     print(int((x == x[partner]).sum()), "of", len(x), "in the same cluster")
    68 of 128 in the same cluster
    112 of 128 in the same cluster
    """

    def __init__(
        self,
        k: int = 16,
        alpha: float = 1.0,
        *,
        distance: Embed | None = None,
        **options: Unpack[OwnPartnersOptions],
    ) -> None:
        super().__init__(**options)
        self.k = whole("k", k)
        self.alpha = number("alpha", alpha)
        if distance is not None and not callable(distance):
            raise TypeError(f"distance must be a function of the samples, not {distance!r}")
        self.distance = distance
        if find_spec("scipy") is None:
            raise ModuleNotFoundError("KMixUp needs scipy: pip install 'vicinal[train]'")

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        return Blend(sample_lam(self.alpha, count, generator).float())

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if batch.other is not None:
            raise ValueError(
                "KMixUp matches the samples of one batch: give it no second batch and no half"
            )
        (blend,) = mix.patterns
        assert isinstance(blend, PendingBlend)
        partner = mix.partner
        if len(partner):
            squares = squared_distances(batch, self.distance)
            order = blend.number.to(squares.device).argsort(stable=True)
            partner = matched(squares, order, self.k).to(partner.device)
        return Mix(partner, mix.weight, (Blend(blend.lam),))


def matched(squares: Tensor, order: Tensor, k: int) -> Tensor:
    """Partners by optimal transport between groups of k samples.

    Args:
        squares: (B, B) the squared distances of all pairs, infinite for samples without one.
        order: (B,) int64, a permutation: the first k of it are a group, the next k another, etc.
        k: the size of a group, 1 or more.

    Returns:
        (B,) int64, a permutation without fixed points from 2 samples on.

    >>> place = torch.tensor([0.0, 5.0, 6.0, 1.0])
    >>> matched((place[:, None] - place).square(), torch.arange(4), 2)
    tensor([3, 2, 1, 0])
    """
    count = len(order)
    k = min(k, max(count // 2, 1))
    following = order.roll(-k)
    partner = torch.empty_like(order)
    full = count // k * k
    for first, second in (
        (order[:full].view(-1, k), following[:full].view(-1, k)),
        (order[full:].view(1, -1), following[full:].view(1, -1)),
    ):
        if first.shape[1]:
            cost = squares[first.unsqueeze(2), second.unsqueeze(1)]
            column = torch.ops.vicinal.assign(cost)
            partner = partner.scatter(0, first.flatten(), second.gather(1, column).flatten())
    return partner


# One operation for torch.compile, which cannot trace SciPy.
@torch.library.custom_op("vicinal::assign", mutates_args=(), schema="(Tensor cost) -> Tensor")
def _assign(cost: Tensor) -> Tensor:
    """(G, k) int64, the column of each row in the cheapest assignment of (G, k, k) costs."""
    from scipy.optimize import linear_sum_assignment

    costs = cost.double().cpu()
    # Dearer than any assignment of the others, which remain the best for one another.
    dear = 1 + costs.shape[1] * costs.where(costs.isfinite(), 0.0).max()
    costs = costs.where(costs.isfinite(), dear)
    columns = [torch.from_numpy(linear_sum_assignment(each.numpy())[1]) for each in costs]
    return torch.stack(columns).long().to(cost.device)


@_assign.register_fake
def _(cost: Tensor) -> Tensor:
    return torch.empty(cost.shape[:2], dtype=torch.int64, device=cost.device)
