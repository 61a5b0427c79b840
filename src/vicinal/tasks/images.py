"""From data and wishes to settings: what is chosen where the user chose nothing, and why."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch

from vicinal.data.augment import BatchTransform, Lighting, Normalize, RandomView
from vicinal.data.samples import Split
from vicinal.data.stream import StreamedSplit
from vicinal.data.vision import one_size, storage_of
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.learner.precision import choose_precision
from vicinal.models.zoo import WeightsUnavailable, check_name, check_weights, fixed_size
from vicinal.processes import default_device, this_process
from vicinal.recipes.recipe import Changes, Recipe, shifts

CALLED = {"batch_size": "batch size", "lr": "learning rate"}
SMALL = 64  # pixels; up to there images are kept as they are, and shifted rather than cropped


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None leaves the choice to :func:`make_plan`."""

    data: str
    recipe: str | None = None
    mix: str | None = None
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
    compile: bool = False
    track: str | None = None
    seed: int = 0
    skip_bad: bool = False
    stream: bool = False

    def as_before(self, asked: dict[str, Any]) -> "Wishes":
        """These wishes, those that are left open as they were in a run before.

        Raises:
            VicinalError: something else is wished than then.
        """
        for field in fields(self):
            wish, before = getattr(self, field.name), asked.get(field.name, field.default)
            if wish not in (field.default, before):
                option = field.name.replace("_", "-")
                begun = "left open" if before is None else before
                raise VicinalError(
                    f"the run was begun with {option} {begun}, not {wish}: leave that out, or "
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
    """What a training is done with; ``reasons`` has a line for each choice.

    ``listed`` tells apart data of other samples, or samples in another order, by their labels.
    """

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
    learner: dict[str, Any]
    fit: Callable[[Learner, int, float], None]
    listed: str
    reasons: list[tuple[str, str]]


def make_plan(wishes: Wishes, split: Split, recipe: Recipe | None = None) -> Plan:
    """Choose what the user left open: by the recipe, or by the size and number of the images."""
    reasons: list[tuple[str, str]] = []
    fixed = recipe.defaults if recipe else {}

    def choose(field: str, default: Any, why: str) -> Any:
        wished = getattr(wishes, field)
        if wished is not None:
            default, why = wished, "as asked"
        elif field in fixed:
            default, why = fixed[field], f"the recipe {wishes.recipe}"
        reasons.append((CALLED.get(field, field), f"{default} ({why})"))
        return default

    device, processes = default_device(), this_process().num_processes
    if processes > 1:
        reasons.append(("processes", f"{processes}, each with batches of its own"))
    named = wishes.model or fixed.get("model")
    looked_at = split.train.head() if isinstance(split, StreamedSplit) else split.train
    size = choose("size", *_size(named, one_size(looked_at), device))
    small = size <= SMALL
    item_size = round(size * (recipe.item_scale if recipe else 1.0 if small else 1.15))
    many = len(split.train) >= 10_000
    kind = "small images" if small else "photos"
    model = choose("model", "resnet9" if small else "resnet18", f"for {kind}")
    if recipe and wishes.pretrained is None:
        pretrained, why = False, f"the recipe {wishes.recipe}"
    else:
        pretrained, why = _pretrained(wishes.pretrained, model, small)
    reasons.append(("weights", f"{'pretrained' if pretrained else 'random'} ({why})"))
    epochs = choose("epochs", *_epochs(small, many, pretrained))
    batch_size = choose("batch_size", *_batch_size(len(split.train) // processes, small))
    if batch_size > len(split.train):
        raise VicinalError(
            f"--batch-size {batch_size} is larger than the {len(split.train):,} training images: "
            f"use {len(split.train)} or less"
        )
    lr = choose("lr", *_learning_rate(small, many, kind))
    precision, why = choose_precision(wishes.precision, device)
    reasons.append(("precision", f"{precision} ({why}), channels last"))
    transforms, described = (
        recipe.changes(size) if recipe else _changes(size, split.mirrored, small, pretrained)
    )
    reasons.append(("random changes", described))
    if isinstance(split, StreamedSplit):
        reasons.append(("images", split.describe()))
    else:
        reasons.append(("images", storage_of(split, item_size).text))
    stats = Normalize.of(looked_at.images) if torch.is_tensor(looked_at.images) else None
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
        learner=recipe.learner if recipe else {},
        fit=recipe.fit if recipe else Learner.fine_tune if pretrained else Learner.fit_one_cycle,
        listed=_listed(split),
        reasons=reasons,
    )


def _listed(split: Split) -> str:
    parts: list[Any] = [split.train, split.valid]
    if isinstance(split, StreamedSplit):  # whose labels nobody has read
        listed = [split.vocab, *((len(part), part.rows.n_shards) for part in parts)]
    else:
        listed = [split.vocab, *(list(part.labels) for part in parts)]
    return hashlib.blake2b(repr(listed).encode(), digest_size=16).hexdigest()


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


def _changes(size: int, mirrored: bool, small: bool, pretrained: bool) -> Changes:
    if small:
        return shifts(size // 8, flip=mirrored)
    flips = "flips" if mirrored else "no flips: they would change what is seen"
    share = 0.5 if pretrained else 0.35
    view = RandomView(size, min_scale=share, flip=mirrored)
    described = f"crops of {share:.0%} of the area and more, {flips}, rotation, tilt, light"
    return [view, Lighting()], described
