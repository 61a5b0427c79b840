"""The JSON beside exported files: all that is to be known to use them."""

from typing import Any

import torch
from torch import Tensor

from vicinal import __version__
from vicinal.export.check import TOLERANCE, Agreement, Reference
from vicinal.export.forms import Form
from vicinal.tasks.predictor import Predictor

DESCRIPTION = "model.json"


def described(
    predictor: Predictor, form: Form, reference: Reference, found: dict[str, Agreement]
) -> dict[str, Any]:
    """What there is to be known, as JSON values.

    Args:
        predictor: of the run.
        form: of its samples.
        reference: what the files were compared with.
        found: how far each file agrees with the run, by its name.
    """
    how = predictor.preprocessing
    thresholds = {} if how.threshold is None else {"threshold": how.threshold}
    example = reference.example
    return {
        "vicinal": __version__,
        "torch": torch.__version__,
        "network": how.model,
        "samples": form.samples,
        "predicts": form.target,
        "classes": how.vocab,
        **thresholds,
        "inputs": [
            _port(name, tensor, axes)
            for (name, axes), tensor in zip(form.axes.items(), example, strict=True)
        ],
        "outputs": [_port(form.output, reference.outputs[0], {0: "batch"})],
        "preprocessing": form.steps(),
        "in_the_graph": _inside(predictor, form),
        "checked": {
            "tolerance": TOLERANCE,
            "files": {name: agreement.to_json() for name, agreement in found.items()},
        },
    }


def _port(name: str, tensor: Tensor, axes: dict[int, str]) -> dict[str, Any]:
    shape = [axes.get(number, side) for number, side in enumerate(tensor.shape)]
    return {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": shape}


def _inside(predictor: Predictor, form: Form) -> list[str]:
    """What the graph does beside the network, in its order."""
    activation = {"values": [], "labels": ["sigmoid"]}.get(form.target, ["softmax"])
    before = {"images": ["normalization"], "sounds": ["spectrogram"]}.get(form.samples, [])
    return [*before, *(["rescaling"] if predictor.rescaling is not None else []), *activation]
