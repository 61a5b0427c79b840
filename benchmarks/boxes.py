"""The picture of docs/boxes.md: drawn objects on two backgrounds, mixed by each mixer for boxes.

python benchmarks/boxes.py docs/boxes.jpg
"""

import argparse

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from vicinal import CopyPaste, DetectionCutMix, DetectionMixUp, Mosaic
from vicinal.detection.visible import boxes_around

SIZES = [(96, 128), (128, 96), (96, 128), (112, 112)]
COLOURS = torch.tensor([[0.9, 0.3, 0.2], [0.2, 0.6, 0.9], [0.95, 0.8, 0.2], [0.5, 0.8, 0.3]])


def shape(kind: int, size: tuple[int, int], centre: Tensor, radius: float) -> Tensor:
    """The mask (H, W) of a disc, a ring, a square or a cross."""
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in size), indexing="ij")
    dy, dx = (y - centre[0]).abs(), (x - centre[1]).abs()
    distance = (dy**2 + dx**2).sqrt()
    if kind == 0:
        return distance < radius
    if kind == 1:
        return (distance < radius) & (distance > 0.55 * radius)
    if kind == 2:
        return torch.maximum(dy, dx) < 0.8 * radius
    return (torch.minimum(dy, dx) < 0.3 * radius) & (torch.maximum(dy, dx) < radius)


def sample(number: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """An image with three objects, and its target."""
    size = SIZES[number]
    grey = (
        torch.linspace(0.15, 0.75, size[1]) if number % 2 else torch.linspace(0.75, 0.15, size[1])
    )
    image = grey.expand(3, *size).clone() + 0.06 * torch.rand(1, *size, generator=generator)
    masks: list[Tensor] = []
    for k in range(3):
        place = torch.rand(2, generator=generator) * 0.7 + 0.15
        mask = shape((number + k) % 4, size, place * torch.tensor(size), 13 + 6 * k)
        masks = [other & ~mask for other in masks] + [mask]
        image = torch.where(mask, COLOURS[(number + k) % 4][:, None, None], image)
    held = torch.stack(masks).to(torch.uint8)
    labels = (number + torch.arange(3)) % 4
    return image, {"boxes": boxes_around(held).float(), "labels": labels, "masks": held}


def show(axes: plt.Axes, image: Tensor, target: dict[str, Tensor], title: str) -> None:
    axes.imshow(image.permute(1, 2, 0).clamp(0, 1))
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(title, fontsize=9)
    weights = target.get("weights", torch.ones(len(target["boxes"])))
    for box, label, weight in zip(target["boxes"], target["labels"], weights, strict=True):
        x1, y1, x2, y2 = box.tolist()
        colour = COLOURS[label].tolist()
        axes.add_patch(
            Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, ec=colour, lw=1.5)
        )
        if weight < 1:
            axes.text(x1, y1 - 1, f"{weight:.2f}", fontsize=6, color="white")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    out = parser.parse_args().out
    generator = torch.Generator().manual_seed(3)
    images, targets = zip(*[sample(i, generator) for i in range(4)], strict=True)
    mixers = [DetectionMixUp(seed=1), DetectionCutMix(seed=4), CopyPaste(seed=1)]
    mixers.append(Mosaic(fill=114 / 255, seed=2))
    figure, axes = plt.subplots(5, 4, figsize=(8, 9.6), layout="constrained")
    rows = [("images", images, targets)]
    rows += [(type(m).__name__, *m(images, targets)) for m in mixers]
    for row, (title, pictures, found) in zip(axes, rows, strict=True):
        for column, (axis, *one) in enumerate(zip(row, pictures, found, strict=True)):
            show(axis, *one, title if column == 0 else "")
    figure.savefig(out, dpi=80, pil_kwargs={"quality": 80})


if __name__ == "__main__":
    main()
