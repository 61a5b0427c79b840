"""What an exported network takes and gives, for each kind of data, and how samples become that."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.data.sizes import sides
from vicinal.data.sound_files import CANCELLED
from vicinal.data.text import UNKNOWN, WORD, WordTokenizer
from vicinal.errors import VicinalError
from vicinal.export.spectrogram import LogMelByProducts
from vicinal.models.hub_text import HubTokenizer
from vicinal.models.sound import QUIET, LogMel
from vicinal.tasks.image_preprocessing import ImagePreprocessing
from vicinal.tasks.mask_preprocessing import MaskPreprocessing
from vicinal.tasks.predictor import Preprocessing
from vicinal.tasks.series_preprocessing import SeriesPreprocessing
from vicinal.tasks.sound_preprocessing import SoundPreprocessing
from vicinal.tasks.tables import RowPreprocessing
from vicinal.tasks.texts import TextPreprocessing

TOKENIZER = "tokenizer.json"
BATCH, LENGTH = "batch", "length"  # the names of dimensions that differ from call to call
Axes = dict[int, str]


class Named(nn.Module):
    """Tensors as a batch by their names."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names

    def forward(self, *tensors: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.names, tensors, strict=True))


class Normalized(nn.Module):
    """Pixels to floats, by buffers: tensors that are made on the way are lost in torch 2.6's ONNX.

    >>> from vicinal.data.augment import Normalize
    >>> pixels = torch.randint(256, (2, 3, 4, 4), dtype=torch.uint8)
    >>> mean, std = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    >>> torch.equal(Normalized(mean, std)(pixels), Normalize(mean, std).valid(pixels))
    True
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels.float() / 255 - self.mean) / self.std


class Form(ABC):
    """The inputs and outputs of an exported network, and how samples become inputs.

    Args:
        preprocessing: of the run.
    """

    #: What the samples are, in the plural.
    samples: ClassVar[str]

    def __init__(self, preprocessing: Any) -> None:
        self.preprocessing = preprocessing

    @property
    def target(self) -> str:
        """``"classes"``, ``"labels"``, ``"values"`` or ``"masks"``."""
        if self.preprocessing.threshold is not None:
            return "labels"
        return "values" if self.preprocessing.vocab is None else "classes"

    @property
    def output(self) -> str:
        return "values" if self.target == "values" else "probabilities"

    @property
    @abstractmethod
    def axes(self) -> dict[str, Axes]:
        """The inputs by name, and the dimensions of each that may differ."""

    def tensors(self, items: list[Any]) -> tuple[Tensor, ...]:
        """Samples as the inputs of the graph, in the order of :attr:`axes`."""
        batch = self.preprocessing.batch(items)
        return tuple(batch[name] for name in self.axes)

    def entry(self) -> nn.Module:
        """From the inputs of the graph to what the network takes; it is traced into the graph."""
        return Named(tuple(self.axes))

    def network(self, network: nn.Module) -> nn.Module:
        """A copy of the run's network, changed where a graph cannot hold something as it is."""
        return network

    @abstractmethod
    def steps(self) -> dict[str, Any]:
        """From a sample to the inputs, as JSON values."""

    @abstractmethod
    def chosen(self, split: Any, count: int) -> list[Any]:
        """So many validation samples, as :meth:`tensors` takes them."""

    def save(self, folder: Path) -> list[Path]:
        """Write what JSON cannot hold; gives the files."""
        return []


