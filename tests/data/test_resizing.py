"""Images get their size by cropping, squishing or padding, wherever they are read."""

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal.data import cache
from vicinal.data.filling import cached
from vicinal.data.image_data import StreamedImages
from vicinal.data.images import decode, read_image
from vicinal.data.resizing import METHODS, Resizing
from vicinal.data.samples import Samples
from vicinal.data.stored_masks import read_mask
from vicinal.data.stream import ShardReader
from vicinal.errors import VicinalError

from .pictures import encoded, noise

# Columns of 10, 20, …, 120.
RAMP = Image.fromarray(np.tile(np.arange(10, 130, 10, dtype=np.uint8), (4, 1)))


def columns(image):
    assert all(torch.equal(image[0], channel) for channel in image)
    return image[0].tolist()


class TestMethods:
    def test_crop_fills_the_size_with_the_centre(self):
        assert columns(read_image(RAMP, Resizing(4, 6)))[0] == [40, 50, 60, 70, 80, 90]

    def test_squish_shows_all_of_it(self):
        assert columns(read_image(RAMP, Resizing(1, 3, "squish"))) == [[29, 65, 101]]

    def test_pad_shows_all_of_it_on_black(self):
        image = columns(read_image(RAMP, Resizing(12, 12, "pad")))
        assert image == [[0] * 12] * 4 + [list(range(10, 130, 10))] * 4 + [[0] * 12] * 4

    def test_pad_puts_what_is_odd_below_and_to_the_right(self):
        image = read_image(Image.new("L", (1, 4), 9), Resizing(4, 2, "pad"))
        assert columns(image) == [[9, 0]] * 4

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(("height", "width"), [(1, 500), (500, 1), (7, 3)])
    def test_any_image_gets_the_size(self, method, height, width):
        assert read_image(noise(height, width), Resizing(5, 8, method)).shape == (3, 5, 8)

    @pytest.mark.parametrize("height", range(3, 400, 7))
    def test_what_is_shown_is_never_larger_than_the_image(self, height):
        for size in (Resizing(147, 147), Resizing(128, 96), Resizing(37, 111)):
            left, top, right, bottom = size.placed(height, 333)[0]
            assert 0 <= left < right <= 333
            assert 0 <= top < bottom <= height

    @pytest.mark.parametrize(("size", "named"), [((0, 4), "height"), ((4, -1), "width")])
    def test_a_size_without_pixels_is_refused(self, size, named):
        with pytest.raises(VicinalError, match=f"the {named} must be 1 pixel or more"):
            Resizing(*size)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_comes_first(method, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = noise(40, 30)
    size = Resizing(20, 30, method)
    file = encoded(stored, exif=exif)
    upright = Image.fromarray(read_image(file).permute(1, 2, 0).numpy())
    difference = read_image(file, size).int() - read_image(upright, size).int()
    assert difference.abs().max() <= 1  # rounding, of rows before columns or after


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(300, 500), (90, 60)])
def test_a_large_jpeg_has_enough_pixels_for_the_size(method, size):
    image = noise(30, 40).resize((1600, 1200), Image.Resampling.BICUBIC)
    read = read_image(encoded(image, "JPEG", quality=95), Resizing(*size, method))
    assert (read.int() - read_image(image, Resizing(*size, method)).int()).abs().max() < 30


@pytest.mark.parametrize("method", METHODS)
def test_decoded_images_get_the_size_alike(method):
    ramp, size = read_image(RAMP), Resizing(4, 6, method)
    (decoded,) = decode(Samples(ramp[None], [0]), size)[0].images
    assert (decoded.int() - read_image(RAMP, size).int()).abs().max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_all_readers_give_the_same(method, tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path))
    size = Resizing(5, 9, method)
    files = [encoded(noise(8 + seed, 12, seed)) for seed in range(3)]
    samples = Samples(files, [0, 1, 0])
    expected = torch.stack([read_image(file, size) for file in files])
    assert torch.equal(decode(samples, size)[0].images, expected)
    assert torch.equal(StreamedImages(samples, size).__getitems__([0, 1, 2])[0], expected)
    for _ in range(2):
        assert torch.equal(torch.tensor(cached(samples, size)[0].images), expected)
    shards = _Shards(list(zip(files, samples.labels, strict=True)))
    assert torch.equal(next(iter(ShardReader(shards, size, 3)))[0], expected)


def test_the_cache_keeps_methods_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path))
    samples = Samples([encoded(noise(8, 12))], [0])
    for method in METHODS:
        size = Resizing(6, 6, method)
        pixels = torch.tensor(cached(samples, size)[0].images[0])
        assert torch.equal(pixels, read_image(samples.images[0], size))
    assert len(cache.entries()) == 3


class _Shards:
    source, image, label, classes = "here", "image", "label", {0: 0, 1: 1}

    def __init__(self, rows):
        self.rows = [{"image": {"bytes": image}, "label": label} for image, label in rows]


@pytest.mark.parametrize("method", ["pad", "pad_border", "pad_reflection"])
@pytest.mark.parametrize(("height", "width"), [(4, 9), (12, 2), (4, 2)])
def test_masks_are_padded_as_their_images(method, height, width):
    classes = np.arange(8, dtype=np.uint8).reshape(4, 2)
    resizing = Resizing(height, width, method)
    image = read_image(Image.fromarray(classes), resizing)
    mask = read_mask(Image.fromarray(classes), resizing, "a mask")
    assert torch.equal(image[0].long(), mask)
    if method == "pad_reflection" and width == 9:
        assert mask[0].tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    if method == "pad_border" and height == 12:
        assert mask[:, 0].tolist() == [0] * 4 + [0, 2, 4, 6] + [6] * 4
