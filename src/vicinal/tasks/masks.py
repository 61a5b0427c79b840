"""Masks: networks that give each pixel of an image a class."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from vicinal.data.augment import to_unit_floats
from vicinal.data.images import decode
from vicinal.data.mask_block import MaskBlock
from vicinal.data.mask_loaders import MaskLoaders
from vicinal.data.mask_split import MaskSplit
from vicinal.data.resizing import Resizing
from vicinal.data.samples import ImageParts
from vicinal.data.sizes import Size, as_size, how_read, sides
from vicinal.data.stored_masks import VOID, StoredMasks
from vicinal.data.vision import ImageDataLoaders, one_size, shapes_of
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.learner.unet import unet_learner
from vicinal.metrics import accuracy
from vicinal.mixing import Mixer
from vicinal.models.unet import unet
from vicinal.scores.masks import ClassIoU, MeanIoU
from vicinal.tasks import mask_losses
from vicinal.tasks.images import SHOWN, SMALL, ImageTask, _pretrained
from vicinal.tasks.mask_preprocessing import MaskPreprocessing
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.task import Default

STRIDE = 32  # pixels; sides that are multiples of it lose nothing in the network
COLUMNS = 12  # classes; the table has a column for each of so many


class MaskTask(ImageTask):
    """Train a U-Net on images with masks."""

    kind = "masks"
    refused = ("recipe", "label_pattern", "stream")
    preprocessing_type = MaskPreprocessing
    split: MaskSplit  # type: ignore[assignment]

    def _choose_network(self) -> None:
        shapes = shapes_of(self.split.train)
        self._choose_size(_size(shapes, self.device))
        self._choose_resizing(shapes)
        self.small = max(sides(self.size)) <= SMALL
        self.many = len(self.split.train) >= 10_000
        self.noun = "masks of small images" if self.small else "masks of photos"
        on_cpu = self.device.type == "cpu"
        default = ("resnet18", "on a CPU") if on_cpu else ("resnet34", f"on {self.device.type}")
        self.model = self._choose("model", (default[0], f"the encoder of a U-Net, {default[1]}"))
        self.pretrained, why = _pretrained(self.options.pretrained, self.model, self.small)
        self.reasons.append(("weights", f"{'pretrained' if self.pretrained else 'random'} ({why})"))
        self._choose_augmentation()

    def _choose_resizing(self, shapes: list[tuple[int, int]]) -> None:
        if self.options.resize == "crop":
            raise VicinalError(
                "--resize crop would leave pixels at the border without a prediction: use squish "
                "or pad"
            )
        self.resize = self.options.resize or "squish"
        if one_size(shapes) != self.size or self.options.resize is not None:
            why = "as requested" if self.options.resize else "so that each pixel gets a class"
            self.reasons.append(("resize", f"{self.resize} ({why})"))

    def _epochs(self) -> Default:
        if self.pretrained:
            return 10, "from pretrained weights"
        return (10, "many images") if self.many else (30, "from random weights")

    def _batch_size(self, count: int) -> Default:
        # Of few images small batches, or there are too few steps: 25 an epoch, where possible.
        limit = 32 if self.small else 8
        size = min(limit, max(4, count // 25), count // 2)
        return max(2, size), f"{count:,} training images"

    def _learning_rate(self) -> Default:
        return (1e-3, f"{self.noun}, pretrained") if self.pretrained else (1e-2, self.noun)

    @property
    def metric(self) -> Any:
        """Pixel accuracy and the mean IoU, and the IoU of each of up to 12 classes."""
        known = partial(accuracy, ignore_index=VOID)
        names = self.split.vocab
        each = [ClassIoU(index, name) for index, name in enumerate(names)]
        return [known, MeanIoU(), *(each if len(names) <= COLUMNS else [])]

    def after_training(self, learn: Learner) -> list[tuple[str, str]]:
        """The IoU of each class, where they are too many for the table."""
        names = self.split.vocab
        if len(names) <= COLUMNS:
            return []
        before = learn.metrics
        learn.metrics = [ClassIoU(index, name) for index, name in enumerate(names)]
        try:
            found = learn.validate()
        finally:
            learn.metrics = before
        each = [f"{name} {found[f'valid_iou_{name}']:.3f}" for name in names]
        return [("IoU", ", ".join(each))]

    def _identity(self) -> list[Any]:
        split = self.split
        files = [mask for mask in split.masks if isinstance(mask, Path)]
        masks = [(file.parent.name, file.name, os.path.getsize(file)) for file in files]
        return [*super()._identity(), masks, split.pixels.tolist(), list(split.form.values)]

    def loaders(self) -> MaskLoaders:
        split = self.split
        parts = ImageParts(split.train, split.valid, None, len(split.vocab))
        images = ImageDataLoaders.from_split(
            parts, storage=self.storage, **self._loader_options(split.train.images)
        )
        made = MaskLoaders.of(images, split.masks, split.vocab, split.form.classes)
        made.target_block = MaskBlock(split.vocab)
        made.loss_func = made.target_block.loss_func
        return made

    def _checked_loss(self) -> str:
        return mask_losses.checked_loss(self.options.loss)

    def batch_mixer(self) -> Mixer | None:
        mask_losses.check_mix(self.loss, self.options.spec)
        return super().batch_mixer()

    def learner(self) -> Learner:
        learn = unet_learner(
            self.loaders(),
            self.model,
            loss_func=mask_losses.criterion(self.loss),
            pretrained=self.pretrained,
            metrics=self.metric,
            precision=self.precision,
            compile=self.options.compile,
        )
        self._try_out(learn)
        return learn

    def count_parameters(self) -> int:
        model = unet(self.model, len(self.split.vocab))
        return sum(parameter.numel() for parameter in model.parameters())

    def preprocessing(self, learn: Learner) -> MaskPreprocessing:
        normalize, form = learn.dls.normalize, self.split.form
        assert normalize is not None
        return MaskPreprocessing(
            model=self.model,
            vocab=self.split.vocab,
            item_size=self.item_size,
            size=self.size,
            mean=normalize.mean,
            std=normalize.std,
            resize=self.resize,
            masks=form.kind,
            values=list(form.values),
            palette=None if form.palette is None else list(form.palette),
        )

    def _figure(self, learn: Learner, x: Tensor, target: Any) -> Any:
        from vicinal.plots.overlays import overlays, painted

        pictures = learn.dls.pictures(x[:SHOWN])
        covered = painted(pictures, target[:SHOWN].to("cpu"), VOID)
        return overlays([("image", pictures), ("its mask", covered)], self.split.vocab)

    @classmethod
    def show(cls, options: TrainOptions, split: MaskSplit) -> Any:  # type: ignore[override]
        from vicinal.plots.overlays import overlays, painted

        options.refuse(("augment", "flip"), "a picture of masks")
        task = cls(replace(options, model="resnet18", pretrained=False), split)
        mixer = task.mixer_to_show()
        x, masks = _shown(task, split)
        mix = mixer.draw(x, masks)
        mixed, target = mix(x), mix.target(masks)
        partners, theirs = x[mix.partner], masks[mix.partner]
        rows = [
            ("image", painted(x, masks, VOID)),
            ("partner", painted(partners, theirs, VOID)),
            ("mix", mixed),
            ("its mask", painted(mixed, target, VOID)),
        ]
        return overlays(rows, split.vocab)


def _shown(task: MaskTask, split: MaskSplit) -> tuple[Tensor, Tensor]:
    """Images (B, 3, height, width), floats in [0, 1], and their masks."""
    samples = split.examples(SHOWN, task.options.seed)
    size = how_read(task.size, task.resize)
    decoded, _ = decode(samples, size)
    stored = StoredMasks(split.masks, Resizing.of(size), split.vocab, split.form.classes)
    return to_unit_floats(torch.as_tensor(decoded.images)), stored(torch.tensor(samples.labels))


def _size(shapes: list[tuple[int, int]], device: torch.device) -> tuple[Size, str]:
    """The size that the network sees: of photos, the shorter side and their usual shape."""
    native = one_size(shapes)
    if native is not None and max(sides(native)) <= SMALL:
        return native, "as the images are"
    shorter = 128 if device.type == "cpu" else 256
    ratio = median(width / height for height, width in shapes) if shapes else 1.0
    longer = STRIDE * max(1, round(shorter * max(ratio, 1 / ratio) / STRIDE))
    size = (shorter, longer) if ratio > 1 else (longer, shorter)
    return as_size(*size), f"photos on {'a CPU' if device.type == 'cpu' else device.type}"
