"""SmoothMix: the published spot, in loops, and the laws of its centre and width."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import SmoothMix
from vicinal.mixing.paste import SoftMasks

RANGES = st.lists(st.floats(0, 1), min_size=2, max_size=2).map(lambda ends: tuple(sorted(ends)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def published_spot(side, row, column, sigma):
    """OpenMixup's kernel for a square image: its centre is a corner of the pixel (row, column)."""
    return [
        [
            math.exp(-((i - row + 0.5) ** 2 + (j - column + 0.5) ** 2) / (2 * sigma**2))
            for j in range(side)
        ]
        for i in range(side)
    ]


@settings(deadline=None)
@given(
    sigma=RANGES,
    count=st.integers(0, 8),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    per=st.sampled_from(["sample", "batch"]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    p=st.floats(0, 1),
    seed=st.integers(0, 2**40),
)
def test_every_setting_draws_a_valid_mix(sigma, count, height, width, per, partners, p, seed):
    x, y = torch.randn(count, 2, height, width), torch.arange(count)
    mixer = SmoothMix(sigma, per=per, partners=partners, p=p, seed=seed)
    mix = mixer.draw(x, y)
    (pattern,) = mix.patterns
    assert type(pattern) is SoftMasks
    assert (pattern.keep.shape, pattern.keep.dtype) == ((count, height, width), torch.float32)
    assert bool(((pattern.keep >= 0) & (pattern.keep <= 1)).all())
    if per == "batch" and partners != "pairs":  # the one that is left over stays as it is
        assert len(pattern.keep.unique(dim=0)) <= 1
    mixed, target = mix(x), mix.target(y)
    keep, other = pattern.keep[:, None], x[mix.partner]
    assert torch.allclose(mixed, keep * x + (1 - keep) * other, atol=1e-5)
    slack = 1e-6 * (1 + x.abs() + other.abs())
    assert bool((mixed >= torch.minimum(x, other) - slack).all())
    assert bool((mixed <= torch.maximum(x, other) + slack).all())
    assert mix.weight.dtype == torch.float32
    assert bool(((mix.weight >= 0) & (mix.weight <= 1)).all())
    assert torch.allclose(target.weight, pattern.keep.double().mean((1, 2)).float(), atol=1e-6)
    again, _ = SmoothMix(sigma, per=per, partners=partners, p=p, seed=seed)(x, y)
    assert torch.equal(mixed, again)


@settings(deadline=None)
@given(side=st.integers(1, 12), seed=st.integers(0, 999))
def test_on_a_square_the_spot_is_the_published_one(side, seed):
    """Of the same numbers: sigma first, then the centre's row and column."""
    keep = SmoothMix().pattern(4, (side, side), generator(seed)).keep
    uniform = torch.rand(3, 4, generator=generator(seed), dtype=torch.float64)
    for mask, (share, row, column) in zip(keep, uniform.T.tolist(), strict=True):
        sigma = (share / 4 + 0.25) * side
        spot = published_spot(side, int(row * side), int(column * side), sigma)
        assert torch.allclose(mask, 1 - torch.tensor(spot), atol=1e-6)


def test_elsewhere_it_is_stretched_with_the_image():
    wide = SmoothMix().pattern(4, (6, 18), generator()).keep
    uniform = torch.rand(3, 4, generator=generator(), dtype=torch.float64)
    for mask, (share, row, column) in zip(wide, uniform.T.tolist(), strict=True):
        sigma = share / 4 + 0.25
        for i in range(6):
            for j in range(18):
                down = (i - int(6 * row) + 0.5) / 6
                across = (j - int(18 * column) + 0.5) / 18
                spot = math.exp(-(down**2 + across**2) / (2 * sigma**2))
                assert float(mask[i, j]) == pytest.approx(1 - spot, abs=1e-6)


def centres_and_sigmas(keep, axis_length):
    """Read from masks of one column: log G is a parabola of the row."""
    log = (1 - keep[:, :, 0].double()).log()
    middle, step = axis_length // 2, axis_length // 4
    before, at, after = (log[:, middle + shift] for shift in (-step, 0, step))
    curvature = (before - 2 * at + after) / step**2
    slope = (after - before) / (2 * step)
    return middle - slope / curvature, (-1 / curvature).sqrt()


def test_the_centre_is_any_corner_and_sigma_is_uniform():
    side = 40
    keep = SmoothMix().pattern(20_000, (side, 1), generator()).keep
    centres, sigmas = centres_and_sigmas(keep, side)
    corners = centres + 0.5
    assert (corners - corners.round()).abs().max() < 0.05
    # False alarms: 1e-6 each.
    found = np.bincount(corners.round().long(), minlength=side)
    assert len(found) == side
    assert stats.chisquare(found).pvalue > 1e-6
    assert stats.kstest(sigmas / side, stats.uniform(0.25, 0.25).cdf).pvalue > 1e-6


def test_both_axes_have_a_centre_of_their_own():
    keep = SmoothMix((0.3, 0.3)).pattern(20_000, (3, 4), generator()).keep
    found = np.unique(keep.numpy(), axis=0, return_counts=True)[1]
    assert len(found) == 12
    # False alarm: 1e-6.
    assert stats.chisquare(found).pvalue > 1e-6


def test_the_partner_has_the_spot_and_its_share_of_the_label():
    x = torch.stack([torch.zeros(1, 16, 16), torch.ones(1, 16, 16)])
    mixed, target = SmoothMix((0.05, 0.05), seed=0)(x, torch.arange(2))
    assert float(mixed[0].max()) > 0.6
    assert float(mixed[0].mean()) == pytest.approx(1 - float(target.weight[0]), abs=1e-6)
    assert float(target.weight[0]) > 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
def test_other_dtypes_and_layouts_are_rounded_once(dtype):
    x, y = torch.randint(100, (4, 3, 10, 12)), torch.arange(4)
    expected, target = SmoothMix(seed=0)(x.float(), y)
    expected = expected.round().to(dtype) if dtype == torch.uint8 else expected.to(dtype)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = x.to(dtype, memory_format=layout)
        mixed, other = SmoothMix(seed=0)(given, y)
        assert mixed.dtype == dtype
        assert mixed.stride() == given.stride()
        assert torch.equal(mixed, expected)
        assert torch.equal(other.weight, target.weight)


def test_integers_are_rejected():
    x = torch.zeros(4, 3, 8, 8, dtype=torch.int64)
    with pytest.raises(TypeError, match="int64 values cannot be blended"):
        SmoothMix(integers="paste")(x, torch.arange(4))


def test_large_rows_get_the_same():
    x = torch.randn(4, 9, 64, 64)  # above apply.LARGE_ROW
    mix = SmoothMix(seed=0).draw(x)
    keep = mix.patterns[0].keep[:, None]
    expected = keep * x + (1 - keep) * x[mix.partner]
    assert torch.allclose(mix(x), expected, atol=1e-5)
    assert torch.allclose(mix(x, inplace=True), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("sigma", "error", "message"),
    [
        (0.5, TypeError, "sigma must be two numbers"),
        ((0.5, 0.25), ValueError, r"sigma must be given as \(smallest, largest\)"),
        ((0.5, 2), ValueError, "sigma must be between 0 and 1, not 2"),
    ],
)
def test_a_bad_sigma_is_one_sentence(sigma, error, message):
    with pytest.raises(error, match=message):
        SmoothMix(sigma)
