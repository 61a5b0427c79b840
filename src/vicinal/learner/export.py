"""A learner in one file, to predict with elsewhere: safetensors and JSON, which run no code."""

import json
import os
from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import slice_tensors
from safetensors import SafetensorError
from torch import Tensor, nn

from vicinal import __version__
from vicinal.activations import AbsentLoss, activation_of, decoding_of, from_name, name_of
from vicinal.data.exported import loaders_from_json, loaders_to_json
from vicinal.data.paths import Path
from vicinal.errors import VicinalError
from vicinal.files import written
from vicinal.learner.checkpoint import (
    as_stored,
    misfit,
    rescaling_of,
    rescaling_tensors,
    weights_of,
)
from vicinal.learner.kept_loss import loss_from_json, loss_to_json
from vicinal.learner.learner import Learner
from vicinal.learner.optimizer import Splitter, one_group
from vicinal.learner.precision import DTYPES, has_bfloat16
from vicinal.learner.tensor_file import read_tensors, write_tensors
from vicinal.learner.vision import vision_groups
from vicinal.models.layers import layers_of
from vicinal.models.made import rebuild
from vicinal.models.unet import encoder_and_decoder
from vicinal.processes import default_device, this_process
from vicinal.rescaling import Rescaling
from vicinal.stored import Misfit, check_fields
from vicinal.stored import misfit as misfit_in

SUFFIX = ".safetensors"
TEXT = "vicinal"  # the name of the JSON in the metadata of the file
FIELDS: dict[str, Any] = {
    "vicinal": str,
    "network": dict[str, Any] | None,
    "network_name": str,
    "frozen": list[str],
    "frozen_by_hand": list[str],
    "data": dict[str, Any],
    "loss": dict[str, Any] | None,
    "loss_name": str,
    "activation": str,
    "precision": str,
    "splitter": str,
}
SPLITTERS: dict[str, Splitter] = {
    f.__name__: f for f in (one_group, vision_groups, encoder_and_decoder)
}
CHECKED = 2  # samples whose predictions are compared


def export(learn: Learner, fname: str | os.PathLike[str]) -> Path:
    """Write what predicts like this learner to a file; see :meth:`Learner.export`."""
    file = as_file(learn.path / fname)
    with learn.weights_to_use():
        values, tensors, left_out = described(learn)
        text = _as_text(values)
        _check_same(learn, json.loads(text), tensors)
    if this_process().is_main_process:
        with written(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(file, tensors, **{TEXT: text})
        for line in left_out:
            print(line)
    return file


def as_file(file: Path) -> Path:
    """The file of a name that may end as pickled files do, which this one is not.

    >>> as_file(Path("bears.pkl")).name, as_file(Path("bears.v2")).name
    ('bears.safetensors', 'bears.v2.safetensors')
    """
    if file.suffix in (".pkl", ".pth", ".pt", SUFFIX):
        return file.with_suffix(SUFFIX)
    return file.with_name(file.name + SUFFIX)


def _as_text(values: dict[str, Any]) -> str:
    try:
        return json.dumps(values)
    except (TypeError, ValueError) as error:
        raise VicinalError(
            f"a setting of the loaders cannot be stored in a file ({error}): save the weights by "
            "learn.save()"
        ) from None


def described(learn: Learner) -> tuple[dict[str, Any], dict[str, Tensor], list[str]]:
    """A learner as JSON values and tensors, and what these cannot hold, each a line.

    Raises:
        VicinalError: it cannot be described.
    """
    model, loss_func = learn.model, learn.loss_func
    weights = weights_of(model)
    tensors = {f"model.{name}": tensor for name, tensor in weights.items()}
    made_from = made_as(model, weights)
    left_out = []
    splitter = _name(learn.splitter)
    if SPLITTERS.get(splitter) is not learn.splitter:
        splitter = f"{splitter} of your own" if splitter in SPLITTERS else splitter
        left_out.append(
            f"note: the splitter {splitter} is not in the file: predictions do not need it"
        )
    if made_from is None:
        left_out.append(
            f"note: how the {type(model).__name__} is made is not in the file, only its weights: "
            "load it by load_learner(file, model=…)"
        )
    loss, activation = (
        loss_to_json(loss_func),
        activation_of(loss_func, classes=learn.dls.is_classes),
    )
    if loss is not None:
        tensors |= {f"loss.{name}": tensor for name, tensor in as_stored(loss[1]).items()}
    elif not isinstance(loss_func, AbsentLoss):
        left_out.append(_note_of(loss_func, name_of(activation)))
    if learn.rescaling is not None:
        stored = rescaling_tensors(learn.rescaling)
        tensors |= {f"rescaling.{name}": tensor for name, tensor in stored.items()}
    untrained = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    frozen = {id(parameter) for parameter in learn.frozen}
    by_hand = [name for name, p in untrained.items() if id(p) not in frozen]
    text = {
        "vicinal": __version__,
        "network": made_from,
        "network_name": type(model).__name__,
        "frozen": [name for name in untrained if name not in by_hand],
        "frozen_by_hand": by_hand,
        "data": loaders_to_json(learn.dls),
        "loss": None if loss is None else loss[0],
        "loss_name": _name(loss_func),
        "activation": name_of(activation),
        "precision": learn.precision,
        "splitter": splitter,
    }
    return text, tensors, left_out


def _note_of(loss_func: Any, activation: str) -> str:
    """What is said of a loss that a file cannot hold."""
    begin = f"note: the loss function {_name(loss_func)} is not in the file, "
    if activation == "absent" or decoding_of(loss_func) is not None:
        return (
            f"{begin}nor how it turns outputs into predictions: give it to load_learner(file, "
            "loss_func=…)"
        )
    return f"{begin}only its activation: predictions need no more"


def _name(loss_func: Any) -> str:
    if isinstance(loss_func, AbsentLoss):
        return loss_func.name
    return str(getattr(loss_func, "__name__", type(loss_func).__name__))


def made_as(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Any] | None:
    """How a network is made, if it is as it was made, but for its weights; else None."""
    made_from = getattr(model, "made_from", None)
    if made_from is None and (layers := layers_of(model)) is not None:
        made_from = {"maker": "layers", "network": layers}
    if made_from is None:
        return None
    try:
        again = rebuild(json.loads(json.dumps(made_from)))
    except (Misfit, TypeError):
        return None
    if str(again) != str(model) or misfit(again, weights) is not None:
        return None  # a layer has been replaced since
    types = {name: tensor.dtype for name, tensor in again.state_dict().items()}
    return made_from if types == {name: t.dtype for name, t in weights.items()} else None


def _check_same(learn: Learner, text: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Check that what will be loaded predicts the same: code can change what no text tells.

    Raises:
        VicinalError: it does not.
    """
    if not len(learn.dls.valid.dataset):  # itself loaded from a file
        return
    x = slice_tensors(learn.dls.valid.first()[0], slice(0, CHECKED))
    with learn.restoring_modes():
        given = None if text["network"] is not None else learn.model
        loss_func = learn.loss_func if text["activation"] == "absent" else None
        other = made_again(text, tensors, learn.dls.device, given, loss_func)
        ours, theirs = _predicted(learn, x), _predicted(other, x)
    tolerance = 1e-4 if learn.precision == "fp32" else 2e-2
    if not torch.allclose(ours, theirs, rtol=1e-3, atol=tolerance, equal_nan=True):
        raise VicinalError(
            "what would be loaded from the file predicts something else, as code has changed the "
            "network or its forward(): save its weights by learn.save()"
        )


@torch.no_grad()
def _predicted(learn: Learner, x: Any) -> Tensor:
    with learn.evaluating():
        return learn.activation(learn.output(x))


def load_learner(
    fname: str | os.PathLike[str],
    cpu: bool = True,
    *,
    model: nn.Module | None = None,
    loss_func: Callable[..., Tensor] | None = None,
) -> Learner:
    """Load what :meth:`Learner.export` wrote, to predict with. No code in the file is run.

    Args:
        fname: the file. ``export.pkl`` stands for ``export.safetensors``, which ``export`` writes
            under that name.
        cpu: predict on the CPU; else on the accelerator, if there is one.
        model: the network, where the file holds only its weights.
        loss_func: the loss function, where the file does not hold it; predictions do not need it.

    Returns:
        A Learner whose ``dls`` hold no samples: it predicts (``predict``,
        ``get_preds(dl=learn.dls.test_dl(files))``). To train it, set ``learn.dls`` to others.

    Raises:
        VicinalError: the file does not exist, is damaged, is no export, or needs ``model``.
    """
    file = _found(Path(fname))
    text, tensors = _read(file)
    device = torch.device("cpu") if cpu else default_device()
    try:
        learn = made_again(text, tensors, device, model, loss_func)
    except Misfit as error:
        raise misfit_in(file, error, text.get("vicinal")) from None
    learn.path = Path(file.parent)
    return learn


def made_again(
    text: Any,
    tensors: dict[str, Tensor],
    device: torch.device,
    model: nn.Module | None = None,
    loss_func: Callable[..., Tensor] | None = None,
) -> Learner:
    """A Learner, from what :func:`described` gave.

    Raises:
        VicinalError: it is something else; of a Misfit, the message is a clause.
    """
    check_fields(text, FIELDS, needed=tuple(FIELDS))
    parts = {name: _part(tensors, name) for name in ("model", "loss", "rescaling")}
    is_given = model is not None
    if model is None:
        if text["network"] is None:
            name = text["network_name"]
            raise VicinalError(
                f"the file holds the weights of the {name:.60} alone, not how it is made: give it, "
                "load_learner(file, model=…)"
            )
        model = rebuild(text["network"])
    difference = misfit(model, parts["model"])
    if difference is not None:
        wrong = f"the weights are of another network: {difference}"
        raise (VicinalError(f"{wrong}: give model= as it was") if is_given else Misfit(wrong))
    model.load_state_dict(parts["model"])
    if loss_func is None:
        loss_func = _loss(text, parts["loss"])
    dls = loaders_from_json(text["data"], device)
    precision = _precision(text["precision"], device)
    learn = Learner(dls, model, loss_func, splitter=_splitter(text), precision=precision)
    _freeze(learn, text)
    if parts["rescaling"]:
        learn.rescaling = _rescaling(parts["rescaling"]).to(device)
    learn.model.to(device).eval()
    return learn


def _freeze(learn: Learner, text: dict[str, Any]) -> None:
    """Freeze what was frozen; what ``freeze`` froze can ``unfreeze`` and ``fine_tune`` train."""
    frozen, by_hand = set(text["frozen"]), set(text["frozen_by_hand"])
    for name, parameter in learn.model.named_parameters():
        parameter.requires_grad_(name not in frozen | by_hand)
        if name in frozen:
            learn.frozen.append(parameter)


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Those whose names begin with this one, without it."""
    begin = f"{name}."
    return {key.removeprefix(begin): t for key, t in tensors.items() if key.startswith(begin)}


def _loss(text: dict[str, Any], tensors: dict[str, Tensor]) -> Callable[..., Tensor]:
    try:
        if text["loss"] is not None:
            return loss_from_json(text["loss"], tensors)
        from_name(text["activation"])
    except Misfit:
        raise
    except VicinalError as error:
        raise Misfit(str(error)) from None
    return AbsentLoss(f"{text['loss_name']:.60}", text["activation"])


def _rescaling(tensors: dict[str, Tensor]) -> Rescaling:
    try:
        return rescaling_of(tensors)
    except (KeyError, RuntimeError, ValueError) as error:
        raise Misfit(f"its rescaling is none ({error})") from None


def _precision(stored: str, device: torch.device) -> str:
    """The precision to predict in, which the device may not have."""
    if stored not in DTYPES:
        raise Misfit(f"there is no precision {stored:.40}")
    return stored if device.type != "cpu" or (has_bfloat16(device) and stored == "bf16") else "fp32"


def _splitter(text: dict[str, Any]) -> Splitter:
    """How the parameters are split into groups, which only a training asks."""
    name = text["splitter"]
    if name in SPLITTERS:
        return SPLITTERS[name]

    def absent(model: nn.Module) -> list[list[nn.Parameter]]:
        raise VicinalError(
            f"the splitter {name:.60} is not in the file that this learner was loaded from: set "
            "learn.splitter to it before you train"
        )

    absent.__name__ = name  # exported again, it is still missed by its own name
    return absent


def _found(file: Path) -> Path:
    """The file that a name stands for.

    Raises:
        VicinalError: there is none, or it is a pickled file.
    """
    ours = as_file(file)
    if file.is_dir():
        raise VicinalError(
            f"{file} is a folder: give the file that learn.export() wrote, or use "
            "Predictor.load(folder) for a run of vicinal train"
        )
    if file.is_file() and file != ours:
        hint = f", or load {ours}" if ours.is_file() else ""
        raise VicinalError(
            f"{file} is no file of learn.export(), and a pickled file could run any code: export "
            f"the learner again{hint}"
        )
    if not ours.is_file():
        raise VicinalError(f"{ours} does not exist: give the file that learn.export() wrote")
    return ours


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        tensors, metadata = read_tensors(file)
        text = json.loads(metadata.get(TEXT, "null"))
    except VicinalError:
        raise
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise VicinalError(
            f"{file} cannot be read ({error}): it is damaged, so restore it from a copy"
        ) from None
    if not isinstance(text, dict):
        raise VicinalError(
            f"{file} holds weights alone: give the file that learn.export() wrote, or load them "
            "by learn.load()"
        )
    return text, tensors
