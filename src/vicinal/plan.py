"""From data and wishes to settings: what is chosen where the user chose nothing, and why."""

from dataclasses import dataclass, fields
from typing import Any

import torch

from vicinal.data.augment import BatchTransform, Lighting, Normalize, RandomView, Translate
from vicinal.data.loaders import default_device
from vicinal.data.samples import Split
from vicinal.data.vision import fits_in_memory, one_size
from vicinal.errors import VicinalError
from vicinal.learner.precision import choose_precision
from vicinal.models.zoo import WeightsUnavailable, check_name, check_weights, fixed_size

SMALL = 64  # pixels; up to there images are kept as they are, and shifted rather than cropped


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None leaves the choice to :func:`make_plan`."""

    data: str
    mix: str = "mixup"
    alpha: float | None = None
    model: str | None = None
    pretrained: bool | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    size: int | None = None
    valid: float = 0.2
    label: str | None = None
    label_pattern: str | None = None
    precision: str = "auto"
    seed: int = 0
    skip_bad: bool = False

    def as_before(self, asked: dict[str, Any]) -> "Wishes":
        """These wishes, those that are left open as they were in a run before.

        Raises:
            VicinalError: something else is wished than then.
        """
        for field in fields(self):
            wish, before = getattr(self, field.name), asked.get(field.name, field.default)
            if wish not in (field.default, before):
                option = field.name.replace("_", "-")
                raise VicinalError(
                    f"the run was begun with {option} {before}, not {wish}: leave that out, or "
                    "begin another run"
                )
        return Wishes(**asked)

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("batch_size", 2), ("size", 8)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                option = name.replace("_", "-")
                raise VicinalError(f"--{option} must be {lowest} or more, not {value}")
        if not 0 <= self.seed < 2**63:
            raise VicinalError(f"--seed must be between 0 and {2**63 - 1}, not {self.seed}")
        if self.alpha == float("inf"):
            raise VicinalError("--alpha must be a finite number, not inf")
        if self.lr is not None and not 0 < self.lr < float("inf"):
            raise VicinalError(f"--lr must be above 0, not {self.lr}")


@dataclass(frozen=True)
class Plan:
    """What a training is done with; ``reasons`` has a line for each choice."""

    size: int
    item_size: int
    model: str
    pretrained: bool
    epochs: int
    batch_size: int
    lr: float
    precision: str
    device: torch.device
    normalize: Normalize | None
    transforms: list[BatchTransform]
    reasons: list[tuple[str, str]]


def make_plan(wishes: Wishes, split: Split) -> Plan:
    """Choose what the user left open, by the size and the number of the images."""
    reasons: list[tuple[str, str]] = []

    def choose(name: str, wished: Any, default: Any, why: str) -> Any:
        chosen = default if wished is None else wished
        reasons.append((name, f"{chosen} ({why if wished is None else 'as asked'})"))
        return chosen

    device = default_device()
    size = choose("size", wishes.size, *_size(wishes.model, one_size(split.train), device))
    small = size <= SMALL
    item_size = size if small else round(size * 1.15)
    many = len(split.train) >= 10_000
    kind = "small images" if small else "photos"
    model = choose("model", wishes.model, "resnet9" if small else "resnet18", f"for {kind}")
    pretrained, why = _pretrained(wishes.pretrained, model, small)
    reasons.append(("weights", f"{'pretrained' if pretrained else 'random'} ({why})"))
    epochs = choose("epochs", wishes.epochs, *_epochs(small, many, pretrained))
    batch_size = choose("batch size", wishes.batch_size, *_batch_size(len(split.train), small))
    if batch_size > len(split.train):
        raise VicinalError(
            f"--batch-size {batch_size} is larger than the {len(split.train):,} training images: "
            f"use {len(split.train)} or less"
        )
    lr = choose("learning rate", wishes.lr, *_learning_rate(small, many, kind))
    precision, why = choose_precision(wishes.precision, device)
    reasons.append(("precision", f"{precision} ({why})"))
    transforms, described = _transforms(size, split.mirrored, small, pretrained)
    reasons.append(("random changes", described))
    in_memory = fits_in_memory(split, item_size)
    reasons.append(("images", "kept in memory" if in_memory else "streamed: too many for memory"))
    stats = Normalize.of(split.train.images) if torch.is_tensor(split.train.images) else None
    return Plan(
        size=size,
        item_size=item_size,
        model=model,
        pretrained=pretrained,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        precision=precision,
        device=device,
        normalize=stats,
        transforms=transforms,
        reasons=reasons,
    )


def _size(model: str | None, native: int | None, device: torch.device) -> tuple[int, str]:
    only = fixed_size(model) if model else None
    if only is not None:
        return only, f"the only one that {model} takes"
    if native is not None and native <= SMALL:
        return native, "as the images are"
    return (128, "photos on a CPU") if device.type == "cpu" else (224, f"photos on {device.type}")


def _pretrained(wished: bool | None, model: str, small: bool) -> tuple[bool, str]:
    check_name(model)
    if wished is False:
        return False, "as asked"
    if wished is None and small:
        return False, "weights of photos do not fit small images"
    try:
        check_weights(model)
    except WeightsUnavailable as error:
        if wished:
            raise
        return False, str(error)
    return True, "as asked" if wished else "they save most of the training"


def _epochs(small: bool, many: bool, pretrained: bool) -> tuple[int, str]:
    if pretrained:
        return 5, "enough from pretrained weights"
    if small and many:
        return 10, "from random weights, many images"
    return 20, "from random weights"


def _batch_size(count: int, small: bool) -> tuple[int, str]:
    wanted = 256 if small and count >= 10_000 else 64
    # A few steps an epoch are needed to learn anything.
    fitting = max(2, min(wanted, count // 4))
    return fitting, f"{count:,} training images"


def _learning_rate(small: bool, many: bool, kind: str) -> tuple[float, str]:
    return (1e-2, f"{kind}, many of them") if small and many else (3e-3, kind)


def _transforms(
    size: int, mirrored: bool, small: bool, pretrained: bool
) -> tuple[list[BatchTransform], str]:
    flips = "flips" if mirrored else "no flips: they would change what is seen"
    if small:
        pixels = max(1, size // 8)
        shift = Translate(pixels, flip=mirrored)
        return [shift], f"shifts by up to {pixels} pixel{'s' if pixels > 1 else ''}, {flips}"
    share = 0.5 if pretrained else 0.35
    view = RandomView(size, min_scale=share, flip=mirrored)
    described = f"crops of {share:.0%} of the area and more, {flips}, rotation, tilt, light"
    return [view, Lighting()], described
