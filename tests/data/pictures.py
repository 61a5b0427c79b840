"""Small pictures for the tests, in memory and on disk."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

BROKEN = b"this is no image"


def noise(height=8, width=8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def smooth(height, width):
    """No symmetry, and no edges that JPEG would blur."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / (width - 1), 255 * y / (height - 1)
    blue = 127 + 100 * np.sin(6 * x / width) * np.cos(9 * y / height)
    return Image.fromarray(np.stack([red, green, blue], -1).round().astype(np.uint8))


def plain(colour, height=8, width=8):
    return Image.new("RGB", (width, height), colour)


def pixels(image):
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write(folder: Path, **images):
    """Images, or bytes, as files; ``cats__7`` becomes cats/7.png."""
    for seed, (name, image) in enumerate(images.items()):
        content = image if isinstance(image, bytes) else encoded(image or noise(seed=seed))
        file = folder / (name.replace("__", "/") + ".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder
