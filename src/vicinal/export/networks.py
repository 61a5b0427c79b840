"""Weights and folders that timm, transformers and segmentation_models_pytorch load."""

import contextlib
import io
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.data.sizes import sides
from vicinal.errors import VicinalError
from vicinal.export.check import Runner
from vicinal.export.forms import Form, ImageForm, MaskForm
from vicinal.learner.checkpoint import save_weights
from vicinal.models.hub_text import HubTextModel
from vicinal.models.zoo import ALIASES, OWN
from vicinal.tasks.predictor import Predictor
from vicinal.tasks.run_config import WEIGHTS

CONFIG = "config.json"
# timm's names for how an image gets its size.
CROP_MODES = {"crop": "center", "squish": "squash", "pad": "border"}
# What timm's settings of a network say of its architecture; the rest is of other weights.
OF_ARCHITECTURES = ("first_conv", "classifier", "pool_size", "fixed_input_size", "min_input_size")


def check_timm(predictor: Predictor, form: Form) -> None:
    """Refuse weights for timm of what timm cannot make.

    Raises:
        VicinalError: the network is none of timm's, or weights alone do not predict as the run.
    """
    reason = why_not_timm(predictor, form)
    if reason is not None:
        raise VicinalError(f"--format timm is not for this run, as {reason}: leave timm out")


def why_not_timm(predictor: Predictor, form: Form) -> str | None:
    """Why timm cannot load a run; None where it can."""
    name = form.preprocessing.model
    if type(form) is not ImageForm:
        return f"timm has networks that classify images, and this is one for {form.target}"
    if name in OWN:
        return f"{name} is a network of vicinal's, which timm does not have"
    return _rescaled(predictor)


def _rescaled(predictor: Predictor) -> str | None:
    if predictor.rescaling is None:
        return None
    return "its predictions are rescaled, which weights alone do not say"


def timm_name(form: Form) -> str:
    name: str = form.preprocessing.model
    return ALIASES.get(name, name)


def timm_runner(form: Form, file: Path) -> Runner:
    """What timm makes of a file of weights, as the graph is run."""
    import timm

    model: nn.Module = timm.create_model(
        timm_name(form), num_classes=form.preprocessing.n_out, checkpoint_path=str(file)
    )
    model.eval()

    def run(pixels: Tensor) -> Tensor:
        scores: Tensor = model(form.network_input([pixels]))
        return scores.sigmoid() if form.target == "labels" else scores.softmax(dim=1)

    return run


def loaded_by(predictor: Predictor, form: Form) -> str | None:
    """The library that can load a run's network from a folder, as its config says; None: none."""
    if _rescaled(predictor) is not None:
        return None
    if isinstance(form, MaskForm):
        return "segmentation-models-pytorch"
    if isinstance(predictor.model, HubTextModel):
        return "transformers"
    return "timm" if why_not_timm(predictor, form) is None else None


def save_network(predictor: Predictor, form: Form, folder: Path) -> None:
    """Write the weights and, where a library loads such a folder, its config."""
    library, model = loaded_by(predictor, form), predictor.model
    if library is None:
        save_weights(model, folder / WEIGHTS)
    elif library == "timm":
        _save_for_timm(model, form, folder)
    elif library == "transformers":
        _save_for_transformers(model, form, folder)
    else:
        unet: Any = model
        unet.save_pretrained(folder)


def _save_for_timm(network: nn.Module, form: Form, folder: Path) -> None:
    from timm.models import save_for_hf

    how = form.preprocessing
    # Safetensors takes no weights in channels_last.
    model: Any = deepcopy(network).to(memory_format=torch.contiguous_format)
    before: dict[str, Any] = getattr(model, "pretrained_cfg", {})
    config = {name: before[name] for name in OF_ARCHITECTURES if name in before}
    model.pretrained_cfg = {
        "architecture": timm_name(form),
        **config,
        "num_classes": how.n_out,
        "input_size": (3, *sides(how.size)),
        "mean": tuple(how.mean),
        "std": tuple(how.std),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "crop_mode": CROP_MODES[how.resize],
    }
    names = {"label_names": list(how.vocab or ())}
    save_for_hf(model, str(folder), model_config=names, safe_serialization=True)


def _save_for_transformers(network: nn.Module, form: Form, folder: Path) -> None:
    assert isinstance(network, HubTextModel)
    how, model = form.preprocessing, deepcopy(network.model)
    model.config.id2label = dict(enumerate(how.vocab or ()))
    model.config.label2id = {name: index for index, name in enumerate(how.vocab or ())}
    several = form.target == "labels"
    model.config.problem_type = (
        "multi_label_classification" if several else "single_label_classification"
    )
    model.save_pretrained(folder)
    how.tokenizer.hub.save_pretrained(folder)


def _smp_runner(form: Form, folder: Path) -> Runner:
    import segmentation_models_pytorch

    with contextlib.redirect_stdout(io.StringIO()):  # it prints where it looks
        model = segmentation_models_pytorch.from_pretrained(str(folder)).eval()
    return lambda pixels: model(form.network_input([pixels])).softmax(dim=1)


def _transformers_runner(form: Form, folder: Path) -> Runner:
    import transformers

    transformers.logging.disable_progress_bar()
    classes = transformers.AutoModelForSequenceClassification
    model = classes.from_pretrained(folder, use_safetensors=True).float().eval()

    def run(ids: Tensor, mask: Tensor) -> Tensor:
        # One by one: how a batch is padded is for the tokenizer to say.
        rows = [row[there][None] for row, there in zip(ids, mask, strict=True)]
        scores = torch.cat([model(input_ids=row).logits for row in rows])
        return scores.sigmoid() if form.target == "labels" else scores.softmax(dim=1)

    return run


#: What runs the network of a folder, by the library that loads it.
LOADERS: dict[str, Callable[[Form, Path], Runner]] = {
    "timm": lambda form, folder: timm_runner(form, folder / WEIGHTS),
    "segmentation-models-pytorch": _smp_runner,
    "transformers": _transformers_runner,
}