class ImageForm(Form):
    """Pixels, of which the graph makes floats."""

    samples = "images"
    preprocessing: ImagePreprocessing

    @property
    def axes(self) -> dict[str, Axes]:
        return {"pixels": {0: BATCH}}

    def tensors(self, items: list[Any]) -> tuple[Tensor, ...]:
        return (self.preprocessing.pixels(items),)

    def entry(self) -> nn.Module:
        return Normalized(self.preprocessing.mean, self.preprocessing.std)

    def steps(self) -> dict[str, Any]:
        how = self.preprocessing
        read, seen = sides(how.item_size), sides(how.size)
        return {
            "channels": "RGB",
            "orientation": "upright, by EXIF",
            "transparent": "on white",
            "white_of_16_bits": how.pixel_range or 65535,
            "jpeg_draft": True,
            "resize": {
                "height": read[0],
                "width": read[1],
                "method": how.resize,
                "interpolation": "bilinear",
                "antialias": True,
            },
            "then_resize": None
            if read == seen
            else {
                "height": seen[0],
                "width": seen[1],
                "method": "squish",
                "interpolation": "bilinear",
                "antialias": True,
            },
            "layout": "batch, channels, height, width",
            "in_the_graph": {"divide_by": 255, "mean": how.mean, "std": how.std},
        }

    def chosen(self, split: Any, count: int) -> list[Any]:
        part = split.valid
        images = part.head(count).images if hasattr(part, "head") else part.images
        # Of decoded images, what Pillow makes an image of.
        return [
            np.asarray(images[i].permute(1, 2, 0)) if isinstance(images[i], Tensor) else images[i]
            for i in spread(len(images), count)
        ]


class MaskForm(ImageForm):
    """Pixels, whose classes the network gives."""

    preprocessing: MaskPreprocessing

    @property
    def target(self) -> str:
        return "masks"

    def steps(self) -> dict[str, Any]:
        how = self.preprocessing
        written = {"kind": how.masks, "values": how.values, "palette": how.palette}
        back = {"interpolation": "bilinear", "antialias": False, "then": "argmax"}
        return {**super().steps(), "mask": {**written, "to_the_size_of_the_image": back}}


class TextForm(Form):
    """Ids of tokens, and which of them are no padding."""

    samples = "texts"
    preprocessing: TextPreprocessing

    @property
    def axes(self) -> dict[str, Axes]:
        return {name: {0: BATCH, 1: LENGTH} for name in ("ids", "mask")}

    def steps(self) -> dict[str, Any]:
        tokenizer = self.preprocessing.tokenizer
        how: dict[str, Any] = {"file": TOKENIZER}
        if isinstance(tokenizer, WordTokenizer):
            how = {
                "lower": True,
                "unicode": "NFC",
                "pattern": WORD.pattern,
                "words": tokenizer.words,
                "first_word": UNKNOWN + 1,
                "unknown": UNKNOWN,
            }
        sizes = {"longest": tokenizer.max_length, "padding": tokenizer.pad, "side": tokenizer.side}
        return {"column": self.preprocessing.column, "tokenizer": {**how, **sizes}}

    def chosen(self, split: Any, count: int) -> list[Any]:
        texts = split.texts(split.valid)
        return [texts[i] for i in spread(len(texts), count)]

    def save(self, folder: Path) -> list[Path]:
        tokenizer = self.preprocessing.tokenizer
        if not isinstance(tokenizer, HubTokenizer):
            return []
        backend = getattr(tokenizer.hub, "backend_tokenizer", None)
        if backend is None:
            raise VicinalError(
                f"{self.preprocessing.model} has a tokenizer that only transformers can run, so "
                "its files cannot be used alone: train another model of the hub"
            )
        backend.no_padding()
        backend.enable_truncation(tokenizer.max_length)
        backend.save(str(folder / TOKENIZER))
        return [folder / TOKENIZER]


class RowForm(Form):
    """Standardised numbers and indices of categories."""

    samples = "rows"
    preprocessing: RowPreprocessing

    @property
    def axes(self) -> dict[str, Axes]:
        table = self.preprocessing.table
        of = {"numbers": table.mean, "categories": table.categories}
        return {name: {0: BATCH} for name, columns in of.items() if columns}

    def steps(self) -> dict[str, Any]:
        table, found = self.preprocessing.table, {}
        if table.mean:
            found["numbers"] = [
                {
                    "column": name,
                    "missing": table.median[name],
                    "mean": mean,
                    "std": table.std[name],
                }
                for name, mean in table.mean.items()
            ]
        categories: dict[str, Any] = {
            "first_category": 1,
            "unknown": 0,
            "columns": [{"column": n, "categories": c} for n, c in table.categories.items()],
        }
        more = {"categories": categories} if table.categories else {}
        return {**found, **more, "reading": self.preprocessing.reading}

    def chosen(self, split: Any, count: int) -> list[Any]:
        frame = split.valid.frame
        return [frame.iloc[i] for i in spread(len(frame), count)]


