"""The images of the mixing board, and the page that shows it alone."""

import base64
import io
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vicinal import methods
from vicinal.data.augment import resize
from vicinal.data.images import read_sample
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.files import write_file
from vicinal.study.page import render
from vicinal.tasks import TrainOptions, find_split
from vicinal.tasks.mixers import make_mixer

SHOWN = 12  # images to choose from
METHODS = tuple(method.name for method in methods.METHODS.values() if method.on_board)
ALPHAS = 0.05, 10  # as far as its slider goes
LARGEST, SMALL = 160, 64  # pixels; small ones are kept as they are


def board_images(split: DataSplit) -> list[dict[str, str]]:
    """Training images for the board: one of each class, of up to 12 classes, then more of them.

    Returns:
        For each its class as ``label``, and itself as ``src``, a PNG or JPEG within the text; none
        where the data hold no images.

    Raises:
        VicinalError: fewer than two can be read.
    """
    samples = split.preview()
    if samples is None:
        return []
    vocab = split.vocab or []
    found: list[tuple[str, Tensor]] = []
    for index in _spread(samples.labels):
        image = read_sample(samples, index, None)
        if isinstance(image, Tensor):
            found.append((vocab[samples.labels[index]], _square(image)))
        if len(found) == SHOWN:
            break
    if len(found) < 2:
        raise VicinalError("two images are needed to be mixed, and fewer can be read")
    largest = min(LARGEST, max(image.shape[-1] for _, image in found))
    return [{"label": label, "src": _written(resize(image, largest))} for label, image in found]


def _spread(labels: Sequence[int]) -> list[int]:
    """The samples in an order that brings another class each time, as long as there is one."""
    seen: dict[int, int] = {}
    turns = []
    for index, label in enumerate(labels):
        turns.append((seen.get(label, 0), label, index))
        seen[label] = seen.get(label, 0) + 1
    return [index for _, _, index in sorted(turns)]


def _square(image: Tensor) -> Tensor:
    """The square in the middle of an image (3, H, W), as a batch of one."""
    side = min(image.shape[1:])
    top, left = ((length - side) // 2 for length in image.shape[1:])
    return image[None, :, top : top + side, left : left + side]


def _written(image: Tensor) -> str:
    """An image as a data address."""
    kind = "png" if image.shape[-1] <= SMALL else "jpeg"
    file = io.BytesIO()
    Image.fromarray(image[0].to(torch.uint8).permute(1, 2, 0).numpy()).save(file, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def show_board(options: TrainOptions, file: Path, *, open: bool) -> None:
    """Write the board as a page of its own, and show it in the browser if that is asked for.

    Raises:
        VicinalError: the data hold no images, or it cannot show what is wished for.
    """
    options.refuse(("size",), "the board")
    method, alpha = str(options.mix or METHODS[0]).lower(), options.alpha
    if method not in METHODS:
        raise VicinalError(
            f"the board shows {' and '.join(METHODS)}, not --mix {method}: say one of them, or "
            "draw a picture, --out mixed.png"
        )
    if alpha is not None and not ALPHAS[0] <= alpha <= ALPHAS[1]:
        raise VicinalError(
            f"the board shows an --alpha from {ALPHAS[0]} to {ALPHAS[1]}, not {alpha:g}: say such "
            "a one, or draw a picture, --out mixed.png"
        )
    make_mixer(options)  # raises where --alpha is out of range
    split = find_split(options)
    images = board_images(split)
    if not images:
        raise VicinalError(f"{options.data} holds no images, and nothing else can be shown")
    shown = {"images": images, "method": method, "alpha": alpha or ""}
    write_file(file, render("show.html.j2", title=f"Mixing {options.data}", **shown))
    if open:
        webbrowser.open(file.resolve().as_uri())
