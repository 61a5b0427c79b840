"""A look at images: are mirrored ones of one class those of another, as of arrows and letters?"""

import math
from collections import Counter
from threading import Lock

import torch
from torch import Tensor

from vicinal.data.decoding import resize_decoded
from vicinal.data.images import BadImage, in_threads, prefetch, read_image
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples

SIDE = 16  # pixels of the images that are compared
SHIFT = 2  # pixels by which they may be moved, each way
FEWEST, MOST = 8, 64  # images of a class
SMALL, LARGE = 512, 256  # images in all, of small ones and of photos
OFTEN = 0.5  # of the mirrored images of both classes that look like the other
CHANCE = 1e-4  # of a false alarm, if images were independent of each other


def mirrored_classes(samples: Samples, vocab: list[str], *, small: bool) -> tuple[str, str] | None:
    """Two classes, of which each looks like the other when it is mirrored; None if there are none.

    So they are if their names differ by left and right alone. Else at most some hundreds of images
    are compared, in grey and 16 x 16 pixels: for each the nearest other image is found, first as it
    is and then mirrored (by the correlation of their pixels, at the best of 25 shifts). Two classes
    are mirrored ones if in each of them half of the mirrored images or more are nearest to the
    other class, at least twice as many as of those that are not mirrored, and if a sign test tells
    the two apart. More than 64 classes are not compared, and classes of fewer than 8 images are
    left out.

    Args:
        samples: training images.
        vocab: the names of their classes.
        small: whether they are cheap to decode; of photos an eighth is looked at, or 16 of each
            class.

    >>> mirrored_classes(Samples([], []), ["turn left", "turn right", "bright"], small=True)
    ('turn left', 'turn right')
    """
    return _by_name(vocab) or _by_look(samples, vocab, small)


def _by_name(vocab: list[str]) -> tuple[str, str] | None:
    names = {name.lower(): name for name in vocab}
    for name in names:
        other = name.replace("left", "\0").replace("right", "left").replace("\0", "right")
        if other != name and other in names:
            return names[name], names[other]
    return None


def _by_look(samples: Samples, vocab: list[str], small: bool) -> tuple[str, str] | None:
    limit = SMALL if small else min(LARGE, max(64, 16 * len(vocab), len(samples) // 8))
    each = min(MOST, limit // len(vocab))
    if each < FEWEST:
        return None
    counts = Counter(samples.labels)
    rows: dict[int, list[int]] = {k: [] for k, count in counts.items() if count >= FEWEST}
    if len(rows) < 2:
        return None
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0)).tolist()
    for row in order:
        of_class = rows.get(samples.labels[row])
        if of_class is not None and len(of_class) < each:
            of_class.append(row)
    images, labels = _read(samples, [r for found in rows.values() for r in found])
    if not len(images):
        return None
    read = labels.bincount(minlength=len(vocab))
    nearest, nearest_mirrored = (
        labels[_nearest(seen, images)] for seen in (images, images.flip(-1))
    )
    pairs = [(a, b) for a in range(len(vocab)) for b in range(a) if min(read[[a, b]]) >= FEWEST]
    for one, other in pairs:
        of_one, of_other = labels == one, labels == other
        before = of_one & (nearest == other) | of_other & (nearest == one)
        after = of_one & (nearest_mirrored == other) | of_other & (nearest_mirrored == one)
        if (
            min(after[of_one].float().mean(), after[of_other].float().mean()) >= OFTEN
            and after.sum() >= 2 * before.sum()
            and _sign_test(int((after & ~before).sum()), int((before & ~after).sum()))
            <= CHANCE / len(pairs)
        ):
            return vocab[other], vocab[one]
    return None


def _read(samples: Samples, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Images in grey (M, SIDE, SIDE), floats, and their labels; those that can be read."""
    size, lock = Resizing(SIDE, SIDE, "squish"), Lock()

    def read(place: int) -> Tensor | None:
        try:
            with lock:  # what is held of files is counted
                image = prefetch(samples, rows[place])
            if isinstance(image, Tensor):
                return resize_decoded(image[None], size)[0]
            return read_image(image, size, samples.pixel_range)
        except BadImage:  # it is reported when all are decoded
            return None

    found = list(in_threads(read, len(rows)))
    grey = [image.float().mean(0) for image in found if image is not None]
    labels = [
        samples.labels[row] for row, image in zip(rows, found, strict=True) if image is not None
    ]
    images = torch.stack(grey) if grey else torch.empty(0, SIDE, SIDE)
    return images, torch.tensor(labels, dtype=torch.int64)


def _nearest(seen: Tensor, images: Tensor) -> Tensor:
    """For each of the images, as ``seen``, which other one is the nearest."""
    inner = SIDE - 2 * SHIFT
    middle = _normalized(images[:, SHIFT : SHIFT + inner, SHIFT : SHIFT + inner])
    best = torch.full((len(images), len(images)), -2.0)
    for top in range(2 * SHIFT + 1):
        for left in range(2 * SHIFT + 1):
            moved = _normalized(seen[:, top : top + inner, left : left + inner])
            best = torch.maximum(best, moved @ middle.T)
    return best.fill_diagonal_(-2.0).argmax(1)


def _normalized(images: Tensor) -> Tensor:
    """Rows of mean 0 and length 1, whose products are correlations."""
    flat = images.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)


def _sign_test(more: int, fewer: int) -> float:
    """The chance of so many ``more`` of all that changed, if either were as likely."""
    changed = more + fewer
    return math.fsum(math.comb(changed, k) for k in range(more, changed + 1)) / 2**changed
