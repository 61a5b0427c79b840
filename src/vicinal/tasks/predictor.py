"""Predictor: a trained network with all that is needed to use it, from and to a run folder."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.data.augment import Normalize, resize
from vicinal.data.images import BadImage, read_image
from vicinal.errors import VicinalError
from vicinal.learner.checkpoint import load_weights
from vicinal.models.zoo import create_model

CONFIG, WEIGHTS = "config.json", "model.safetensors"
BATCH = 64


@dataclass(frozen=True)
class Preprocessing:
    """What was done to validation images, so that new ones are treated alike.

    Args:
        model: the network's name.
        vocab: the names of the classes.
        item_size: side of the square that an image becomes when it is read.
        size: side that the network sees.
        mean, std: of the normalising, for each channel.
    """

    model: str
    vocab: list[str]
    item_size: int
    size: int
    mean: list[float]
    std: list[float]


class Predictor:
    """Classify images with a trained network.

    Args:
        model: the network; it is set to evaluation mode.
        preprocessing: how images are brought to it.
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        self.model, self.preprocessing = model.eval(), preprocessing

    @classmethod
    def load(cls, run: str | Path) -> "Predictor":
        """Read what ``vicinal train`` left in a run folder. No code of it is run.

        Raises:
            VicinalError: the folder is not there, holds no run, or is damaged.
        """
        folder = Path(run)
        config = read_config(folder)
        try:
            preprocessing = Preprocessing(**config["predict"])
        except (KeyError, TypeError):
            raise VicinalError(
                f"{folder / CONFIG} does not say how to predict: it is no run of this version"
            ) from None
        model = create_model(preprocessing.model, len(preprocessing.vocab))
        load_weights(model, folder / WEIGHTS)
        return cls(model, preprocessing)

    def predict(self, images: Iterable[Any]) -> Iterator[Tensor]:
        """Probabilities of the classes, (C,) float32, for one image after the other.

        Args:
            images: files, encoded bytes or PIL images.

        Raises:
            BadImage: an image cannot be read; it is named.
        """
        batch: list[Tensor] = []
        for image in images:
            try:
                batch.append(read_image(image, self.preprocessing.item_size))
            except BadImage as error:
                raise BadImage(f"{image} cannot be read: {error}") from None
            if len(batch) == BATCH:
                yield from self.probabilities(torch.stack(batch))
                batch = []
        if batch:
            yield from self.probabilities(torch.stack(batch))

    @torch.no_grad()
    def probabilities(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 images of ``item_size`` pixels to (B, C) probabilities."""
        x = Normalize(self.preprocessing.mean, self.preprocessing.std).valid(
            resize(pixels, self.preprocessing.size)
        )
        scores: Tensor = self.model(x)
        return scores.softmax(dim=1)

    def best(self, probabilities: Tensor, k: int) -> Sequence[tuple[str, float]]:
        """The ``k`` likeliest classes with their probabilities, the likeliest first."""
        values, indices = probabilities.topk(min(k, len(self.preprocessing.vocab)))
        names = [self.preprocessing.vocab[i] for i in indices.tolist()]
        return list(zip(names, values.tolist(), strict=True))


def read_config(folder: Path) -> dict[str, Any]:
    """The settings of a run."""
    file = folder / CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VicinalError(f"{folder} holds no run: there is no {CONFIG} in it") from None
    except (OSError, ValueError) as error:
        raise VicinalError(f"{file} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise VicinalError(f"{file} holds no settings: it is no run of this version")
    return config
