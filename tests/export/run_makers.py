"""Run folders that no training wrote: settings and random weights."""

import json

import numpy as np
import torch
from PIL import Image

from vicinal import __version__
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.text import WordTokenizer
from vicinal.learner.checkpoint import save_rescaling, save_weights
from vicinal.tasks import TrainOptions
from vicinal.tasks.image_preprocessing import ImagePreprocessing
from vicinal.tasks.mask_preprocessing import MaskPreprocessing
from vicinal.tasks.series_preprocessing import SeriesPreprocessing
from vicinal.tasks.sound_preprocessing import SoundPreprocessing
from vicinal.tasks.tables import RowPreprocessing
from vicinal.tasks.texts import TextPreprocessing

STATS = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
TABLE = TablePreprocessing(
    {"age": 30.0}, {"age": 40.0}, {"age": 12.5}, {"work": ["1", "self", "state"]}
)
ROWS = [
    {"age": 20, "work": "self"},
    {"age": None, "work": "state"},
    {"age": 61.5, "work": "unheard of"},
    {"age": 3, "work": "1"},
]
TEXTS = ["Who is she ?", "a film", "ist DAS gut?", "good, good; very good!", "x"]
TOKENIZER = WordTokenizer(["who", "is", "she", "?", "good", "film", "a"], max_length=6)


def rows(vocab=("high", "low"), **more):
    return RowPreprocessing("table_net", vocab and list(vocab), TABLE, **more)


def texts(model="text_cnn", vocab=("a", "b", "c"), **more):
    return TextPreprocessing(model, vocab and list(vocab), "text", TOKENIZER, **more)


def images(model="resnet9", size=8, item_size=8, **more):
    return ImagePreprocessing(
        **{"model": model, "vocab": ["cat", "dog", "fox"], **STATS, **more},
        size=size,
        item_size=item_size,
    )


def masks(model="resnet10t", size=32, **more):
    vocab = {"vocab": ["sky", "sea"], "values": [0, 7], "resize": "pad", **more}
    return MaskPreprocessing(model=model, **STATS, size=size, item_size=size, **vocab)


def sounds(model="resnet9", rate=4000, length=1500, hop=40, **more):
    return SoundPreprocessing(
        **{"model": model, "vocab": ["low", "high"], **more}, rate=rate, length=length, hop=hop
    )


def series(model="series_resnet", vocab=("slow", "fast"), channels=2, steps=20, **more):
    return SeriesPreprocessing(
        model,
        vocab and list(vocab),
        [str(number) for number in range(channels)],
        steps,
        [0.2] * channels,
        [0.5] * channels,
        **more,
    )


KINDS = {
    SeriesPreprocessing: "series",
    SoundPreprocessing: "sounds",
    RowPreprocessing: "rows",
    TextPreprocessing: "texts",
    ImagePreprocessing: "images",
    MaskPreprocessing: "masks",
}


def made_run(folder, how, *, data="gone", options=(), network=None, rescaling=None, **more):
    """A run folder with this preprocessing and random weights."""
    folder.mkdir(parents=True)
    how.save(folder)
    stored = json.loads(json.dumps(how.to_json()))
    if network is None:
        network, _ = type(how).load(stored, folder)
        for name, buffer in network.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    save_weights(network, folder / "model.safetensors")
    save_rescaling(rescaling, folder / "rescaling.safetensors")
    given = TrainOptions(str(data), **dict(options)).to_json()
    config = {
        "vicinal": __version__,
        "torch": torch.__version__,
        "options": given,
        "resolved": {**given, "epochs": 3},
        "chosen": {"model": "as requested", "images": "in /srv/cache"},
        "fingerprint": "",
        "predict": {"kind": KINDS[type(how)], "how": stored},
        "rescaled": rescaling is not None,
        "finished": True,
        "epochs_done": 3,
        **more,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def picture(height, width, seed=0, mode="RGB"):
    """A smooth picture, as photos are."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (5, 5, 4 if mode == "RGBA" else 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def image_files(folder, count=5):
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        picture(30 + number, 41, seed=number).save(file)
    return files


def page_script(page, title):
    """The script in a section of a page."""
    section = page.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return section.split("```python\n")[1].split("```")[0]
