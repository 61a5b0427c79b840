"""Images: defaults by their size and number, and how new ones are classified."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from vicinal import recipes
from vicinal.data.augment import BatchTransform, Normalize, to_unit_floats
from vicinal.data.images import decode
from vicinal.data.resizing import Method
from vicinal.data.samples import Samples, Split
from vicinal.data.sizes import Size, how_read, parse_size, scaled, sides, size_text
from vicinal.data.storage import storage_of
from vicinal.data.vision import ImageDataLoaders, cut_off, one_size, shapes_of
from vicinal.errors import VicinalError
from vicinal.learner.adamw import AdamW
from vicinal.learner.learner import Learner
from vicinal.learner.vision import named_learner
from vicinal.methods import NONE
from vicinal.mixes import MixPart, parse_mix
from vicinal.mixing import MixUp
from vicinal.models.zoo import (
    WeightsUnavailable,
    check_name,
    check_weights,
    count_parameters,
    fixed_size,
    is_known,
    is_vision_transformer,
    stages,
)
from vicinal.recipes.recipe import Changes, Recipe
from vicinal.tasks.augmentation import Augmentation, choose_flip
from vicinal.tasks.drawn import Drawn
from vicinal.tasks.image_preprocessing import ImagePreprocessing
from vicinal.tasks.options import MixLike, TrainOptions
from vicinal.tasks.several_labels import add_union, criterion, shown_target
from vicinal.tasks.task import Default

SHOWN = 8  # samples in a picture of mixing
SMALL = 64  # pixels; up to here images are not resized, and shifted rather than cropped
PHOTO_SCALE = 1.15  # photos are read at this multiple of the size that the network sees
SEEN = 120_000  # small images in a training from random weights, an image once an epoch
NOTABLE = 0.02  # of an image's area is cut off
# Of small vision transformers: S. H. Lee et al., Vision transformer for small-size datasets (2021).
VIT_RATE, VIT_DECAY = 1e-3, 0.05


class ImageTask(Drawn):
    """Train a network on images.

    Attributes:
        size: of the images that the network sees: side of a square, or (height, width).
        item_size: to which they are resized when they are read.
        augmentation: of training images, where no recipe has its own.
        model, pretrained: the network's name, and whether it starts from published weights.
        storage: where the images are during training.
    """

    kind = "images"
    refused: ClassVar[tuple[str, ...]] = ()
    preprocessing_type: ClassVar[type[ImagePreprocessing]] = ImagePreprocessing
    layout = ", channels last"
    rechosen_on_resume = (
        "images",
    )  # how they are stored, as memory and disk are other ones by then
    split: Split

    def __init__(self, options: TrainOptions, split: Split) -> None:
        self.recipe = recipes.load(options.recipe) if options.recipe else None
        if self.recipe and split.several:
            raise VicinalError(
                f"--recipe {options.recipe} is for one class of each image, and these have several "
                "labels: leave it out"
            )
        if self.recipe:
            options.refuse(("augment", "flip"), f"the recipe {options.recipe}, which has its own")
            if options.mix is None:
                options = replace(options, mix=_mix_of(self.recipe, options.alpha))
        super().__init__(options, split)

    @classmethod
    def takes_model(cls, name: str) -> bool:
        return is_known(name)

    def _fixed(self) -> dict[str, Any]:
        return self.recipe.defaults if self.recipe else {}

    def _choose_network(self) -> None:
        recipe, split = self.recipe, self.split
        named = self.options.model or self.fixed.get("model")
        shapes = shapes_of(split.preview())
        self._choose_size(_size(named, one_size(shapes), self.device))
        self._choose_resizing(shapes)
        self.small = max(sides(self.size)) <= SMALL
        self.many = len(split.train) >= 10_000
        self.noun = "small images" if self.small else "photos"
        default = "resnet9" if self.small else "resnet18", f"for {self.noun}"
        self.model = self._choose("model", default)
        if recipe and self.options.pretrained is None:
            self.pretrained, why = False, f"the recipe {self.options.recipe}"
        else:
            self.pretrained, why = _pretrained(self.options.pretrained, self.model, self.small)
        self.reasons.append(("weights", f"{'pretrained' if self.pretrained else 'random'} ({why})"))
        self._choose_augmentation()

    def _choose_size(self, default: Default) -> None:
        size, why = default
        chosen = self._choose("size", (size_text(size), why))
        self.size = parse_size(str(chosen))
        if not isinstance(self.size, int):
            name, described = self.reasons[-1]
            self.reasons[-1] = (name, described.replace(" (", " (height x width, ", 1))

    def _choose_resizing(self, shapes: list[tuple[int, int]]) -> None:
        self.resize: Method = self.options.resize or "crop"
        lost = cut_off(shapes, self.size)
        described = self.resize if self.options.resize is None else f"{self.resize} (as requested)"
        if self.resize == "crop" and lost >= NOTABLE:
            described += f": {lost:.0%} of the area of images is cut off"
            if self.options.resize is None:
                described += ", which --resize squish or pad keeps"
        elif self.options.resize is None:
            return  # whole images are seen
        self.reasons.append(("resize", described))

    def _choose_augmentation(self) -> None:
        """Choose it with the network: images are read larger where they are cropped at random."""
        scale = self.recipe.item_scale if self.recipe else 1.0
        name = self.options.augment or ("light" if self.small else "photo")
        flip, why = False, ""
        if name != "none":
            flip, why = choose_flip(self.options.flip, self.split, small=self.small)
        self.augmentation = Augmentation(name, flip, why)
        if self.recipe is None and name == "photo" and not self.small:
            scale = PHOTO_SCALE
        self.item_size = scaled(self.size, scale)

    def _epochs(self) -> Default:
        if self.pretrained:
            return 5, "enough from pretrained weights"
        if self.small and self.many:
            return 10, "from random weights, many images"
        if self.small:
            longer = SEEN // len(self.split.train)
            return min(100, max(20, longer)), f"about {SEEN:,} images, and 20 to 100 epochs"
        return 20, "from random weights"

    def _batch_size(self, count: int) -> Default:
        limit = 256 if self.small and count >= 10_000 else 64
        # Training needs at least a few steps per epoch.
        return max(2, min(limit, count // 4)), f"{count:,} training images"

    def _learning_rate(self) -> Default:
        if is_vision_transformer(self.model):
            start = "published" if self.pretrained else "random"
            return VIT_RATE, f"a vision transformer from {start} weights"
        if self.small and self.many:
            return 1e-2, f"{self.noun}, many of them"
        return 3e-3, self.noun

    def _choose_loading(self) -> None:
        self.transforms, described = self._changes()
        if "opt_func" in self._learner_options and self.recipe is None:
            self.reasons.append(("weight decay", f"{VIT_DECAY} (a vision transformer)"))
        self.reasons.append(("augmentation", described))
        self.reasons.append(("images", self._choose_storage()))

    def _choose_storage(self) -> str:
        """Choose where the images are during training, once: free memory changes from then on."""
        self.storage = storage_of(self.split, how_read(self.item_size, self.resize))
        return self.storage.text

    def resolved(self) -> TrainOptions:
        chosen = replace(super().resolved(), size=self.size, pretrained=self.pretrained)
        if self.recipe:
            return chosen
        return replace(chosen, augment=self.augmentation.name, flip=self.augmentation.flip)

    def _changes(self) -> Changes:
        if self.recipe is None:
            return self.augmentation.changes(self.size, 0.5 if self.pretrained else 0.35)
        transforms, described = self.recipe.changes(self.size)
        if not self.augmentation.flip:
            described += "; flips change what is seen here, so do better without the recipe"
        return transforms, described

    def parameters(self) -> dict[str, Any]:
        size = size_text(self.size)
        return {**super().parameters(), "size": size, "pretrained": self.pretrained}

    def _identity(self) -> list[Any]:
        return [
            (list(part.labels), files_of(part)) for part in (self.split.train, self.split.valid)
        ]

    @property
    def fit(self) -> Any:
        if self.recipe:
            return self.recipe.fit
        return Learner.fine_tune if self.pretrained else Learner.fit_one_cycle

    def loaders(self) -> ImageDataLoaders:
        return ImageDataLoaders.from_split(
            self.split, storage=self.storage, **self._loader_options(self.split.train.images)
        )

    def _loader_options(self, images: Any) -> dict[str, Any]:
        return {
            "item_size": how_read(self.item_size, self.resize),
            "batch_tfms": self.transforms,
            "normalize": Normalize.of(images) if torch.is_tensor(images) else None,
            "bs": self.batch_size,
            "seed": self.options.seed,
            "device": self.device,
            "skip_bad": self.options.skip_bad,
        }

    def learner(self) -> Learner:
        loss: dict[str, Any] = {} if self.loss is None else {"loss_func": criterion(self.loss)}
        learn = named_learner(
            self.loaders(),
            self.model,
            **loss,
            pretrained=self.pretrained,
            metrics=self.metric,
            precision=self.precision,
            compile=self.options.compile,
            **self._learner_options,
        )
        add_union(learn, self.options.spec)
        self._try_out(learn)
        return learn

    def _blank(self) -> Any:
        """A sample that is black, of the size that the network sees."""
        return torch.zeros(3, *sides(self.size), dtype=torch.uint8)

    @property
    def _learner_options(self) -> dict[str, Any]:
        """What a recipe or a kind of network sets of the Learner, such as its optimizer."""
        if self.recipe:
            return self.recipe.learner
        if is_vision_transformer(self.model):
            return {"opt_func": partial(AdamW, weight_decay=VIT_DECAY)}
        return {}

    def _try_out(self, learn: Learner) -> None:
        """Check that the network takes such images, before any file is written."""
        try:
            learn.predict(self._blank())
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise VicinalError(
                f"{self.model} does not take images of {size_text(self.size)} pixels ({reason}): "
                "try another --size or --model"
            ) from None

    def count_parameters(self) -> int:
        return count_parameters(self.model, len(self.split.vocab))

    def preprocessing(self, learn: Learner) -> ImagePreprocessing:
        normalize = learn.dls.normalize
        assert normalize is not None
        return ImagePreprocessing(
            model=self.model,
            vocab=self.split.vocab,
            threshold=self.threshold,
            item_size=self.item_size,
            size=self.size,
            mean=normalize.mean,
            std=normalize.std,
            resize=self.resize,
            pixel_range=self.options.pixel_range,
        )

    def _layers(self, part: MixPart, learn: Learner) -> Sequence[str]:
        if part.layers:
            return part.layers
        method = part.method
        modules = stages(learn.model)
        if not modules:
            raise VicinalError(
                f"--mix {method.name} does not know the layers of {self.model}: use mixup"
            )
        if method.name == "alignmix":
            if len(modules) < 2 or is_vision_transformer(self.model):
                raise VicinalError(
                    f"--mix alignmix needs feature maps of several stages, which {self.model} does "
                    "not have: use manifoldmixup"
                )
            return modules[-2:-1]
        # As in the paper, those of the first half.
        return [*(method.layers_for(self.kind) or ()), *modules[: (len(modules) + 1) // 2]]

    def _figure(self, learn: Learner, x: Tensor, target: Any) -> Any:
        """A figure of mixed images and their targets."""
        from vicinal import plots

        target = shown_target(target.to("cpu"), self.options.spec)
        return plots.mixed_batch(learn.dls.pictures(x), target, self.split.vocab)

    @classmethod
    def show(cls, options: TrainOptions, split: Split) -> Any:
        from vicinal import plots

        # No network is built for it, so any name will do, and nothing is augmented but on request.
        plain = replace(options, model="resnet9", pretrained=False, augment="none", flip=None)
        task = cls(plain, split)
        mixer = task.mixer_to_show()
        samples = split.examples(SHOWN, options.seed)
        x, labels = _shown(options, split, samples), torch.tensor(samples.labels)
        mix = mixer.draw(x, labels)
        target = shown_target(mix.target(labels), options.spec)
        alpha = mixer.alpha if isinstance(mixer, MixUp) else None
        said = task._said(samples)
        both = None if said is None else (said, [said[place] for place in mix.partner.tolist()])
        return plots.mixing(x, x[mix.partner], mix(x), target, split.vocab, alpha, said=both)

    def _said(self, samples: Samples) -> list[str] | None:
        """What is written under images that are shown; None for nothing."""
        return None


def _mix_of(recipe: Recipe, alpha: float | None) -> MixLike | None:
    """What a recipe mixes by itself, without strengths where ``--alpha`` sets another one.

    Raises:
        VicinalError: it does not mix, and so has no strength.
    """
    mix: MixLike | None = recipe.defaults.get("mix")
    if alpha is None or not isinstance(mix, str):
        return mix
    if mix == NONE:
        raise VicinalError(
            f"the recipe does not mix: in place of --alpha {alpha:g} give --mix mixup:{alpha:g}"
        )
    return parse_mix(mix).without_strengths().text


def _shown(options: TrainOptions, split: Split, samples: Samples) -> Tensor:
    """Images as they are drawn (B, 3, height, width), floats in [0, 1]."""
    native = one_size(shapes_of(samples))
    size = options.pixels or (native if isinstance(native, int) else 224)
    small, method = max(sides(size)) <= SMALL, options.resize or "crop"
    transforms: list[BatchTransform] = []
    read_at = size
    if options.augment not in (None, "none") or options.flip is not None:
        name = options.augment or ("light" if small else "photo")
        flip, _ = choose_flip(options.flip, split, small=small)
        transforms, _ = Augmentation(name, flip).changes(size)
        read_at = scaled(size, PHOTO_SCALE) if name == "photo" and not small else size
    decoded, _ = decode(samples, how_read(read_at, method))
    x = torch.as_tensor(decoded.images)
    generator = torch.Generator().manual_seed(options.seed)
    for transform in transforms:
        x = transform.train(x, generator)
    return to_unit_floats(x)


def files_of(samples: Samples) -> list[tuple[str, str, int]]:
    """Folder, name and size of each image file; none for images that are not files."""
    files = [image for image in samples.images if isinstance(image, Path)]
    return [(file.parent.name, file.name, os.path.getsize(file)) for file in files if file.exists()]


def _size(model: str | None, native: Size | None, device: torch.device) -> tuple[Size, str]:
    only = fixed_size(model) if model else None
    if only is not None:
        return only, f"the only size that {model} takes"
    if native is not None and max(sides(native)) <= SMALL:
        return native, "as the images are"
    return (128, "photos on a CPU") if device.type == "cpu" else (224, f"photos on {device.type}")


def _pretrained(requested: bool | None, model: str, small: bool) -> tuple[bool, str]:
    check_name(model)
    if requested is False:
        return False, "as requested"
    if requested is None and small:
        return False, "weights of photos do not fit small images"
    try:
        check_weights(model)
    except WeightsUnavailable as error:
        if requested:
            raise
        return False, str(error)
    return True, "as requested" if requested else "they save most of the training"
