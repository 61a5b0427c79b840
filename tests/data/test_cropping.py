"""Random parts of images, drawn anew whenever they are read."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import RandomResizedCrop
from vicinal.data.cropping import RandomCropping
from vicinal.data.image_data import RandomCrops
from vicinal.data.images import read_image
from vicinal.data.samples import Samples
from vicinal.data.split_loader import Batches
from vicinal.errors import VicinalError

from .pictures import encoded, smooth


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def boxes(cropping, height, width, count=200):
    drawn = generator()
    return [cropping.drawn(drawn).placed(height, width)[0] for _ in range(count)]


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (40, 40)])
def test_parts_have_a_share_and_a_ratio_in_range(shape):
    height, width = shape
    for left, top, right, bottom in boxes(RandomCropping(8, 8, min_scale=0.35), *shape):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        share = (right - left) * (bottom - top) / (height * width)
        assert 0.33 < share <= 1.03
        assert 0.7 < (right - left) / (bottom - top) < 1.4


def test_where_no_draw_fits_it_is_the_middle():
    (box,) = set(boxes(RandomCropping(8, 8, min_scale=0.9), 20, 100))
    assert box == pytest.approx((50 - 40 / 3, 0, 50 + 40 / 3, 20))


def test_the_size_is_the_result_s_whatever_the_part_is():
    for seed in range(5):
        crop = RandomCropping(6, 9, min_scale=0.1).drawn(generator(seed))
        assert read_image(smooth(30, 50), crop).shape == (3, 6, 9)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_images_are_upright_first(kind, orientation):
    """The largest part in the middle, so that the turned image shows the same."""
    turn = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    turn[8] = Image.Transpose.ROTATE_270
    picture = smooth(160, 240)
    stored = picture if turn[orientation] is None else picture.transpose(turn[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    file = encoded(stored, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    for crop in (RandomCropping(20, 30), RandomCropping(20, 30, min_scale=1).drawn(generator())):
        expected = read_image(picture, crop).int()
        assert (read_image(file, crop).int() - expected).abs().max() < 12


def test_small_parts_of_large_jpegs_are_decoded_at_enough_pixels():
    crop = RandomCropping(32, 32, min_scale=0.01, max_scale=0.02).drawn(generator())
    (left, top, right, bottom), _ = crop.placed(800, 800)
    high, wide = crop.least(800, 800)
    assert math.isclose(wide * (right - left) / 800, 32, abs_tol=1)
    assert math.isclose(high * (bottom - top) / 800, 32, abs_tol=1)
    lines = Image.fromarray(np.tile(np.arange(800) % 8 // 4 * 255, (800, 1)).astype(np.uint8))
    assert read_image(encoded(lines, "JPEG", quality=95), crop).float().std() > 60  # none blurred


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_batches_differ_between_epochs_and_not_between_runs(workers):
    samples = Samples([encoded(smooth(20 + i, 30)) for i in range(8)], [0, 1] * 4)

    def epochs():
        data = RandomCrops(samples, RandomCropping(6, 6), seed=3)
        batches = Batches(data, 4, training=True, seed=3, workers=workers, device="cpu")
        read = [[x for x, _ in batches] for _ in range(2)]
        batches.shut_down_workers()
        return read

    (first, second), again = epochs(), epochs()
    assert all(map(torch.equal, first, again[0]))
    assert all(map(torch.equal, second, again[1]))
    assert not any(map(torch.equal, first, second))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"min_scale": 0}, r"must lie in \(0, 1\], the smaller one first, not 0 and 1"),
        ({"min_scale": 0.5, "max_scale": 0.4}, "not 0.5 and 0.4"),
        (
            {"ratio": (2, 1)},
            r"ratio must be two numbers .*, not \(2, 1",
        ),
        ({"val_xtra": -0.1}, "val_xtra must be 0 or more, not -0.1"),
        ({"size": 0}, "the height must be 1 pixel or more, not 0"),
    ],
)
def test_what_is_out_of_range_is_named(how, said):
    with pytest.raises(VicinalError, match=said):
        RandomResizedCrop(**{"size": 8} | how)
