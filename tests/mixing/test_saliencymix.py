"""SaliencyMix: the authors' boxes, each at the spot of its own partner."""

import pytest
import torch

from vicinal import Choice, CutMix, MixUp, SaliencyMix, Schedule
from vicinal.mixing.paste import Boxes

COUNT, SIZE = 6, (8, 10)
SPOTS = torch.tensor([[2, 9], [7, 0], [0, 0], [4, 5], [7, 9], [3, 3]])


def spotted(count=COUNT, size=SIZE, spots=SPOTS):
    """Images of noise, and where each has its spot, as the saliency finds it."""
    x = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0)) / 2
    x[torch.arange(count), :, spots[:, 0], spots[:, 1]] = 1.0
    return x


def brightest(images):
    assert images.ndim == 4
    return images.float().mean(1)


def box(spot, sides, size):
    edges = []
    for centre, side, length in zip(spot, sides, size, strict=True):
        start = centre - side // 2
        edges += [max(start, 0), min(start + side, length)]
    return edges


@pytest.mark.parametrize(
    ("size", "spot", "lam", "published"),
    [
        ((8, 10), (2, 9), 0.3, [0, 5, 5, 10]),
        ((32, 32), (16, 3), 0.5, [5, 27, 0, 14]),
        ((32, 32), (0, 31), 0.1, [0, 15, 16, 32]),
        ((9, 7), (4, 4), 0.5, [1, 7, 2, 6]),
        ((8, 10), (7, 0), 0.75, [5, 8, 0, 2]),
    ],
)
def test_boxes_are_the_published_ones(monkeypatch, size, spot, lam, published):
    """Of the authors' function for the same spot and λ; an odd side of ours is one pixel larger."""
    target = "vicinal.mixing.methods.saliencymix.sample_lam"
    monkeypatch.setattr(target, lambda _, n, __: torch.full((n,), lam, dtype=torch.float64))
    x = spotted(2, size, torch.tensor([spot, spot]))
    (pattern,) = SaliencyMix(saliency=brightest).draw(x).patterns
    found = pattern.corners[0].tolist()
    for axis, side in enumerate(size):
        odd = int(side * (1 - lam) ** 0.5) % 2
        stop = min(published[2 * axis + 1] + odd, side)
        assert found[2 * axis : 2 * axis + 2] == [published[2 * axis], stop]


@pytest.mark.parametrize("partners", ["cycle", "shuffle", "pairs", "reverse"])
def test_each_box_is_at_the_spot_of_its_own_partner(partners):
    x, y = spotted(), torch.arange(COUNT)
    drawn = SaliencyMix(seed=3).pattern(COUNT, SIZE, torch.Generator().manual_seed(1)).corners
    assert bool((drawn[:, ::2] == 0).all())
    mix = SaliencyMix(saliency=brightest, partners=partners, seed=1).draw(x, y)
    (pattern,) = mix.patterns
    assert type(pattern) is Boxes
    for corners, partner in zip(pattern.corners.tolist(), mix.partner.tolist(), strict=True):
        top, bottom, left, right = corners
        if top < bottom and left < right:
            row, column = SPOTS[partner].tolist()
            assert top <= row < bottom
            assert left <= column < right
    mixed, target = mix(x), mix.target(y)
    kept = (mixed == x).all(1).float().mean((1, 2))
    moved = mix.partner != y
    assert torch.allclose(kept[moved], target.weight[moved], atol=1e-6)


def test_boxes_of_a_second_batch_are_at_its_spots():
    x, other = spotted(), spotted(spots=SPOTS.flip(0))
    mix = SaliencyMix(0.3, saliency=brightest, seed=0).draw(x, None, other=(other, None))
    for corners, (row, column) in zip(
        mix.patterns[0].corners.tolist(), SPOTS.flip(0).tolist(), strict=True
    ):
        top, bottom, left, right = corners
        assert top == bottom or left == right or (top <= row < bottom and left <= column < right)
    mixed = SaliencyMix(half=True, saliency=brightest, seed=0)(x, torch.arange(COUNT))[0]
    assert mixed.shape[0] == COUNT // 2


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_find_the_same_spots(dtype):
    x = (spotted() * 200).to(torch.uint8)
    expected = SaliencyMix(seed=0).draw(x.float())
    assert torch.equal(
        SaliencyMix(seed=0).draw(x.to(dtype)).patterns[0].corners, expected.patterns[0].corners
    )


