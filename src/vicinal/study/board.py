"""The images of the mixing board, and the page that shows the board alone."""

import base64
import io
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from vicinal.data.augment import resize
from vicinal.data.images import read_sample
from vicinal.data.split import DataSplit
from vicinal.errors import VicinalError
from vicinal.files import write_file
from vicinal.progress import status
from vicinal.tasks import TrainOptions, find_split

SHOWN = 12  # images to choose from
ALPHAS = 0.05, 10  # the range of its slider
LARGEST = 160  # pixels; larger images are scaled down
SMALL = 64  # pixels; up to there, images are stored without loss


@status("reading the images of the board")
def board_images(split: DataSplit) -> list[dict[str, str]]:
    """Up to 12 training images for the board: one of each class first, then a second, and so on.

    Returns:
        For each its class as ``label``, and as ``src`` a data URL of a PNG or JPEG; none if the
        data are not images.

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
            found.append((_name(samples.labels[index], vocab), _square(image)))
        if len(found) == SHOWN:
            break
    if len(found) < 2:
        raise VicinalError("mixing takes two images, and fewer can be read")
    largest = min(LARGEST, max(image.shape[-1] for _, image in found))
    return [{"label": label, "src": _data_url(resize(image, largest))} for label, image in found]


def _name(label: Any, vocab: Sequence[str]) -> str:
    """The name of a class, or of several labels, of zeros and ones."""
    if isinstance(label, tuple):
        return ", ".join(name for name, on in zip(vocab, label, strict=True) if on) or "no label"
    return vocab[label]


def _spread(labels: Sequence[Any]) -> list[int]:
    """The indices of the samples, so that each class comes once before any comes twice."""
    counts: dict[Any, int] = {}
    keys = []
    for index, label in enumerate(labels):
        keys.append((counts.get(label, 0), label, index))
        counts[label] = counts.get(label, 0) + 1
    return [index for _, _, index in sorted(keys)]


def _square(image: Tensor) -> Tensor:
    """The square in the middle of an image (3, H, W), as a batch of one."""
    side = min(image.shape[1:])
    top, left = ((length - side) // 2 for length in image.shape[1:])
    return image[None, :, top : top + side, left : left + side]


def _data_url(image: Tensor) -> str:
    """An image as a data URL."""
    kind = "png" if image.shape[-1] <= SMALL else "jpeg"
    file = io.BytesIO()
    Image.fromarray(image[0].to(torch.uint8).permute(1, 2, 0).numpy()).save(file, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def show_board(options: TrainOptions, file: Path, *, open: bool) -> None:
    """Write the board as a page of its own, and open it in the browser if asked to.

    Raises:
        VicinalError: the data have no images, or the board cannot show an option.
    """
    from vicinal.study.page import BOARD_METHODS, render

    options.refuse(("size", "resize", "augment", "flip"), "the board")
    parts = options.spec.parts
    unknown = [part.method.name for part in parts if part.method.name not in BOARD_METHODS]
    if unknown or not parts:
        raise VicinalError(
            f"the board shows {' and '.join(BOARD_METHODS)}, not --mix "
            f"{unknown[0] if unknown else options.spec.text}: name one of them, "
            "or draw a picture by --out mixed.png"
        )
    method, alpha = parts[0].method.name, parts[0].alpha  # the other one is on its menu
    if alpha is not None and not ALPHAS[0] <= alpha <= ALPHAS[1]:
        raise VicinalError(
            f"the board shows an --alpha from {ALPHAS[0]} to {ALPHAS[1]}, not {alpha:g}: give "
            "another, or draw a picture by --out mixed.png"
        )
    images = board_images(find_split(options))
    if not images:
        raise VicinalError(f"{options.data} has no images, and only images can be shown")
    shown = {"images": images, "method": method, "alpha": alpha or ""}
    write_file(file, render("show.html.j2", title=f"Mixing {options.data}", **shown))
    if open:
        webbrowser.open(file.resolve().as_uri())
