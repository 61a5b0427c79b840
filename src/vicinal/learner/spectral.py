"""Spectral norms: the vectors of their power iterations belong to one weight."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm

CALLS = 15  # of the power iteration: as many as torch makes when a spectral norm begins


@torch.no_grad()
def fit_to_weights(model: nn.Module) -> None:
    """Bring the vectors of all spectral norms to the weights that the model holds now.

    In evaluation they are not updated: with those of other weights, the norm would not be 1.

    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)).eval()
    >>> _ = nn.init.normal_(layer.parametrizations.weight.original)
    >>> fit_to_weights(layer)
    >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 2)
    1.0
    """
    for _, iterate in _power_iterations(model):
        for _ in range(CALLS):
            iterate()


def power_vectors(model: nn.Module) -> list[Tensor]:
    """The vectors of all spectral norms of a model, of torch's parametrization and of its hook."""
    return [vector for vectors, _ in _power_iterations(model) for vector in vectors]


def _power_iterations(model: nn.Module) -> Iterator[tuple[list[Tensor], Callable[[], object]]]:
    """For each spectral norm, its vectors, and a function that updates them in place."""
    for module in model.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm):
                vectors = [getattr(module, f"{hook.name}_{letter}") for letter in "uv"]
                yield vectors, partial(hook.compute_weight, module, do_power_iteration=True)
        if not is_parametrized(module):
            continue
        for name, chain in module.parametrizations.items():  # type: ignore[operator, union-attr]
            for norm in chain:
                # That of a vector has none: it divides by the exact norm.
                if isinstance(norm, _SpectralNorm) and hasattr(norm, "_u"):
                    yield [norm._u, norm._v], partial(_iterate, module, name, norm)


def _iterate(module: nn.Module, name: str, norm: nn.Module) -> None:
    before, norm.training = norm.training, True
    try:
        getattr(module, name)  # computes the weight, through all of its parametrizations
    finally:
        norm.training = before
