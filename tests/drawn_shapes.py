"""Drawn shapes: images in which each pixel holds the number of the object that it shows."""

import torch

from vicinal.detection.visible import boxes_around


def drawn(sizes, counts, seed=0, masks=True, keypoints=True, apart=False):
    """Images with so many rectangles, each of a number of its own in the whole batch.

    Later rectangles cover earlier ones, unless they are ``apart``, in columns of their own. Labels
    are these numbers, masks hold what is to be seen, and each object has two keypoints on it.
    """
    g = torch.Generator().manual_seed(seed)
    images, targets, number = [], [], 0
    for size, count in zip(sizes, counts, strict=True):
        image, found = torch.zeros(1, *size), []
        for k in range(count):
            height, width = (int(torch.randint(1, side + 1, (), generator=g)) for side in size)
            top = int(torch.randint(size[0] - height + 1, (), generator=g))
            left = int(torch.randint(size[1] - width + 1, (), generator=g))
            if apart:
                left, width = k * size[1] // count, max(size[1] // count - 1, 1)
            number += 1
            image[:, top : top + height, left : left + width] = number
            found.append(number)
        labels = torch.tensor([n for n in found if (image == n).any()], dtype=torch.int64)
        shown = (image == labels[:, None, None]).to(torch.uint8)
        target = {
            "boxes": boxes_around(shown).float(),
            "labels": labels,
            "area": shown.flatten(1).sum(1).float(),
        }
        if masks:
            target["masks"] = shown
        if keypoints:
            target["keypoints"] = (
                torch.stack([_points(mask, g) for mask in shown])
                if len(labels)
                else torch.zeros(0, 2, 3)
            )
        images.append(image)
        targets.append(target)
    return images, targets


def _points(mask, g):
    """Two keypoints in the middle of pixels of an object."""
    at = mask.nonzero()
    y, x = at[torch.randint(len(at), (2,), generator=g)].float().unbind(1)
    return torch.stack([x + 0.5, y + 0.5, torch.full((2,), 2.0)], 1)
