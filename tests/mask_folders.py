"""Folders of small images with masks."""

import numpy as np
from PIL import Image

PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [1] * 759


def mask(*rows):
    return np.array(rows, dtype=np.uint8)


def save(folder, values, mode="L", images="images", masks="masks", name="a", ending=""):
    """One image and its mask; mode P is a palette, and colours are (H, W, 3)."""
    values = np.asarray(values, dtype=np.uint8)
    height, width = values.shape[:2]
    for part in (images, masks):
        (folder / part).mkdir(parents=True, exist_ok=True)
    number = sum(map(ord, name)) % 200
    pixels = np.full((height, width, 3), number, dtype=np.uint8)
    Image.fromarray(pixels).save(folder / images / f"{name}.png")
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette(PALETTE)
    image.save(folder / masks / f"{name}{ending}.png")


def many(folder, values=((0, 1), (2, 255)), count=5, **how):
    for number in range(count):
        save(folder, values, name=f"n{number}", **how)
    return folder
