"""Weights on disk: safetensors, so that loading them runs no code."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.files import write_whole, written


def save_weights(model: nn.Module, file: Path) -> None:
    """Write a model's weights, atomically.

    Raises:
        VicinalError: the file cannot be written.
    """
    with written(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, weights_of(model))


def weights_of(model: nn.Module) -> bytes:
    """A model's weights as the bytes of a safetensors file."""
    # Clones, because safetensors rejects memory that is shared or not contiguous.
    return save({name: t.detach().cpu().contiguous().clone() for name, t in _state(model).items()})


def load_weights(model: nn.Module, file: Path) -> None:
    """Read a model's weights, onto the model's device.

    Raises:
        VicinalError: the file does not exist, is damaged, or belongs to another network.
    """
    try:
        weights = load_file(file)
    except FileNotFoundError:
        raise VicinalError(
            f"{file} does not exist: give the name of weights that were saved"
        ) from None
    except (SafetensorError, OSError) as error:
        raise VicinalError(
            f"{file} cannot be read ({error}): it is damaged or not a weights file"
        ) from None
    # Checked before anything is copied: torch would copy what fits and then raise.
    difference = misfit(model, weights)
    if difference is not None:
        raise VicinalError(f"{file} holds the weights of another network: {difference}")
    model.load_state_dict(weights)


def misfit(model: nn.Module, weights: dict[str, Tensor]) -> str | None:
    """The first weight that does not fit the model, and how; None if all fit.

    >>> misfit(nn.Linear(2, 1), nn.Linear(3, 1).state_dict())
    'weight has shape (1, 3) there, and (1, 2) in this one'
    """
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    for name in sorted(shapes.keys() | weights.keys()):
        found = weights[name].shape if name in weights else None
        if shapes.get(name) != found:
            return (
                f"{name} has shape {_text(found)} there, and {_text(shapes.get(name))} in this one"
            )
    return None


def _text(shape: torch.Size | None) -> str:
    return "none" if shape is None else str(tuple(shape))


def _state(model: nn.Module) -> dict[str, "nn.Parameter"]:
    return model.state_dict()