@pytest.mark.parametrize("permute", [(0, 2, 3, 1), None])
def test_channels_may_come_last(permute):
    x = torch.rand(4, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    expected = SaliencyMix(seed=0)(x, torch.arange(4))[0]
    last = x.permute(0, 2, 3, 1)
    found = SaliencyMix(seed=0)(last if permute else last.contiguous(), torch.arange(4))[0]
    assert torch.equal(found.permute(0, 3, 1, 2), expected)


@pytest.mark.parametrize("mask", [torch.int64, torch.uint8])
def test_the_saliency_is_that_of_the_images_and_not_of_their_masks(mask):
    x = spotted()
    masks = torch.randint(5, (COUNT, *SIZE)).to(mask)
    batch = {"label_mask": masks, "image": x}
    found = SaliencyMix(integers="paste", fields=["label_mask", "image"], seed=0).draw(batch)
    assert torch.equal(found.patterns[0].corners, SaliencyMix(seed=0).draw(x).patterns[0].corners)


@pytest.mark.parametrize(
    "shape", [(5, 3, 8, 8), (1, 3, 8, 8), (5, 8, 8), (5, 1, 1, 9), (3, 2, 4, 8, 8)]
)
def test_boxes_are_in_the_middle_where_nothing_stands_out(shape):
    mix = SaliencyMix(0.0001, seed=0).draw(torch.full(shape, 0.3))
    for (top, bottom, left, right), keep in zip(
        mix.patterns[0].corners.tolist(), mix.weight.tolist(), strict=True
    ):
        assert keep == 1 or (top <= shape[-2] // 2 < bottom and left <= shape[-1] // 2 < right)
    assert bool(mix.weight.isfinite().all())


def test_a_pixel_that_is_not_finite_leaves_valid_boxes():
    x = torch.rand(4, 3, 8, 8)
    x[1, 0, 2, 2], x[2, 1, 3, 3] = torch.nan, torch.inf
    mix = SaliencyMix(seed=0).draw(x)
    corners = mix.patterns[0].corners
    assert bool(((corners >= 0) & (corners <= 8)).all())
    assert bool(((mix.weight >= 0) & (mix.weight <= 1)).all())


def test_samples_of_other_mixers_stay_theirs():
    x, y = torch.rand(400, 1, 8, 8), torch.arange(400)
    mix = Choice([SaliencyMix(), CutMix(), MixUp()], [0.4, 0.3, 0.2], seed=0).draw(x, y)
    salient, cut, blended = (pattern.weight < 1 for pattern in mix.patterns)
    assert not (salient & cut).any()
    assert not (salient & blended).any()
    assert 100 < int(salient.sum()) < 200
    schedule = Schedule(SaliencyMix(), until=0.5, steps=4, seed=0)
    assert [bool((schedule.draw(x, y).weight < 1).any()) for _ in range(4)] == [True] * 2 + [
        False
    ] * 2


def test_strength_and_saliency_are_checked():
    assert bool((SaliencyMix(0).draw(spotted()).weight == 1).all())
    with pytest.raises(ValueError, match="alpha must be 0 or more, not -1"):
        SaliencyMix(-1)
    with pytest.raises(TypeError, match="saliency must be a function from images"):
        SaliencyMix(saliency="spectral")
    with pytest.raises(ValueError, match=r"must have the shape \(B, H, W\), not \(6, 3, 8, 10\)"):
        SaliencyMix(saliency=lambda images: images).draw(spotted())
    with pytest.raises(TypeError, match="saliency must be a tensor"):
        SaliencyMix(saliency=lambda images: None).draw(spotted())
    with pytest.raises(ValueError, match="there are no images"):
        SaliencyMix().draw(torch.rand(4, 5))
