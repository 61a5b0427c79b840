"""Which classes are mirror images of each other."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from vicinal.data import mirrors
from vicinal.data.mirrors import mirrored_classes
from vicinal.data.samples import Samples

from .pictures import BROKEN, encoded


def glyph(text, random):
    """A letter of some size, at some place, slightly turned, in noise."""
    image = Image.new("L", (40, 40), 220)
    font = ImageFont.load_default(int(random.integers(22, 30)))
    place = tuple(20 + random.uniform(-3, 3, 2))
    ImageDraw.Draw(image).text(place, text, 40, font, anchor="mm")
    turned = image.rotate(random.uniform(-8, 8), fillcolor=220)
    noisy = np.asarray(turned, float) + random.normal(0, 15, (40, 40))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def of_glyphs(letters, each=20, **kwargs):
    random = np.random.default_rng(0)
    images = [glyph(letter, random) for letter in letters for _ in range(each)]
    labels = [index for index in range(len(letters)) for _ in range(each)]
    return Samples(images, labels, **kwargs)


@pytest.mark.parametrize(
    ("letters", "found"),
    [("bd", ("b", "d")), ("aqgp", ("q", "p")), ("bp", None), ("ao", None)],
)
def test_letters(letters, found):
    assert mirrored_classes(of_glyphs(letters), list(letters), small=True) == found


def arrow(side, random):
    pixels = random.normal(60, 25, (24, 24))
    top, left = random.integers(3, 9, 2)
    head = np.abs(np.arange(11)[:, None] - 5) <= np.arange(11)  # a triangle that points left
    pixels[top : top + 11, left : left + 11][head] += 130
    pixels = pixels if side == "left" else pixels[:, ::-1]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("stored", ["files", "bytes", "tensor"])
def test_arrows_by_their_look(stored, tmp_path):
    random = np.random.default_rng(1)
    sides = ["left", "right"] * 16
    images = [arrow(side, random) for side in sides]
    labels = [int(side == "right") for side in sides]
    if stored == "tensor":
        grey = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
        samples = Samples(grey[:, None].expand(-1, 3, -1, -1), labels)
    else:
        contents = [BROKEN, *map(encoded, images[1:])]
        for number, content in enumerate(contents):
            (tmp_path / f"{number}.png").write_bytes(content)
        files = [tmp_path / f"{number}.png" for number in range(32)]
        samples = Samples(files if stored == "files" else contents, labels)
    assert mirrored_classes(samples, ["x", "y"], small=False) == ("x", "y")
    assert len(samples.prefetched) == (32 if stored == "files" else 0) or stored == "bytes"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Left hand", "Right hand"], ("Left hand", "Right hand")),
        (["turnRight", "stop", "turnleft"], ("turnRight", "turnleft")),
        (["left", "straight on"], None),
        (["right", "bright"], None),
        (["eft", "ight"], None),
    ],
)
def test_names_that_differ_by_left_and_right(names, found):
    assert mirrored_classes(Samples([], []), names, small=True) == found


@pytest.mark.parametrize("classes", [2, 10, 50])
def test_noise_has_no_sides(classes):
    """The chance of a false alarm is one in ten thousand."""
    labels = [index for index in range(classes) for _ in range(16)]
    images = torch.randint(256, (len(labels), 3, 16, 16), dtype=torch.uint8)
    assert mirrored_classes(Samples(images, labels), list(map(str, labels)), small=True) is None


def test_images_that_look_alike_either_way_have_no_sides():
    """Both classes hold every image and its mirror image."""
    images = torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8)
    both = torch.cat([images, images.flip(-1)])
    assert mirrored_classes(Samples(both, [0, 1] * 40), ["a", "b"], small=True) is None


def test_mirrored_digits_are_others():
    digits = load_digits()
    grey = torch.tensor(digits.images * 15).to(torch.uint8)[:, None].expand(-1, 3, -1, -1)
    samples = Samples(grey, digits.target.tolist())
    assert mirrored_classes(samples, list("0123456789"), small=True) == ("5", "7")


def test_no_more_is_read_than_the_limit(monkeypatch):
    read = []
    original = mirrors.read_image
    monkeypatch.setattr(mirrors, "read_image", lambda *a: read.append(a) or original(*a))
    for count, small, expected in ((400, True, 128), (400, False, 64), (1600, False, 128)):
        picture = encoded(Image.new("L", (4, 4)))
        samples = Samples([picture] * count, [0, 1] * (count // 2))
        assert mirrored_classes(samples, ["a", "b"], small=small) is None
        assert len(read) == expected
        read.clear()
    many = [i % 65 for i in range(400)]
    rare = [0] * 393 + [1] * 7
    for labels in (many, rare):
        samples, names = Samples([picture] * 400, labels), [f"{i}" for i in range(max(labels) + 1)]
        assert mirrored_classes(samples, names, small=True) is None
        assert not read
    assert mirrored_classes(Samples([BROKEN] * 40, [0, 1] * 20), ["a", "b"], small=True) is None
