"""How often the look for mirrored classes fires where it should not, and where it should.

Of CIFAR-10 and Imagenette every pair of classes is looked at, and all ten together 20 times, at 8,
16, 32 and 64 random images of a class; of noise, sets of 2, 10 and 50 classes. Mirrored photos of a
class are of that class, so each time the look fires is a false alarm. In scikit-learn's digits and
in letters b and d of several sizes and places, it should fire.

    python benchmarks/mirrored_classes.py ../shared/data
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from vicinal.data.mirrors import mirrored_classes
from vicinal.data.samples import Samples

EACH = (8, 16, 32, 64)


def sets_of(images, labels):
    """Every pair of ten classes, and all of them 20 times, at each number of images."""
    generator = torch.Generator().manual_seed(0)
    rows = [[i for i, label in enumerate(labels) if label == k] for k in range(10)]
    for each in EACH:
        for classes in [*itertools.combinations(range(10), 2), *[tuple(range(10))] * 20]:
            picked, own = [], []
            for new, old in enumerate(classes):
                order = torch.randperm(len(rows[old]), generator=generator)[:each]
                picked += [images[rows[old][i]] for i in order]
                own += [new] * len(order)
            yield Samples(picked, own), len(classes)


def parquet(folder, image):
    (file,) = folder.glob("train-*.parquet")
    table = pq.read_table(file, columns=[image, "label"]).slice(0, 9000).to_pydict()
    return sets_of([row["bytes"] for row in table[image]], table["label"])


def noise():
    for seed in range(300):
        classes = (2, 10, 50)[seed % 3]
        labels = [k for k in range(classes) for _ in range(EACH[seed % 4])]
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(256, (len(labels), 3, 16, 16), generator=generator)
        yield Samples(images.to(torch.uint8), labels), classes


def digits():
    images = torch.tensor(load_digits().images * 15).to(torch.uint8)[:, None].expand(-1, 3, -1, -1)
    yield Samples(images, load_digits().target.tolist()), 10


def letters():
    random = np.random.default_rng(0)
    for each in EACH:
        for _ in range(10):
            images = []
            for letter in "bd":
                for _ in range(each):
                    image = Image.new("L", (40, 40), 220)
                    font = ImageFont.load_default(int(random.integers(20, 32)))
                    place = tuple(20 + random.uniform(-4, 4, 2))
                    ImageDraw.Draw(image).text(place, letter, 40, font, anchor="mm")
                    images.append(image.rotate(random.uniform(-10, 10), fillcolor=220))
            yield Samples(images, [0] * each + [1] * each), 2


if __name__ == "__main__":
    data = Path(sys.argv[1])
    for name, sets in {
        "CIFAR-10": parquet(data / "cifar10", "img"),
        "Imagenette": parquet(data / "imagenette", "image"),
        "noise": noise(),
        "digits": digits(),
        "letters b and d": letters(),
    }.items():
        fired = [
            mirrored_classes(samples, [f"class {k}" for k in range(classes)], small=True)
            for samples, classes in sets
        ]
        print(f"{name:16} {sum(each is not None for each in fired)} of {len(fired)}", flush=True)
