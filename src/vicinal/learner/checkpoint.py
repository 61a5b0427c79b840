"""Weights on disk: safetensors, so that loading them runs no code."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.files import written
from vicinal.learner.tensor_file import read_tensors, write_tensors
from vicinal.rescaling import Rescaling


def save_weights(model: nn.Module, file: Path) -> None:
    """Write a model's weights with a digest of them, atomically.

    Raises:
        VicinalError: the file cannot be written, or cannot hold such weights.
    """
    weights = weights_of(model)
    with written(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(file, weights)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's weights on the CPU, as a safetensors file takes them.

    Raises:
        VicinalError: such a file cannot hold some of its state.
    """
    state: dict[str, Any] = model.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.dtype == torch.complex128:
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise VicinalError(
                f"{name} of the network is of type {kind}, which a safetensors file cannot hold: "
                "leave it out of the network's state_dict()"
            )
    return as_stored(state)


def as_stored(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Clones, because safetensors rejects memory that is shared or not contiguous."""
    return {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}


def load_weights(model: nn.Module, file: Path) -> None:
    """Read a model's weights, onto the model's device.

    Raises:
        VicinalError: the file does not exist, is damaged, or belongs to another network.
    """
    try:
        weights, _ = read_tensors(file)
    except FileNotFoundError:
        raise VicinalError(
            f"{file} does not exist: give the name of weights that were saved"
        ) from None
    except VicinalError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        reason = "it is a folder" if file.is_dir() else error
        raise VicinalError(
            f"{file} cannot be read ({reason}): it is damaged or not a weights file"
        ) from None
    # Checked before anything is copied: torch would copy what fits and then raise.
    difference = misfit(model, weights)
    if difference is not None:
        raise VicinalError(f"{file} holds the weights of another network: {difference}")
    model.load_state_dict(weights)


def save_rescaling(rescaling: Rescaling | None, file: Path) -> None:
    """Write how outputs are rescaled, atomically; remove the file where they are not.

    Raises:
        VicinalError: the file cannot be written.
    """
    with written(file):
        if rescaling is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(file, rescaling_tensors(rescaling))


def rescaling_tensors(rescaling: Rescaling) -> dict[str, Tensor]:
    """What is stored of it; see :func:`rescaling_of`."""
    theta = torch.tensor(rescaling.theta, dtype=torch.float64)
    return as_stored({"theta": theta, "mean_x": rescaling.mean_x, "mean_y": rescaling.mean_y})


def rescaling_of(tensors: dict[str, Tensor]) -> Rescaling:
    """From what :func:`rescaling_tensors` gave.

    Raises:
        KeyError, RuntimeError, ValueError: it is something else.
    """
    return Rescaling(tensors["theta"].item(), tensors["mean_x"], tensors["mean_y"])


def load_rescaling(file: Path) -> Rescaling | None:
    """Read what :func:`save_rescaling` wrote; None where there is no such file.

    Raises:
        VicinalError: it is damaged.
    """
    try:
        tensors, _ = read_tensors(file)
        return rescaling_of(tensors)
    except FileNotFoundError:
        return None
    except VicinalError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        reason = f"{error} is missing in it" if isinstance(error, KeyError) else error
        raise VicinalError(
            f"{file} cannot be read ({reason}): it is damaged, or holds no rescaling"
        ) from None


def misfit(model: nn.Module, weights: dict[str, Tensor]) -> str | None:
    """The first weight that does not fit the model, and how; None if all fit.

    Whole numbers do not fit in the place of fractions, which they would be cast to.

    >>> misfit(nn.Linear(2, 1), nn.Linear(3, 1).state_dict())
    'weight has shape (1, 3) there, and (1, 2) in this one'
    """
    shapes = _shapes(model.state_dict())
    there = _shapes(weights)
    for name in sorted(shapes.keys() | there.keys()):
        found = there.get(name)
        if shapes.get(name) != found:
            return (
                f"{name} has shape {_text(found)} there, and {_text(shapes.get(name))} in this one"
            )
    for name, own in model.state_dict().items():
        if isinstance(own, Tensor) and _kind(own) != _kind(weights[name]):
            return f"{name} is of {weights[name].dtype} there, and of {own.dtype} in this one"
    return None


def _shapes(state: dict[str, Any]) -> dict[str, torch.Size]:
    """Of its tensors; modules may have other state, too."""
    return {name: value.shape for name, value in state.items() if isinstance(value, Tensor)}


def _kind(tensor: Tensor) -> tuple[bool, bool]:
    """Whether its numbers are fractions or complex; more or fewer of their digits do fit."""
    return tensor.is_floating_point(), tensor.is_complex()


def _text(shape: torch.Size | None) -> str:
    return "none" if shape is None else str(tuple(shape))
