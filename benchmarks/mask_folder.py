"""A folder of images with masks, from scikit-learn's digits: for the commands.

python benchmarks/mask_folder.py pairs
vicinal compare pairs --epochs 30 --no-flip

The images are those of `benchmarks/masks.py`: 200 for training and 400 of other digits for
validation, two digits on each. Masks are palette PNGs, and codes.txt names their classes.
"""

import sys
from pathlib import Path

import torch
from masks import HELD_OUT, TRAINED, canvases
from PIL import Image
from sklearn.datasets import load_digits

NAMES = "paper", *(f"digit {digit}" for digit in range(10))
PALETTE = [(37 * index % 256, 91 * index % 256, 151 * index % 256) for index in range(256)]


def main(folder: Path, seed: int = 0) -> None:
    digits = load_digits()
    torch.manual_seed(seed)
    order = torch.randperm(len(digits.target))
    images, labels = torch.from_numpy(digits.images).long(), torch.from_numpy(digits.target)
    start = 0
    for part, count in (("train", TRAINED), ("valid", HELD_OUT)):
        chosen = order[start : start + 2 * count]
        start += 2 * count
        data = canvases(images[chosen], labels[chosen])
        for name in ("images", "masks"):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
        for number, (x, mask) in enumerate(zip(data.x[:, 0], data.y, strict=True)):
            pixels = (255 * x).round().to(torch.uint8).numpy()
            Image.fromarray(pixels).save(folder / part / "images" / f"{number}.png")
            stored = Image.fromarray(mask.to(torch.uint8).numpy())
            stored.putpalette([value for colour in PALETTE for value in colour])
            stored.save(folder / part / "masks" / f"{number}.png")
    (folder / "codes.txt").write_text("\n".join(NAMES) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
