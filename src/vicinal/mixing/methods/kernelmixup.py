"""KernelMixUp: blend near samples strongly and distant ones hardly."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import is_blendable
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch
from vicinal.mixing.distances import Embed, inputs_of
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class UnwarpedBlend(Blend):
    """A blend whose weights are still to be computed, from the distances of the partners.

    Args:
        lam: (B,) floats: 1 for a sample that is not mixed; otherwise it does not matter.
        cosine, exponential: (B,) floats, what :func:`beta_of` needs for each weight.
    """

    cosine: Tensor
    exponential: Tensor

    tensors = ("lam", "cosine", "exponential")


class KernelMixUp(Method):
    """Blend near samples strongly and distant ones hardly: similarity kernel mixup.

    The weight λ of a sample and its partner is drawn from Beta(τ, τ), where
    ``τ = tau_max * exp(-(d - 1) / (2 * tau_std**2))``, and d is the squared distance of the two,
    divided by its mean over the batch. Targets are blended by the same weights. Partners are drawn
    as for :class:`MixUp`, so that, unlike in :class:`CMixUp`, every pair may meet.

    Args:
        tau_max: the τ of two samples at the mean distance of the batch; 0 mixes nothing. Where
            ``tau_max`` is large, more samples are mixed, and by weights nearer to 0.5.
        tau_std: how fast τ falls with the distance, above 0; for a large one, all pairs have the
            same τ.
        distance: between what the distance is: "inputs"; "targets", for floats; or a function from
            the samples (B, ...), as the mixer gets them, to features (B, ...), such as those of the
            network that is trained, which it calls without gradients. None takes the targets if
            these are floats, one-hot rows among them, and otherwise the inputs.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; or a batch has no
            targets of floats, between which the distance is to be.

    Inputs of several tensors add up. Categories and other integers count as one-hot vectors, so
    that two different ones are at a squared distance of 2; uint8 images count by their pixels.

    Source: Q. Bouniot, P. Mozharovskyi, F. d'Alché-Buc, Tailoring Mixup to Data for Calibration,
    ICLR 2025. They warp a uniform λ by the inverse distribution function of Beta(τ, τ), from which
    λ then comes; the first version of the paper (2023) warped by the function itself, with 1/τ.
    For classes they take the distance of embeddings, for values that of the labels. The defaults
    are theirs for CIFAR-10 and CIFAR-100; for ImageNet their ``tau_max`` is 0.1, and for values it
    is from 0.0001 (airfoil) to 5, found by cross-validation.

    >>> mixer = KernelMixUp(seed=0)
    >>> x = torch.tensor([0.0, 0.1, 9.0, 9.1]).repeat(50)[:, None]
    >>> _, target = mixer(x, x[:, 0])
    >>> distance = (target.own - target.partner).abs()
    >>> share = torch.minimum(target.weight, 1 - target.weight)  # of the smaller part
    >>> bool(share[distance < 1].min() > 0.4), bool(share[distance > 1].mean() < 0.05)
    (True, True)
    """

    drawn_types = (UnwarpedBlend,)
    block_size = 16

    def __init__(
        self,
        tau_max: float = 1.0,
        tau_std: float = 0.25,
        *,
        distance: Literal["inputs", "targets"] | Embed | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.tau_max = number("tau_max", tau_max)
        self.tau_std = number("tau_std", tau_std)
        if not 0 < tau_std < math.inf or tau_max == math.inf:
            name, value = ("tau_max", tau_max) if tau_max == math.inf else ("tau_std", tau_std)
            raise ValueError(f"{name} must be finite, and tau_std above 0, not {value}")
        if distance not in (None, "inputs", "targets") and not callable(distance):
            raise ValueError(
                f"distance must be 'inputs', 'targets' or a function of the samples, not "
                f"{distance!r}"
            )
        self.distance = distance

    def pattern(
        self, count: int, size: tuple[int, int], generator: torch.Generator
    ) -> UnwarpedBlend:
        uniform = torch.rand(2, count, generator=generator, dtype=torch.float64, device="cpu")
        cosine = uniform[0].mul(2 * math.pi).cos()
        exponential = uniform[1].neg().log1p().neg()
        zeros = torch.zeros(count, dtype=torch.float32, device="cpu")
        return UnwarpedBlend(zeros, cosine.float(), exponential.float())

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (drawn,) = mix.patterns
        assert isinstance(drawn, UnwarpedBlend)
        if not len(drawn.lam):
            return Mix(mix.partner, mix.weight, (Blend(drawn.lam),))
        distances = self._distances(mix, batch).to(drawn.lam.device)
        tau = self.tau_max * ((1 - distances) / (2 * self.tau_std**2)).exp()
        weight = beta_of(tau, drawn.cosine, drawn.exponential)
        weight = weight.where(drawn.lam < 1, 1.0)
        return Mix(mix.partner, weight, (Blend(weight),))

    @torch.no_grad()
    def _distances(self, mix: Mix, batch: Batch) -> Tensor:
        """(B,) float32, the squared distances to the partners, divided by their mean.

        It is 1 where all are 0. A distance that is not finite counts as infinite, and not in the
        mean: one missing value must not decide about the whole batch.
        """
        own = self._features(batch, batch.x, batch.y)
        if batch.other is None:
            partner = [part.index_select(0, mix.partner.to(part.device)) for part in own]
        else:
            partner = self._features(batch, *batch.other)
        if not own:  # fields= names nothing, as applying the mix will say
            return torch.ones(len(mix.partner), dtype=torch.float32)
        squares = torch.stack([_squares(*pair) for pair in zip(own, partner, strict=True)]).sum(0)
        finite = squares.isfinite()
        mean = squares.where(finite, 0.0).sum() / finite.sum().clamp(min=1)
        return (squares / mean).where(mean > 0, 1.0).where(finite, math.inf)

    def _features(self, batch: Batch, x: Any, y: Any) -> list[Tensor]:
        """The tensors (B, ...) between which the distance is."""
        distance = self.distance
        if callable(distance):
            return [distance(x)]
        has_values = isinstance(y, Tensor) and y.is_floating_point()
        if distance == "targets" and not has_values:
            kind = y.dtype if isinstance(y, Tensor) else type(y).__name__
            raise TypeError(
                f"KernelMixUp(distance='targets') needs one tensor of floats as targets, not "
                f"{kind}: for classes take distance='inputs', or a function of the samples"
            )
        if distance == "targets" or (distance is None and has_values):
            return [y]
        return inputs_of(batch, x)


def beta_of(tau: Tensor, cosine: Tensor, exponential: Tensor) -> Tensor:
    """Weights from Beta(tau, tau), each with a tau of its own.

    It is the formula of :func:`vicinal.mixing.beta.symmetric_beta`, whose random numbers do not
    depend on tau, so that they can be drawn before tau is known.

    Args:
        tau: (B,) floats, 0 or more; 0 gives 0 or 1.
        cosine: (B,) of 2 pi times a uniform number.
        exponential: (B,) of the exponential distribution.

    >>> uniform = torch.rand(2, 100_000, generator=torch.Generator().manual_seed(0))
    >>> tau = torch.full((100_000,), 2.0)
    >>> weights = beta_of(tau, (2 * math.pi * uniform[0]).cos(), -uniform[1].log())
    >>> round(weights.mean().item(), 2), round(weights.var().item(), 2)  # 1/2 and 1/20
    (0.5, 0.05)
    """
    spread = (exponential / tau.clamp(min=1e-30)).expm1().reciprocal()
    return 0.5 + 0.5 * cosine / (cosine.square() + spread).sqrt()


def _squares(own: Tensor, partner: Tensor) -> Tensor:
    """(B,) float32, the squared distances of the rows of two tensors."""
    if is_blendable(own):
        own, partner = (
            part.flatten(1) if part.ndim > 1 else part[:, None] for part in (own, partner)
        )
        if own.is_complex():
            return (own - partner).abs().square().sum(1).float()
        return (own.float() - partner.float()).square().sum(1)
    return 2.0 * (own != partner).reshape(len(own), -1).sum(1).float()
