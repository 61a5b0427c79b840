"""Samples from Beta(alpha, alpha), the distribution of the papers' λ."""

import math

import torch
from torch import Tensor


def symmetric_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` numbers from Beta(alpha, alpha), as float64 in [0, 1].

    torch's own Beta distribution takes no generator. This needs no rejection for any alpha, so that
    every draw consumes the same number of random numbers: if E is exponential and V uniform, then
    1/2 + cos(2 pi V) / (2 sqrt(cos(2 pi V)^2 + 1 / (exp(E / alpha) - 1))) has this distribution.
    It is Bailey's polar form of Student's t with 2 alpha degrees of freedom, mapped to the beta
    distribution.

    Args:
        alpha: above 0; infinity returns 0.5 everywhere.
        count: how many.
        generator: on the CPU.

    Source: R. W. Bailey, Polar generation of random variates with the t-distribution,
    Mathematics of Computation 62 (1994); L. Devroye, Random variate generation in one line of
    code, Winter Simulation Conference (1996), section 5.

    >>> draws = symmetric_beta(0.4, 10_000, torch.Generator().manual_seed(0))
    >>> bool(abs(draws.mean() - 0.5) < 0.02)
    True
    """
    if alpha == 1:  # uniform
        return torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
    uniform = torch.rand(2, count, generator=generator, dtype=torch.float64, device="cpu")
    cosine = uniform[0].mul_(2 * math.pi).cos_()
    # log1p(-U) and expm1 keep full precision where U is near 0 and where alpha is huge.
    spread = uniform[1].neg_().log1p_().div_(-alpha).expm1_().reciprocal_()
    radius = spread.add_(cosine.square()).sqrt_()
    return cosine.div_(radius).mul_(0.5).add_(0.5)


def sample_lam(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` λ from Beta(alpha, alpha), as float64 in [0, 1]; alpha 0 returns ones."""
    if alpha == 0:
        return torch.ones(count, dtype=torch.float64, device="cpu")
    return symmetric_beta(alpha, count, generator)
