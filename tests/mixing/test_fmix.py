"""FMix: the noise has the paper's spectrum, and the brightest pixels are the authors'."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import FMix
from vicinal.mixing.beta import symmetric_beta
from vicinal.mixing.methods.fmix import brightest, low_frequency_images
from vicinal.mixing.paste import Masks


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def published_mask(image, pixels):
    """The authors' binarising, for a number of pixels."""
    order = image.reshape(-1).argsort()[::-1]
    mask = np.zeros(image.size, bool)
    for rank, pixel in enumerate(order):
        mask[pixel] = rank < pixels
    return mask.reshape(image.shape)


@settings(deadline=None)
@given(
    alpha=st.floats(0, 100),
    decay=st.floats(0, 1000),
    count=st.integers(0, 8),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    per=st.sampled_from(["sample", "batch"]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    p=st.floats(0, 1),
    seed=st.integers(0, 2**40),
)
def test_every_setting_draws_a_valid_mix(
    alpha, decay, count, height, width, per, partners, p, seed
):
    x, y = torch.randn(count, 2, height, width), torch.arange(count)
    mixer = FMix(alpha, decay, per=per, partners=partners, p=p, seed=seed)
    mix = mixer.draw(x, y)
    (pattern,) = mix.patterns
    assert type(pattern) is Masks
    assert (pattern.keep.shape, pattern.keep.dtype) == ((count, height, width), torch.bool)
    if per == "batch" and partners != "pairs":  # the one that is left over stays as it is
        assert len(pattern.keep.unique(dim=0)) <= 1
    mixed, target = mix(x), mix.target(y)
    assert torch.equal(mixed, torch.where(pattern.keep[:, None], x, x[mix.partner]))
    assert mix.weight.dtype == torch.float32
    assert torch.allclose(target.weight, pattern.keep.float().mean((1, 2)), atol=1e-6)
    again, _ = FMix(alpha, decay, per=per, partners=partners, p=p, seed=seed)(x, y)
    assert torch.equal(mixed, again)


@given(
    count=st.integers(0, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 999),
)
def test_the_brightest_pixels_are_the_published_ones(count, height, width, seed):
    numbers = np.random.default_rng(seed)
    images = numbers.standard_normal((count, height, width))
    pixels = numbers.integers(0, height * width + 1, count)
    found = brightest(torch.from_numpy(images), torch.from_numpy(pixels))
    for mask, image, number in zip(found, images, pixels, strict=True):
        assert np.array_equal(mask, published_mask(image, number))


def test_equally_bright_pixels_are_counted_exactly():
    pixels = torch.arange(26.0)
    assert torch.equal(brightest(torch.zeros(26, 5, 5), pixels).sum((1, 2)), pixels.long())


@pytest.mark.parametrize("size", [(12, 16), (9, 7), (1, 8), (6, 1), (2, 3)])
@pytest.mark.parametrize("decay", [0.0, 1.5, 3.0])
def test_the_power_falls_with_the_frequency_alike_in_all_directions(size, decay):
    count = 20_000
    images = low_frequency_images(count, size, decay, generator()).double()
    power = torch.fft.fft2(images).abs().square().mean(0).numpy().ravel()
    down, across = np.meshgrid(*(np.fft.fftfreq(side) for side in size), indexing="ij")
    frequency = np.hypot(down, across).ravel()
    # The mean frequency, which is 0, changes no mask.
    flat = power[1:] * frequency[1:] ** (2 * decay)
    # Each is a mean of 20,000 with a relative deviation of at most 1 %: false alarm below 1e-6.
    assert np.abs(flat / flat.mean() - 1).max() < 7 * np.sqrt(2 / count)


def test_different_frequencies_have_nothing_to_do_with_each_other():
    images = low_frequency_images(20_000, (4, 5), 3.0, generator()).double()
    spectrum = torch.fft.rfft2(images)[:, :, 1:].flatten(1)  # no two that are conjugates
    parts = torch.cat([spectrum.real, spectrum.imag], 1)
    correlation = torch.corrcoef(parts.T) - torch.eye(parts.shape[1])
    # 120 correlations with a deviation of 1 / sqrt(20,000): false alarm below 1e-6.
    assert correlation.abs().max() < 6 / 20_000**0.5


@pytest.mark.parametrize("alpha", [0.4, 1.0, 5.0])
def test_the_share_is_rounded_to_pixels_by_a_fair_coin(alpha):
    """Of the same numbers: the shares come first."""
    share = symmetric_beta(alpha, 3000, generator()) * 63
    pixels = FMix(alpha).pattern(3000, (7, 9), generator()).keep.sum((1, 2))
    up = pixels == share.ceil()
    assert bool((up | (pixels == share.floor())).all())
    # False alarm: 1e-6.
    assert stats.binomtest(int(up.sum()), 3000).pvalue > 1e-6


@pytest.mark.parametrize("alpha", [1.0, 2.0, 5.0])
def test_the_weight_is_beta(alpha):
    weight = FMix(alpha).pattern(3000, (48, 48), generator()).weight
    # False alarm: 1e-6; the rounding to 2304 pixels moves the distribution by less than a tenth of
    # what it takes.
    assert stats.kstest(weight, stats.beta(alpha, alpha).cdf).pvalue > 1e-6


def test_masks_of_a_batch_differ():
    keep = FMix(1e6).pattern(50, (16, 16), generator()).keep
    assert len(keep.unique(dim=0)) == 50
    # Each pixel is bright as often as dark; false alarm: below 256 * 2e-7.
    assert stats.binom(50, 0.5).ppf(1e-7) <= int(keep.sum(0).min())
    assert stats.binom(50, 0.5).isf(1e-7) >= int(keep.sum(0).max())


def test_a_larger_decay_makes_larger_regions():
    def edges(decay):
        keep = FMix(1e6, decay).pattern(200, (16, 16), generator()).keep
        return float((keep[:, 1:] ^ keep[:, :-1]).float().mean())

    assert edges(0) > edges(1) > edges(2) > edges(3) > edges(1000)


def test_a_full_batch_of_imagenet_size():
    keep = FMix().pattern(64, (224, 224), generator()).keep
    assert keep.shape == (64, 224, 224)
    share = symmetric_beta(1.0, 64, generator())
    assert bool((keep.sum((1, 2)) - share * 224**2).abs().max() < 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be 0 or more, not -1"),
        ({"decay": float("nan")}, ValueError, "decay must be 0 or more, not nan"),
        ({"decay": "3"}, TypeError, "decay must be a number, not '3'"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        FMix(**arguments)
