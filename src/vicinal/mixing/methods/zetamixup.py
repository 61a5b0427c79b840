"""ζ-mixup: blend each sample with all others of the batch, by weights that fall as a power."""

from typing import Any

import torch
from torch import Tensor

from vicinal.mixing.arguments import Fields, number, whole
from vicinal.mixing.batch import is_blendable, is_named, map_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.combine import combined
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, Per
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers
from vicinal.mixing.pattern import Drawn
from vicinal.mixing.target import one_hot


class ZetaMixUp(Method):
    """Blend each sample with all others of the batch, by weights that fall as a power.

    For each sample the others are put in a random order. The sample itself has a weight in
    proportion to 1, the next one to 2 ** -gamma, the k-th to k ** -gamma; they add up to 1. All
    samples of a batch have the same weights, and targets are blended by them. So a target is a
    :class:`MixedTarget` whose ``own`` part is of the sample, and whose ``partner`` part is the
    blend of all others, in rows of floats.

    Args:
        gamma: how fast the weights fall, 0 or more. From 1.73 on, a sample keeps more than half of
            itself, and in large batches 1 / ζ(gamma): 0.80 of it with 2.8.
        num_classes: the number of classes C, for class indices alone: they become (B, C) rows of
            shares, as a blend of many classes is no pair of indices.
        per, p: of :class:`Method`.
        fields, integers, maximum, seed: of :class:`Mixer`.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; targets are class
            indices, and ``num_classes`` is missing; or there is a second batch.

    A call multiplies the batch by a matrix (B, B), in float32 or the precision of the samples if
    that is higher: B times the arithmetic of :class:`MixUp`. Values in ``maximum`` become the
    largest of the whole batch.

    Source: K. Abhishek, C. J. Brown, G. Hamarneh, Multi-Sample ζ-mixup: Richer, More Realistic
    Synthetic Samples from a p-Series Interpolant, Journal of Big Data 2024. Its code draws the
    order of the others for each sample by itself; here all samples share a random cycle, in which
    the others follow the sample, so that each order is as likely, but those of two samples depend
    on each other.

    >>> x, y = torch.eye(4), torch.arange(4)
    >>> mixed, target = ZetaMixUp(num_classes=4, seed=0)(x, y)
    >>> bool(torch.allclose(mixed, target.dense()))
    True
    >>> mixed[0].sort(descending=True).values
    tensor([0.8262, 0.1186, 0.0381, 0.0170])
    """

    drawn_types = (Blend,)
    block_size = 16
    partners: Any = "cycle"
    needs_cycle = True

    def __init__(
        self,
        gamma: float = 2.8,
        *,
        num_classes: int | None = None,
        per: Per = "sample",
        p: float = 1.0,
        fields: Fields | None = None,
        integers: Integers = "raise",
        maximum: Fields | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(per=per, p=p, fields=fields, integers=integers, maximum=maximum, seed=seed)
        del self.partners  # all of the others, in the order of a cycle
        self.gamma = number("gamma", gamma)
        self.num_classes = None if num_classes is None else whole("num_classes", num_classes)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Blend:
        return Blend(torch.zeros(count, dtype=torch.float32, device="cpu"))

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        (blend,) = super().patterns(batches, count, size, generator, step)
        own = self.weights(count)[:1].float()
        return (Blend(torch.where(blend.weight == 1, blend.weight, own)),) if count else (blend,)

    def weights(self, count: int) -> Tensor:
        """(count,) the weights in a batch of so many samples: of itself, and of the others.

        >>> ZetaMixUp(1.0).weights(2)
        tensor([0.6667, 0.3333], dtype=torch.float64)
        """
        powers = torch.arange(1, count + 1, dtype=torch.float64, device="cpu") ** -self.gamma
        return powers / powers.sum()

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if batch.other is not None:
            raise ValueError(
                "ZetaMixUp mixes the samples of one batch: give it no second batch and no half"
            )
        count = len(mix.partner)
        if not count:
            return mix
        matrix = self._of_others(mix.partner)

        def blended(path: Any, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or not leaf.ndim:
                return leaf
            if batch.maximum is not None and is_named(path, batch.maximum):
                return leaf.amax(0, keepdim=True).expand_as(leaf)
            return combined(matrix, leaf) if is_blendable(leaf) else leaf

        def of_target(_: Any, leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or not leaf.ndim:
                return leaf
            if not leaf.is_floating_point():
                if self.num_classes is None:
                    raise TypeError(
                        f"ZetaMixUp blends the targets of the whole batch, and these are "
                        f"{str(leaf.dtype).removeprefix('torch.')}: for class indices, give "
                        "num_classes="
                    )
                leaf = one_hot(leaf, self.num_classes, torch.float32)
            return combined(matrix, leaf)

        if batch.y is None:
            raise TypeError("ZetaMixUp blends the targets of the whole batch: give draw(x, y)")
        other = map_leaves(blended, batch.x), map_leaves(of_target, batch.y)
        return Mix(mix.partner, mix.weight, mix.patterns, other)

    def _of_others(self, following: Tensor) -> Tensor:
        """(B, B) the weights of the others in what each sample gets of them."""
        count = len(following)
        order, step = torch.zeros_like(following[:1]), following
        while len(order) < count:  # the cycle from sample 0 on, twice as much of it each time
            order = torch.cat((order, step[order]))[:count]
            step = step[step]
        place = torch.empty_like(order).scatter_(0, order, torch.arange(count, device=order.device))
        weights = self.weights(count)
        weights[0] = 0
        weights = weights / weights.sum() if count > 1 else weights
        return weights.to(order.device)[(place[None] - place[:, None]) % count]
