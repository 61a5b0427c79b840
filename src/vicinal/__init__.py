"""Mix training samples and their targets: mixup and its family, exact with any loss.

Every public name is loaded at its first use, so that ``import vicinal`` costs nothing, and mixing
alone costs what importing torch costs. The names are typed in ``__init__.pyi``.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

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
        "Mixup",
        "Remix",
        "ResizeMix",
        "Schedule",
        "SmoothMix",
        "check_mixer",
        "halves",
    ),
    "mixed.tensor": ("MixedTensor", "as_tensors", "own_targets"),
    "batches": ("BatchMixer", "MixCollate"),
    "criteria": (
        "AsymmetricLoss",
        "BCEWithLogitsLossFlat",
        "FocalLoss",
        "FocalLossFlat",
        "L1LossFlat",
        "MSELossFlat",
        "OrdinalLoss",
        "ordinal_class",
        "ordinal_probabilities",
    ),
    "cross_entropy": (
        "CrossEntropyLossFlat",
        "LabelSmoothingCrossEntropy",
        "LabelSmoothingCrossEntropyFlat",
    ),
    "losses": ("MixLoss",),
    "rescaling": ("Rescaling", "mean_share"),
    "metrics": (
        "Perplexity",
        "accuracy",
        "accuracy_multi",
        "error_rate",
        "exp_rmspe",
        "foreground_acc",
        "mae",
        "mse",
        "msle",
        "perplexity",
        "rmse",
        "top_k_accuracy",
    ),
    "scores.accumulated": ("AccumMetric", "skm_to_fastai"),
    "scores.classes": (
        "BalancedAccuracy",
        "CohenKappa",
        "F1Score",
        "FBeta",
        "HammingLoss",
        "Jaccard",
        "MatthewsCorrCoef",
        "Precision",
        "Recall",
    ),
    "scores.probabilities": ("APScoreBinary", "RocAuc", "RocAucBinary"),
    "scores.labels": (
        "APScoreMulti",
        "F1ScoreMulti",
        "FBetaMulti",
        "HammingLossMulti",
        "JaccardMulti",
        "PrecisionMulti",
        "RecallMulti",
        "RocAucMulti",
    ),
    "scores.masks": ("Dice", "DiceMulti", "JaccardCoeff", "JaccardCoeffMulti"),
    "scores.values": ("ExplainedVariance", "PearsonCorrCoef", "R2Score", "SpearmanCorrCoef"),
    "errors": ("VicinalError",),
    "data.augment": (
        "BatchTransform",
        "ColorJitter",
        "Normalize",
        "RandomErasing",
        "aug_transforms",
    ),
    "data.block": (
        "CategoryBlock",
        "DataBlock",
        "GroupSplitter",
        "ImageBlock",
        "RandomSplitter",
        "RegexLabeller",
        "Resize",
        "get_image_files",
        "parent_label",
        "using_attr",
    ),
    "data.download": ("URLs", "untar_data"),
    "data.loaders": ("DataLoaders",),
    "data.preprocessing": ("TablePreprocessing",),
    "data.text": ("TextData", "WordTokenizer"),
    "data.vision": ("ImageDataLoaders",),
    "models.rescale": ("Rescale", "ScaledMSELoss"),
    "models.tabular": ("TableNet",),
    "models.hub_text": ("hub_text_model",),
    "models.text": ("TextCNN", "TextTransformer"),
    "models.zoo": (
        "create_model",
        "resnet101",
        "resnet18",
        "resnet34",
        "resnet50",
        "xresnet101",
        "xresnet18",
        "xresnet34",
        "xresnet50",
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
    "learner.gradients": (
        "AccumulateGradients",
        "ClipGradients",
        "GradientAccumulation",
        "GradientClip",
    ),
    "learner.ema": ("EMA",),
    "learner.muon": ("muon_adamw",),
    "learner.regmixup": ("MixUpMP", "RegMixUp"),
    "learner.monitors": ("EarlyStopping", "SaveBest"),
    "learner.resizing": ("ProgressiveResizing",),
    "learner.trackers": ("Track",),
    "study.compare": ("compare",),
    "learner.vision": ("cnn_learner", "vision_learner"),
    "learner.csv_logger": ("CSVLogger",),
    "learner.tracker_callbacks": (
        "EarlyStoppingCallback",
        "ReduceLROnPlateau",
        "SaveModelCallback",
        "TerminateOnNaNCallback",
    ),
}
_HOME = {name: f"vicinal.{home}" for home, names in _HOMES.items() for name in names}
_HOME["Path"] = "pathlib"  # scripts say `path / "images"` right after `from vicinal import *`

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        import difflib

        near = difflib.get_close_matches(name, _HOME, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise AttributeError(f"module 'vicinal' has no attribute {name!r}{hint}", name=name)
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
