"""GuidedMixUp: the authors' partners and shares."""

import math

import pytest
import torch

from vicinal import Choice, CutMix, GuidedMixUp
from vicinal.mixing.methods.guidedmixup import farthest_cycle
from vicinal.mixing.paste import SoftMasks


def images(*shape):
    """Numbers that any program can write down."""
    return ((torch.arange(math.prod(shape)) * 37 % 101) / 100).view(shape)


def test_partners_and_shares_are_the_published_ones():
    """As the authors' code computes them for these numbers: saliency, pairing, masks and labels."""
    x = images(4, 3, 8, 10)
    mix = GuidedMixUp().draw(x)
    assert mix.partner.tolist() == [2, 3, 1, 0]
    weight = torch.tensor([0.49868, 0.50197, 0.50296, 0.49656])
    assert torch.allclose(mix.weight, weight, atol=1e-5)
    (pattern,) = mix.patterns
    assert type(pattern) is SoftMasks
    row = [0.54373, 0.53688, 0.51687, 0.49320, 0.47473, 0.46491, 0.46663, 0.47694, 0.48758, 0.49248]
    assert torch.allclose(pattern.keep[0, 0], torch.tensor(row), atol=1e-5)
    row = [0.38783, 0.29590, 0.66270, 0.53078, 0.38596, 0.75439, 0.11466, 0.48631, 0.85801, 0.21880]
    assert torch.allclose(mix(x)[0, 0, 0], torch.tensor(row), atol=1e-5)


def test_partners_of_an_odd_batch_are_the_published_ones():
    mix = GuidedMixUp().draw(images(7, 3, 9, 9))
    assert mix.partner.tolist() == [6, 4, 5, 0, 3, 1, 2]
    weight = [0.50104, 0.50100, 0.50083, 0.50026, 0.49924, 0.49862, 0.49904]
    assert torch.allclose(mix.weight, torch.tensor(weight), atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 30])
@pytest.mark.parametrize("kind", ["random", "equal"])
def test_partners_are_one_cycle(count, kind):
    maps = torch.rand(count, 4, 4) if kind == "random" else torch.ones(count, 4, 4)
    partner = farthest_cycle(maps)
    seen, row = [], 0
    for _ in range(count):
        seen.append(row)
        row = int(partner[row])
    assert sorted(seen) == list(range(count))
    assert row == 0


def test_each_partner_is_the_most_distant_that_is_left():
    maps = torch.rand(9, 5, generator=torch.Generator().manual_seed(0))
    partner, distance = farthest_cycle(maps), torch.cdist(maps, maps)
    row = first = int(distance.argmax()) // 9
    left = set(range(9)) - {first}
    while left:
        following = int(partner[row])
        assert following == max(left, key=lambda other: float(distance[row, other]))
        left.remove(following)
        row = following
    assert int(partner[row]) == first


def test_where_nothing_stands_out_pixels_are_shared_equally():
    mix = GuidedMixUp().draw(torch.full((4, 3, 8, 8), 0.7))
    assert torch.equal(mix.patterns[0].keep, torch.full((4, 8, 8), 0.5))
    assert sorted(mix.partner.tolist()) == [0, 1, 2, 3]
    with_nothing = lambda maps: maps.mean(1) * 0  # noqa: E731
    assert torch.equal(
        GuidedMixUp(saliency=with_nothing).draw(images(3, 1, 8, 8)).weight, torch.full((3,), 0.5)
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16])
def test_images_of_other_dtypes_and_with_nan(dtype):
    x = (images(5, 3, 8, 8) * 100).to(dtype)
    mix = GuidedMixUp().draw(x)
    assert mix(x).dtype == dtype
    assert torch.allclose(mix.weight, GuidedMixUp().draw(x.float()).weight, atol=1e-5)
    if dtype != torch.uint8:
        x[0, 0, 0, 0] = torch.nan
        assert bool(GuidedMixUp().draw(x).weight.isfinite().all())


def test_smaller_maps_are_enlarged():
    x = images(4, 3, 32, 32)
    small = lambda maps: torch.nn.functional.avg_pool2d(maps.mean(1), 8)  # noqa: E731
    keep = GuidedMixUp(saliency=small).draw(x).patterns[0].keep
    assert keep.shape == (4, 32, 32)
    assert bool(((keep >= 0) & (keep <= 1)).all())
    assert GuidedMixUp().draw(images(2, 3, 96, 100)).patterns[0].keep.shape == (2, 96, 100)


def test_rows_of_a_second_batch_or_half_are_the_partners():
    x, other = images(4, 3, 8, 8), images(8, 3, 8, 8)[4:]
    y = torch.arange(4)
    mixed, target = GuidedMixUp(seed=0)(x, y, other=(other, y + 4))
    assert target.partner.tolist() == [4, 5, 6, 7]
    low, high = torch.minimum(x, other), torch.maximum(x, other)
    assert bool(((mixed >= low - 1e-6) & (mixed <= high + 1e-6)).all())
    both, halved = GuidedMixUp(half=True, seed=0)(torch.cat([x, other]), torch.arange(8))
    assert torch.allclose(both, mixed)
    assert torch.equal(halved.weight, target.weight)


def test_samples_of_other_mixers_keep_their_partners():
    x, y = torch.rand(40, 1, 8, 8), torch.arange(40)
    mix = Choice([GuidedMixUp(), CutMix()], [0.5, 0.3], seed=0).draw(x, y)
    guided = mix.patterns[0].weight < 1
    assert 8 < int(guided.sum()) < 32
    expected = farthest_cycle(GuidedMixUp()._shares(x))
    assert torch.equal(mix.partner[guided], expected[guided])
    assert bool((GuidedMixUp(p=0.0).draw(x).weight == 1).all())


def test_it_takes_no_partners():
    with pytest.raises(TypeError, match="partners"):
        GuidedMixUp(partners="pairs")
    with pytest.raises(ValueError, match="chooses the partners itself, so a Choice"):
        Choice([GuidedMixUp(), CutMix()], partners="pairs")
    assert "partners" not in repr(GuidedMixUp(seed=0))
    with pytest.raises(TypeError, match="saliency must be a function"):
        GuidedMixUp(saliency=3)
