"""The peer libraries, each called through its own public interface."""

import importlib.metadata
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

Call = Callable[[Tensor, Tensor], object]

CLASSES = 10
ALPHA = 0.4


def _torchvision(name: str) -> Call:
    from torchvision.transforms import v2

    if name == "MixUp":
        return v2.MixUp(alpha=ALPHA, num_classes=CLASSES)
    return v2.CutMix(alpha=1.0, num_classes=CLASSES)


def _timm(mode: str) -> Callable[[str], Call]:
    def make(name: str) -> Call:
        from timm.data.mixup import Mixup

        strength = (
            {"mixup_alpha": ALPHA} if name == "MixUp" else {"mixup_alpha": 0.0, "cutmix_alpha": 1.0}
        )
        return Mixup(**strength, mode=mode, label_smoothing=0.0, num_classes=CLASSES)

    return make


def _fastai(name: str) -> Call:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastai.callback.mixup import CutMix, MixUp
    callback = MixUp(ALPHA) if name == "MixUp" else CutMix(1.0)
    # As its Learner sets it for class indices, whose loss mixes the two losses.
    callback.stack_y = True

    def call(x: Tensor, y: Tensor) -> object:
        callback.learn = SimpleNamespace(xb=(x,), yb=(y,), x=x, y=y)
        callback.before_batch()
        return callback.learn.xb

    return call


def _kornia(name: str) -> Call:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kornia.augmentation import RandomCutMixV2, RandomMixUpV2
    method = RandomMixUpV2 if name == "MixUp" else RandomCutMixV2
    return method(data_keys=["input", "class"])


def _mixup(name: str) -> Call:
    import mixup

    method: Any = {"MixUp": mixup.VanillaMixUp, "CutMix": mixup.CutMix}[name](
        alpha=ALPHA if name == "MixUp" else 1.0
    )
    return lambda x, y: method(x, F.one_hot(y, CLASSES).float())


PEERS: dict[str, tuple[str, Callable[[str], Call]]] = {
    "torchvision": ("torchvision", _torchvision),
    "timm, a weight per batch": ("timm", _timm("batch")),
    "timm, a weight per sample": ("timm", _timm("elem")),
    "fastai": ("fastai", _fastai),
    "kornia": ("kornia", _kornia),
    "mixup (PyPI)": ("mixup", _mixup),
}


def installed(method: str) -> tuple[dict[str, Call], dict[str, str]]:
    """The peers that are installed, and why the others are missing.

    Args:
        method: "MixUp" or "CutMix".

    Returns:
        A function of (x, y) for each installed peer, and a reason for each missing one, by name.
    """
    calls: dict[str, Call] = {}
    missing: dict[str, str] = {}
    for name, (package, make) in PEERS.items():
        try:
            calls[name] = make(method)
        except Exception as error:  # a broken install must not stop the benchmark
            missing[name] = (
                f"{package} is not installed" if isinstance(error, ImportError) else str(error)
            )
    return calls, missing


def versions() -> dict[str, str]:
    """The versions of torch, numba and all peers; "missing" where one is not installed."""
    packages = ["torch", "numba", *dict.fromkeys(package for package, _ in PEERS.values())]
    installed_versions = {}
    for package in packages:
        try:
            installed_versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            installed_versions[package] = "missing"
    return installed_versions
