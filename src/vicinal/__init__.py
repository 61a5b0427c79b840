"""Mix training samples and their targets: mixup and its family, exact with any loss.

Every public name is loaded at its first use, so that ``import vicinal`` costs nothing, and mixing
alone costs what importing torch costs. The names are typed in ``__init__.pyi``. The star import
gives those whose packages are installed, and names the others.
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
        "AcrossProcesses",
        "AlignMix",
        "AttentiveMix",
        "BalancedMixUp",
        "BetweenClass",
        "CMixUp",
        "Choice",
        "ClassMix",
        "ColumnMix",
        "CutMix",
        "FMix",
        "Far",
        "GridMix",
        "FeatMix",
        "FreqMix",
        "GuidedMixUp",
        "HidMix",
        "KMixUp",
        "KernelMixUp",
        "ManifoldMixUp",
        "Mix",
        "MixUp",
        "MixedTarget",
        "Mixer",
        "Mixup",
        "MultiMix",
        "Near",
        "PuzzleMix",
        "Remix",
        "ResizeMix",
        "SaliencyMix",
        "Schedule",
        "SmoothMix",
        "ZetaMixUp",
        "SnapMix",
        "TransMix",
        "check_mixer",
        "halves",
        "spectral_residual",
    ),
    "detection": ("CopyPaste", "DetectionCutMix", "DetectionMixUp", "Mosaic"),
    "mixed.tensor": ("MixedTensor", "as_tensors", "own_targets"),
    "batches": ("BatchMixer", "MixCollate"),
    "absent": (
        "BBoxBlock",
        "BBoxLblBlock",
        "CollabDataLoaders",
        "Lamb",
        "Larc",
        "Lookahead",
        "PointBlock",
        "QHAdam",
        "RAdam",
        "collab_learner",
        "language_model_learner",
        "ranger",
    ),
    "activations": ("noop",),
    "criteria": (
        "AsymmetricLoss",
        "BCELossFlat",
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
    "dice_loss": ("DiceLoss",),
    "losses": ("MixLoss",),
    "plots.show_image": ("show_image", "show_images", "show_titled_image"),
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
    "scores.accumulated": ("AccumMetric", "AvgMetric", "skm_to_fastai"),
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
    "scores.probabilities": ("APScoreBinary", "BrierScore", "RocAuc", "RocAucBinary"),
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
    "data.as_tensor": ("tensor", "to_cpu", "to_np"),
    "data.augment": (
        "BatchTransform",
        "ColorJitter",
        "Normalize",
        "RandomErasing",
        "aug_transforms",
        "cifar_stats",
        "imagenet_stats",
        "mnist_stats",
    ),
    "data.block": ("DataBlock",),
    "data.coco": ("CocoDataset",),
    "data.dates": ("add_datepart",),
    "data.download": ("untar_data",),
    "data.image_blocks": ("CategoryBlock", "ImageBlock"),
    "data.image_files": ("PILImage", "PILImageBW", "get_image_files"),
    "data.item_transforms": ("PadMode", "RandomResizedCrop", "Resize", "ResizeMethod", "ToTensor"),
    "data.loaders": ("DataLoaders",),
    "data.first": ("first",),
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
    "data.urls": ("URLs",),
    "data.verifying": ("verify_images",),
    "data.vision": ("ImageDataLoaders",),
    "data.label_blocks": ("MultiCategoryBlock", "RegressionBlock"),
    "data.mask_block": ("MaskBlock",),
    "data.procs": ("Categorify", "FillMissing"),
    "data.segmentation": ("SegmentationDataLoaders",),
    "data.tabular": ("TabularDataLoaders", "TabularPandas", "cont_cat_split", "range_of"),
    "data.text_block": ("TextBlock", "get_text_files"),
    "data.text_loaders": ("TextDataLoaders",),
    "models.rescale": ("Rescale", "ScaledMSELoss"),
    "models.tabular": ("TableNet",),
    "models.hub_text": ("hub_text_model",),
    "models.text": ("TextCNN", "TextTransformer"),
    "models.parts": ("Embedding", "Module", "sigmoid_range"),
    "models.heads": ("create_head",),
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
        "CancelBackwardException",
        "CancelBatchException",
        "CancelEpochException",
        "CancelFitException",
        "CancelStepException",
        "CancelTrainException",
        "CancelValidException",
    ),
    "learner.export": ("load_learner",),
    "learner.interpretation": ("ClassificationInterpretation", "Interpretation"),
    "learner.learner": ("Learner",),
    "learner.seeds": ("set_seed",),
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
    "learner.named_optimizers": ("Adam", "OptimWrapper", "RMSProp", "SGD"),
    "learner.regmixup": ("MixUpMP", "RegMixUp"),
    "learner.monitors": ("EarlyStopping", "SaveBest"),
    "learner.resizing": ("ProgressiveResizing",),
    "learner.trackers": ("Track",),
    "study.compare": ("compare",),
    "export.run": ("export_run",),
    "learner.suggestions": ("minimum", "slide", "steep", "valley"),
    "learner.tabular": ("tabular_config", "tabular_learner"),
    "learner.text": ("AWD_LSTM", "text_classifier_learner"),
    "learner.unet": ("unet_learner",),
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
# Scripts and notebooks use these right after `from vicinal import *`, as after fastai's.
_HOME["partial"] = "functools"
_HOME["DataLoader"] = "torch.utils.data"
_MODULES = {
    "F": "torch.nn.functional",
    "math": "math",
    "nn": "torch.nn",
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "re": "re",
    "torch": "torch",
}

_NAMES = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name == "__all__":  # not before it is asked for: it depends on what is installed
        return globals().setdefault(name, _available())
    if name not in _HOME and name not in _MODULES:
        import difflib

        from vicinal.absent import NAMES

        near = difflib.get_close_matches(name, _HOME, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        hint = f": {NAMES[name]}" if name in NAMES else hint
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name)
    try:
        module = importlib.import_module(_HOME.get(name) or _MODULES[name])
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("vicinal"):
            raise
        raise ModuleNotFoundError(
            f"vicinal.{name} needs {error.name}: pip install 'vicinal[train]'", name=error.name
        ) from None
    value = globals()[name] = module if name in _MODULES else getattr(module, name)
    return value


def _available() -> list[str]:
    """The names that ``from vicinal import *`` gives: those whose packages are installed.

    Without ``Path``, which would take the place of a pathlib.Path that was imported before: it is
    in :mod:`vicinal.all`.
    """
    lacking: dict[str, str] = {}
    for name in _NAMES:
        try:
            getattr(sys.modules[__name__], name)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("vicinal"):
                raise
            lacking[name] = str(error.name)
    if lacking:
        packages = ", ".join(sorted(set(lacking.values())))
        warnings.warn(
            f"left out of `from vicinal import *`, for want of {packages}: {', '.join(lacking)}; "
            "pip install 'vicinal[train]' brings them",
            stacklevel=3,
        )
    return [name for name in _NAMES if name not in lacking and name != "Path"]


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
