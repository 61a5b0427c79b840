"""MixUp: convex combinations of pairs of samples."""

from typing import Any, Literal

import torch
from torch import Tensor

from vicinal.mixing import draws
from vicinal.mixing.mix import Mix, first_tensor
from vicinal.mixing.mixer import Mixer, batch_size


class MixUp(Mixer):
    """Mix each sample with another: ``t * x1 + (1 - t) * x2``, the same for the target.

    Args:
        alpha: strength; weights come from Beta(alpha, alpha). 0 mixes nothing, 0.4 mixes most
            samples a little, 1 is uniform, large values tend to halves.
        per: "sample" draws a weight for each sample, "batch" one for all of them.
        folded: weights become max(t, 1 - t), so that a sample stays mostly itself.
        partners: "cycle" (one random cycle: nobody meets himself, no pair appears twice),
            "shuffle" (a plain shuffle), or "reverse" (the batch read backwards).
        p: the share of samples (or of batches, with per="batch") that are mixed at all.
        seed: of the mixer's own random numbers; None takes one from the operating system.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range.

    Source: H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, mixup: Beyond Empirical Risk
    Minimization, ICLR 2018, equation (2) and the algorithm in figure 1; a weight per sample and
    the folding are fastai's.

    >>> mixer = MixUp(alpha=0.4, seed=0)
    >>> x, y = mixer(torch.rand(8, 3, 32, 32), torch.arange(8))
    >>> x.shape, len(y), bool((y.weight >= 0.5).all())
    (torch.Size([8, 3, 32, 32]), 8, True)
    """

    def __init__(
        self,
        alpha: float = 0.4,
        *,
        per: Literal["sample", "batch"] = "sample",
        folded: bool = True,
        partners: Literal["cycle", "shuffle", "reverse"] = "cycle",
        p: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.alpha = _number("alpha", alpha, upper=float("inf"))
        self.per = _one_of("per", per, ("sample", "batch"))
        self.folded = folded
        self.partners = _one_of("partners", partners, tuple(draws.PARTNERS))
        self.p = _number("p", p, upper=1.0)

    def draw(self, x: Any, y: Any = None) -> Mix:
        count = batch_size(x, y)
        device = first_tensor(x).device
        generator = self.random.next()
        partner = draws.PARTNERS[self.partners](count, generator)
        weight = self._weights(1 if self.per == "batch" else count, generator).expand(count)
        return Mix(
            draws.to_device(partner, device),
            draws.to_device(weight.float().contiguous(), device),
        )

    def _weights(self, count: int, generator: torch.Generator) -> Tensor:
        if self.alpha == 0:
            return torch.ones(count)
        weight = draws.symmetric_beta(self.alpha, count, generator)
        if self.folded:
            weight = torch.maximum(weight, 1 - weight)
        if self.p < 1:
            mixed = torch.rand(count, generator=generator) < self.p
            weight = weight.where(mixed, 1.0)
        return weight

    def __repr__(self) -> str:
        return (
            f"MixUp(alpha={self.alpha:g}, per={self.per!r}, folded={self.folded}, "
            f"partners={self.partners!r}, p={self.p:g}, seed={self.random.seed})"
        )


def _number(name: str, value: float, upper: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 <= value <= upper:  # also refuses nan
        limits = f"between 0 and {upper:g}" if upper < float("inf") else "0 or more"
        raise ValueError(f"{name} must be {limits}, not {value}")
    return float(value)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value
