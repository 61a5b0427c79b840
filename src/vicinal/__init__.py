"""Mix training samples and their targets: mixup and its family, exact with any loss.

Every public name is loaded at its first use, so that ``import vicinal`` costs nothing, and mixing
alone costs what importing torch costs. The names are typed in ``__init__.pyi``.
"""

import importlib
import sys
import warnings
from typing import Any

__version__ = "0.1.0"

if "ipykernel" in sys.modules:
    # In a notebook tqdm, which accelerate imports, asks for ipywidgets: nothing here needs them.
    warnings.filterwarnings("ignore", "IProgress not found")

_HOMES = {
    "mixing": (
        "BalancedMixUp",
        "BetweenClass",
        "CMixUp",
        "Choice",
        "ClassMix",
        "ColumnMix",
        "CutMix",
        "DetectionMixUp",
        "FMix",
        "GridMix",
        "KernelMixUp",
        "ManifoldMixUp",
        "Mix",
        "MixUp",
        "MixedTarget",
        "Mixer",
        "Remix",
        "ResizeMix",
        "Schedule",
        "SmoothMix",
        "check_mixer",
        "halves",
    ),
    "mixed.tensor": ("MixedTensor", "as_tensors", "own_targets"),
    "batches": ("BatchMixer", "MixCollate"),
    "criteria": ("AsymmetricLoss", "OrdinalLoss", "ordinal_class", "ordinal_probabilities"),
    "cross_entropy": ("CrossEntropyLossFlat",),
    "losses": ("MixLoss",),
    "rescaling": ("Rescaling", "mean_share"),
    "metrics": ("accuracy", "accuracy_multi", "error_rate", "mae", "rmse", "top_k_accuracy"),
    "errors": ("VicinalError",),
    "data.augment": (
        "BatchTransform",
        "ColorJitter",
        "Normalize",
        "RandomErasing",
        "aug_transforms",
    ),
    "data.block": ("DataBlock",),
    "data.download": ("URLs", "untar_data"),
    "data.image_blocks": ("CategoryBlock", "ImageBlock"),
    "data.image_files": ("PILImage", "get_image_files"),
    "data.item_transforms": ("RandomResizedCrop", "Resize", "ResizeMethod", "ToTensor"),
    "data.loaders": ("DataLoaders",),
    "data.paths": ("Path",),
    "data.preprocessing": ("TablePreprocessing",),
    "data.readers": (
        "AttrGetter",
        "ColReader",
        "ItemGetter",
        "RegexLabeller",
        "parent_label",
        "using_attr",
    ),
    "data.splitters": (
        "ColSplitter",
        "EndSplitter",
        "FileSplitter",
        "FuncSplitter",
        "GrandparentSplitter",
        "GroupSplitter",
        "IndexSplitter",
        "MaskSplitter",
        "RandomSplitter",
        "RandomSubsetSplitter",
        "TrainTestSplitter",
    ),
    "data.text": ("TextData", "WordTokenizer"),
    "data.vision": ("ImageDataLoaders",),
    "models.rescale": ("Rescale", "ScaledMSELoss"),
    "models.tabular": ("TableNet",),
    "models.hub_text": ("hub_text_model",),
    "models.text": ("TextCNN", "TextTransformer"),
    "models.zoo": (
        "create_model",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "xresnet18",
        "xresnet34",
        "xresnet50",
        "xresnet101",
    ),
    "learner.events": (
        "Callback",
        "CancelBackward",
        "CancelBatch",
        "CancelEpoch",
        "CancelFit",
        "CancelStep",
        "CancelTrain",
        "CancelValidate",
    ),
    "learner.interpretation": ("Interpretation",),
    "learner.learner": ("Learner",),
    "tasks.predictor": ("Predictor",),
    "learner.rescaledmixup": ("RescaledMixUp",),
    "learner.resume": ("Checkpoint",),
    "learner.gradients": ("AccumulateGradients", "ClipGradients"),
    "learner.ema": ("EMA",),
    "learner.muon": ("muon_adamw",),
    "learner.regmixup": ("MixUpMP", "RegMixUp"),
    "learner.monitors": ("EarlyStopping", "SaveBest"),
    "learner.resizing": ("ProgressiveResizing",),
    "learner.trackers": ("Track",),
    "study.compare": ("compare",),
    "learner.vision": ("cnn_learner", "vision_learner"),
}
# Path is there as scripts say `path / "images"` right after `from vicinal import *`.
_HOME = {name: f"vicinal.{home}" for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vicinal' has no attribute {name!r}")
    try:
        module = importlib.import_module(_HOME[name])
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("vicinal"):
            raise
        raise ModuleNotFoundError(
            f"vicinal.{name} needs {error.name}: pip install 'vicinal[train]'", name=error.name
        ) from None
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
