"""MovedBlocks: every implementation against pixels that are moved one by one."""

from math import ceil

import pytest
import torch

from vicinal import Mix, MixedTarget
from vicinal.mixing import compiled
from vicinal.mixing.moved_blocks import MovedBlocks, in_place


def drawn(count, blocks, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    keep = torch.randint(0, 3, (count, 1, blocks, blocks), generator=generator) / 2
    sources = torch.randint(blocks**2, (count, 2, blocks, blocks), generator=generator).float()
    return MovedBlocks(torch.cat((keep, sources), 1), size)


def moved_one_by_one(pattern, x, partners):
    """Of images (B, C, H, W), by the definition."""
    blocks, out = pattern.blocks.shape[-1], torch.empty_like(x, dtype=torch.float64)
    edges = [[ceil(i * side / blocks) for i in range(blocks + 1)] for side in x.shape[-2:]]

    def block_of(axis, here):
        ends = edges[axis]
        return max(i for i in range(blocks) if ends[i] <= here < ends[i + 1])

    def pixel(image, shown, *place):
        found = []
        for axis, block in enumerate(divmod(int(shown), blocks)):
            first, last = edges[axis][block], edges[axis][block + 1] - 1
            offset = place[axis] - edges[axis][block_of(axis, place[axis])]
            found.append(min(first + offset, max(last, first)))
        return image[:, found[0], found[1]].double()

    for i, (keep, own, other) in enumerate(pattern.blocks):
        for line in range(x.shape[-2]):
            for column in range(x.shape[-1]):
                down, across = line * blocks // x.shape[-2], column * blocks // x.shape[-1]
                one = pixel(x[i], own[down, across], line, column)
                two = pixel(partners[i], other[down, across], line, column)
                share = keep[down, across]
                out[i, :, line, column] = share * one + (1 - share) * two
    return out


def images(count, *shape):
    return torch.rand(count, 2, *shape, generator=torch.Generator().manual_seed(1))


CYCLE = torch.tensor([2, 0, 3, 1])
SIZES = [(4, (8, 8)), (4, (9, 7)), (3, (8, 5)), (1, (3, 3)), (5, (5, 6))]


@pytest.mark.parametrize(("blocks", "size"), SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
def test_pixels_are_those_of_the_definition(blocks, size, dtype):
    pattern, x = drawn(4, blocks, size), images(4, *size)
    x = (x * 255).to(dtype) if dtype == torch.uint8 else x.to(dtype)
    expected = moved_one_by_one(pattern, x, x[CYCLE])
    mix = Mix(CYCLE, pattern.weight, (pattern,))
    atol = {torch.float32: 1e-6, torch.float64: 1e-6, torch.bfloat16: 4e-3, torch.uint8: 0.5}[dtype]
    for mixed in (
        mix(x),
        mix(x.clone(), inplace=True),
        mix(x, other=x[CYCLE]),
        mix(x.clone(), other=x[CYCLE], inplace=True),
        pattern.apply(x, x[CYCLE]),
        mix(x.to(memory_format=torch.channels_last)),
    ):
        assert mixed.dtype == dtype
        assert torch.allclose(mixed.double(), expected, atol=atol, rtol=0)


def test_large_images_are_mixed_row_by_row():
    pattern, x = drawn(4, 4, (192, 180)), images(4, 192, 180).double()
    expected = pattern.apply(x, x[CYCLE])
    mix = Mix(CYCLE, pattern.weight, (pattern,))
    for inplace in (False, True):
        assert torch.allclose(mix(x.clone(), inplace=inplace), expected)


def test_a_partner_of_several_is_read_before_it_is_overwritten():
    pattern, x, partner = drawn(4, 4, (8, 8)), images(4, 8, 8), torch.tensor([1, 1, 1, 0])
    mix = Mix(partner, pattern.weight, (pattern,))
    assert torch.allclose(mix(x.clone(), inplace=True), pattern.apply(x, x[partner]))


def test_blocks_outside_of_the_grid_are_refused():
    pytest.importorskip("numba")
    assert compiled.loops() is not None
    pattern, x = drawn(4, 2, (8, 8)), images(4, 8, 8)
    pattern.blocks[1, 1, 0, 0] = 4
    with pytest.raises(ValueError, match="must lie on the images"):
        Mix(CYCLE, pattern.weight, (pattern,))(x)


@pytest.mark.parametrize(("blocks", "size"), SIZES)
def test_weights_are_the_shares_of_the_pixels(blocks, size):
    pattern = drawn(4, blocks, size)
    ones = torch.ones(4, 1, *size)
    kept = pattern.apply(ones, torch.zeros_like(ones)).mean((1, 2, 3))
    assert torch.allclose(pattern.weight, kept, atol=1e-6)


def test_blocks_in_place_with_shares_of_1_change_nothing():
    pattern = drawn(4, 4, (9, 7)).only(torch.tensor([False, True, False, True]))
    assert torch.equal(pattern.blocks[0], in_place(4, torch.device("cpu")))
    x = images(4, 9, 7)
    x[1] = torch.nan  # the partner of none that is mixed
    partner = torch.tensor([1, 0, 1, 2])
    mixed = Mix(partner, pattern.weight, (pattern,))(x)
    assert torch.equal(mixed[[0, 2]], x[[0, 2]])
    assert pattern.weight[[0, 2]].tolist() == [1, 1]


@pytest.mark.parametrize("size", [(4, 4), (2, 2), (3, 5), (1, 1)])
def test_on_feature_maps_blocks_cover_the_same_part(size):
    pattern, x = drawn(4, 4, (8, 8)), images(4, *size)
    mixed = Mix(CYCLE, pattern.weight, (pattern,))(x)
    assert torch.allclose(mixed, pattern.apply(x, x[CYCLE]), atol=1e-6)
    if size == (4, 4):
        expected = moved_one_by_one(pattern, x, x[CYCLE]).float()
        assert torch.allclose(mixed, expected, atol=1e-6)


@pytest.mark.parametrize("count", [0, 3])
def test_gradients_reach_both_images(count):
    pattern, x = drawn(count, 2, (4, 4)), images(count, 4, 4).requires_grad_()
    partner = torch.arange(count).roll(1)
    Mix(partner, pattern.weight, (pattern,))(x).sum().backward()
    assert x.grad.shape == x.shape


def test_masks_move_with_their_images():
    pattern, masks = drawn(4, 4, (8, 8)), torch.randint(0, 5, (4, 8, 8))
    target = Mix(CYCLE, pattern.weight, (pattern,)).target(masks)
    assert isinstance(target, MixedTarget)
    x = masks[:, None].double()
    expected = moved_one_by_one(pattern, x, x[CYCLE])[:, 0]
    found = target.weight * target.own + (1 - target.weight) * target.partner
    assert torch.allclose(found.double(), expected)
