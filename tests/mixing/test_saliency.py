"""Saliency: the published spectral residual, and what no image may break."""

import math

import pytest
import torch

from vicinal import spectral_residual
from vicinal.mixing.saliency import blurred, peaks, places


def images(*shape):
    """Numbers that any program can write down."""
    return ((torch.arange(math.prod(shape)) * 37 % 101) / 100).view(shape)


def test_maps_are_the_published_ones():
    """As the code of GuidedMixup computes them for these numbers."""
    maps = spectral_residual(images(4, 3, 8, 10))
    first = [
        0.13631,
        0.13810,
        0.13247,
        0.11818,
        0.10528,
        0.10348,
        0.11269,
        0.12077,
        0.12575,
        0.12692,
    ]
    assert torch.allclose(maps[0, 0], torch.tensor(first), atol=1e-5)
    last = torch.tensor([0.10830, 0.11835, 0.12889, 0.18314])
    assert torch.allclose(maps[:, 7, 9], last, atol=1e-5)
    assert maps.flatten(1).argmax(1).tolist() == [70, 10, 5, 69]


@pytest.mark.parametrize("shape", [(3, 3, 8, 8), (3, 1, 5, 9), (2, 4, 1, 7), (2, 3, 1, 1)])
@pytest.mark.parametrize("value", [0.0, 0.3, -1e4, 255.0])
def test_nothing_stands_out_of_one_colour(shape, value):
    maps = spectral_residual(torch.full(shape, value))
    assert torch.equal(maps, torch.zeros(shape[0], *shape[2:]))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 1, 1, 7), (2, 2, 2, 3), (0, 3, 8, 8)])
def test_any_size_has_finite_maps(shape):
    maps = spectral_residual(torch.rand(shape))
    assert maps.shape == (shape[0], *shape[2:])
    assert bool((maps.isfinite() & (maps >= 0)).all())


def test_the_range_and_the_layout_of_pixels_do_not_matter():
    x = torch.randint(256, (2, 3, 16, 20), dtype=torch.uint8)
    expected = spectral_residual(x)
    for other in (x / 255, x.double(), x.contiguous(memory_format=torch.channels_last)):
        found = spectral_residual(other)
        assert found.dtype == torch.float32
        assert torch.allclose(found / found.sum(), expected / expected.sum(), rtol=1e-3)


@pytest.mark.parametrize(
    ("size", "reduced"),
    [((95, 95), (95, 95)), ((97, 300), (48, 150)), ((160, 224), (80, 112)), ((191, 192), (63, 64))],
)
def test_large_images_are_reduced(size, reduced):
    """And the spot is found where it is."""
    generator = torch.Generator().manual_seed(0)
    x = 0.1 * torch.rand(1, 3, *size, generator=generator)
    row, column = size[0] // 4, size[1] * 3 // 4
    x[..., row - 4 : row + 5, column - 4 : column + 5] += 1
    maps = spectral_residual(x)
    assert maps.shape[1:] == reduced
    assert bool(((peaks(maps, size) - torch.tensor([[row, column]])).abs() <= 7).all())


def test_it_needs_no_gradient():
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    assert not spectral_residual(x).requires_grad


def test_blurring_keeps_the_sum_of_what_is_inside():
    maps = torch.zeros(1, 15, 15)
    maps[0, 7, 7] = 1.0
    found = blurred(maps)
    assert found.sum().item() == pytest.approx(1)
    assert found[0, 7, 7] == found.max()
    assert (found[0] > 0).sum() == 49


@pytest.mark.parametrize("least", [True, False])
@pytest.mark.parametrize("size", [(6, 7), (12, 14), (5, 16)])
def test_places_cover_the_least_or_the_most(least, size):
    """In loops over all places, on maps of 6 x 7 pixels."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(9, 6, 7, generator=generator)
    maps[4] = 0.5
    largest = torch.tensor(size)
    sides = (torch.rand(9, 2, generator=generator) * (largest + 1)).long()
    starts = torch.zeros(9, 2, dtype=torch.int64)
    found = places(maps, starts, sides, size, least=least)
    assert bool(((found >= 0) & (found + sides <= largest)).all())
    assert torch.equal(found[4], starts[4])
    if size != (6, 7):
        return
    for map_, start, side in zip(maps, found.tolist(), sides.tolist(), strict=True):
        down, across = max(side[0], 1), max(side[1], 1)
        sums = {
            (i, j): float(map_[i : i + down, j : j + across].sum())
            for i in range(7 - down)
            for j in range(8 - across)
        }
        best = (min if least else max)(sums.values())
        if min(side):
            assert sums[tuple(start)] == pytest.approx(best, abs=1e-5)
