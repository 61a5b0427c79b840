"""The density of the distribution that the weights of mixes are drawn from."""

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.distributions import Beta

from vicinal.plots.layout import DENSITY, GREY, OWN, SMALL


def beta_density(weight: Tensor, alpha: float, folded: bool) -> Tensor:
    """The density of weights drawn from Beta(alpha, alpha), folded onto [1/2, 1] or not.

    Args:
        weight: floats of any shape; the density is 0 outside [0, 1].
        alpha: finite and at least 0; with 0 nothing is mixed, and all mass is at weight 1.
        folded: whether each weight is replaced by ``max(weight, 1 - weight)``.

    Returns:
        The density, float64, of weight's shape; infinite where it diverges, which for alpha < 1
        is at weights 0 and 1.

    Raises:
        ValueError: alpha is negative or not finite.

    >>> beta_density(torch.tensor([0.0, 0.25, 0.5]), alpha=2, folded=False)
    tensor([0.0000, 1.1250, 1.5000], dtype=torch.float64)
    >>> beta_density(torch.tensor([0.25, 0.75]), alpha=2, folded=True)
    tensor([0.0000, 2.2500], dtype=torch.float64)
    """
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be finite and at least 0, not {alpha}")
    weight = weight.double()
    if alpha == 0:
        return torch.zeros_like(weight).masked_fill(weight == 1, math.inf)
    a = weight.new_tensor(alpha)
    density = Beta(a, a, validate_args=False).log_prob(weight.clamp(0, 1)).exp()
    density = 2 * density if folded else density
    lowest = 0.5 if folded else 0.0
    return torch.where((weight >= lowest) & (weight <= 1), density, 0.0)


def draw_density(axes: Axes, alpha: float | None, folded: bool, weights: Sequence[float]) -> None:
    """Draw the density, if alpha is given, with a tick on the axis for each of the weights."""
    if alpha is None:
        top = 1.0
    elif alpha == 0:
        axes.plot([1, 1], [0, 1], color=DENSITY, linewidth=3, label="alpha 0: nothing is mixed")
        top = 1.0
    else:
        top = _draw_beta(axes, alpha, folded)
    ticks = [0.075 * top] * len(weights)  # half the height of a marker, so that it ends at 0
    axes.plot(
        weights, ticks, "|", markersize=12, markeredgewidth=2, color=OWN, label="these samples"
    )
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.1 * top), xticks=(0, 0.25, 0.5, 0.75, 1), yticks=[])
    axes.set_xlabel("weight λ: the share of the image itself", fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=SMALL)


def _draw_beta(axes: Axes, alpha: float, folded: bool) -> float:
    """Draw the density; return the height to show, as for alpha < 1 it diverges at 0 and 1."""
    name = f"Beta({alpha:.3g}, {alpha:.3g})"
    x = torch.arange(1, 1000, dtype=torch.float64) / 1000
    if folded:
        unfolded = beta_density(x, alpha, folded=False)
        axes.plot(x.numpy(), unfolded.numpy(), color=GREY, linewidth=1, label="unfolded")
        name, x = f"{name}, folded", x[x >= 0.5]
    y = beta_density(x, alpha, folded)
    axes.fill_between(x.numpy(), y.numpy(), color=DENSITY, alpha=0.15, linewidth=0)
    axes.plot(x.numpy(), y.numpy(), color=DENSITY, linewidth=2, label=name)
    return float(y[(x > 0.02) & (x < 0.98)].max())