class Alone(nn.Module):
    """A single tensor, as the network takes it."""

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor


class SoundForm(Form):
    """Waves, of which the graph makes spectrograms."""

    samples = "sounds"
    preprocessing: SoundPreprocessing

    @property
    def axes(self) -> dict[str, Axes]:
        return {"wave": {0: BATCH}}

    def tensors(self, items: list[Any]) -> tuple[Tensor, ...]:
        return (self.preprocessing.batch(items),)

    def entry(self) -> nn.Module:
        return Alone()

    def network(self, network: Any) -> nn.Module:
        layer = LogMelByProducts(network.spectrogram, self.preprocessing.length)
        network.spectrogram = layer
        made: nn.Module = network
        return made

    def steps(self) -> dict[str, Any]:
        how = self.preprocessing
        layer = LogMel(how.rate, how.hop)
        return {
            "rate": how.rate,
            "resampling": "polyphase, as scipy.signal.resample_poly",
            "channels": "mean",
            "loudest_channel_below": CANCELLED,
            "rounded_to": "float16",
            "length": how.length,
            "longer": "the middle",
            "shorter": "silence around it",
            "layout": "batch, samples",
            "in_the_graph": {
                "mels": len(layer.filters),
                "hop": how.hop,
                "window": len(layer.window),
                "n_fft": layer.n_fft,
                "added_to_the_power": QUIET,
                "scale": "natural logarithm, standardised",
            },
        }

    def chosen(self, split: Any, count: int) -> list[Any]:
        waves = split.valid.images
        return [waves[i] for i in spread(len(waves), count)]


class SeriesForm(Form):
    """Standardised series of one length."""

    samples = "series"
    preprocessing: SeriesPreprocessing

    @property
    def axes(self) -> dict[str, Axes]:
        return {"series": {0: BATCH}}

    def tensors(self, items: list[Any]) -> tuple[Tensor, ...]:
        return (self.preprocessing.batch(items),)

    def entry(self) -> nn.Module:
        return Alone()

    def steps(self) -> dict[str, Any]:
        how = self.preprocessing
        learned = zip(how.channels, how.mean, how.std, strict=True)
        return {
            "missing": "interpolated linearly between neighbours; the first and the last go on",
            "channels": [{"channel": n, "mean": mean, "std": std} for n, mean, std in learned],
            "steps": how.steps,
            "resampling": "linear, from the first to the last value; means where it is at least "
            "twice as long",
            "layout": "batch, channels, steps",
            "reading": how.layout,
        }

    def chosen(self, split: Any, count: int) -> list[Any]:
        series = split.valid.series
        return [series[i] for i in spread(len(series), count)]


FORMS: dict[type[Preprocessing], type[Form]] = {
    ImagePreprocessing: ImageForm,
    MaskPreprocessing: MaskForm,
    RowPreprocessing: RowForm,
    SeriesPreprocessing: SeriesForm,
    SoundPreprocessing: SoundForm,
    TextPreprocessing: TextForm,
}


def form_of(preprocessing: Preprocessing, kind: str) -> Form:
    """The form of a network, by the preprocessing of its samples.

    Raises:
        VicinalError: networks for such data are not exported.
    """
    form = FORMS.get(type(preprocessing))
    if form is None:
        raise VicinalError(
            f"networks for {kind} cannot be exported: use vicinal predict, or in Python "
            "Predictor.load(RUN).model"
        )
    return form(preprocessing)


def spread(available: int, count: int) -> list[int]:
    """So many indices over all that there are, as neighbours may be of one class.

    >>> spread(9, 3), spread(2, 3)
    ([0, 4, 8], [0, 1])
    """
    return torch.linspace(0, max(available - 1, 0), min(available, count)).round().long().tolist()
