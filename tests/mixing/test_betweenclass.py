"""Between-class mixing of sounds, against the published formula written by hand."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixing.implementations import using
from vicinal import BetweenClass, Choice, CutMix, Mix, MixUp, halves
from vicinal.mixing.loudness import LoudnessBlend, a_weighting, loudness

RATE = 16_000


def sounds(count=6, length=5000, seed=0, channels=(), dtype=torch.float32):
    """Noise of very different loudness."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(count, *channels, length, generator=g, dtype=torch.float64)
    amplitude = 10 ** torch.linspace(-3, 0, count, dtype=torch.float64)
    return (x * amplitude.view(-1, *[1] * (x.ndim - 1))).to(dtype)


def level(sound, rate, window):
    """In decibels: of all windows the largest, A-weighted in decibels as IEC 61672 writes it."""
    f = np.fft.rfftfreq(window, 1 / rate)
    with np.errstate(divide="ignore"):
        weighting = 20 * np.log10(
            12194**2
            * f**4
            / (f**2 + 20.6**2)
            / np.sqrt((f**2 + 107.7**2) * (f**2 + 737.9**2))
            / (f**2 + 12194**2)
        )
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    levels = []
    for start in range(0, len(sound) - window + 1, window // 2):
        power = np.abs(np.fft.rfft(shape * sound[start : start + window])) ** 2
        levels.append(10 * np.log10(np.sum(power * 10 ** (weighting / 10))))
    return max(levels)


def mixed_by_hand(x1, x2, r, rate, window):
    g1, g2 = level(x1, rate, window), level(x2, rate, window)
    p = 1 / (1 + 10 ** ((g1 - g2) / 20) * (1 - r) / r)
    return (p * x1 + (1 - p) * x2) / np.sqrt(p**2 + (1 - p) ** 2)


@settings(deadline=None, max_examples=20)
@given(
    rate=st.sampled_from([(16_000, 2048), (44_100, 4096), (8000, 1024), (48_000, 4096)]),
    length=st.integers(4096, 13_000),
    shares=st.lists(st.floats(1e-3, 0.999), min_size=4, max_size=4),
    seed=st.integers(0, 999),
)
def test_it_is_the_published_formula(rate, length, shares, seed):
    (rate, window), x = rate, sounds(4, length, seed, dtype=torch.float64)
    weight, partner = torch.tensor(shares), torch.tensor([2, 3, 1, 0])
    mixed = Mix(partner, weight, (LoudnessBlend(weight, rate),))(x)
    for i, j in enumerate(partner.tolist()):
        expected = mixed_by_hand(x[i].numpy(), x[j].numpy(), float(weight[i]), rate, window)
        np.testing.assert_allclose(mixed[i], expected, rtol=1e-6, atol=1e-9)


def test_frequencies_are_weighted_as_the_standard_has_them():
    """IEC 61672 prints A to a tenth of a decibel, at 1000 hertz times whole powers of 10**0.1."""
    table = {-15: -39.4, -10: -19.1, -3: -3.2, 0: 0, 4: 1.3, 9: -1.1, 12: -6.6}
    frequency = 1000 * 10 ** (torch.tensor([*table], dtype=torch.float64) / 10)
    level = a_weighting(frequency).log10() * 20 + 2
    assert torch.allclose(level, torch.tensor([*table.values()]).double(), atol=0.051)
    assert a_weighting(torch.zeros(1)) == 0


def test_a_mixer_draws_uniform_shares_and_applies_them():
    """Means leave these ranges, 5 deviations, with a probability below 1e-6."""
    share = BetweenClass(RATE, seed=0).draw(torch.empty(20_000, 1)).weight
    assert abs(share.mean() - 0.5) < 5 * (1 / 12 / 20_000) ** 0.5
    assert abs(share.square().mean() - 1 / 3) < 5 * (4 / 45 / 20_000) ** 0.5
    x, y = sounds(), torch.arange(6)
    mixed, target = BetweenClass(RATE, seed=0)(x, y)
    mix = BetweenClass(RATE, seed=0).draw(x, y)
    assert torch.equal(mixed, mix(x))
    assert torch.equal(target.weight, mix.weight)
    assert torch.equal(target.partner, y[mix.partner])


def test_equally_loud_sounds_are_blended_by_the_share_alone():
    x = sounds(2)
    x[1] = -x[0].roll(17)  # not the same to the last digit: the windows begin elsewhere
    x[1] *= loudness(x, RATE)[0] / loudness(x, RATE)[1]
    r = 0.3
    mixed = Mix(torch.tensor([1, 0]), torch.ones(2), (LoudnessBlend(torch.full((2,), r), RATE),))(x)
    expected = (r * x + (1 - r) * x.flip(0)) / (r**2 + (1 - r) ** 2) ** 0.5
    assert torch.allclose(mixed, expected, atol=1e-4)


def test_each_is_heard_by_its_share():
    """What is left of both sounds in the mixed one has levels at the distance of their shares."""
    time = torch.arange(RATE) / RATE
    hum, whistle = (torch.sin(6.28 * hertz * time) for hertz in (100, 3000))
    x = torch.stack([hum, 0.01 * whistle])
    for r in (0.2, 0.5, 0.9):
        pattern = LoudnessBlend(torch.tensor([r, 1.0]), RATE)
        mixed = Mix(torch.tensor([1, 0]), pattern.weight, (pattern,))(x)[0]
        # The frequencies are whole numbers of periods: the parts are orthogonal.
        parts = torch.stack([(mixed @ sound) / (sound @ sound) * sound for sound in x])
        own, theirs = loudness(parts, RATE)
        assert float(own / theirs) == pytest.approx(r / (1 - r), rel=0.02)


@pytest.mark.parametrize("r", [0.1, 0.5, 0.8])
def test_the_power_of_equally_loud_noise_stays(r):
    """Of n samples with variance 1, the mean square deviates by sqrt(2 / n)."""
    x = torch.randn(2, 400_000, generator=torch.Generator().manual_seed(1))
    mixed = Mix(torch.tensor([1, 0]), torch.ones(2), (LoudnessBlend(torch.full((2,), r), RATE),))(x)
    assert bool((abs(mixed.square().mean(1) - 1) < 5 * (2 / 400_000) ** 0.5).all())
    plain = (r * x + (1 - r) * x.flip(0)).square().mean(1)
    assert bool((plain < 0.9).all())


class TestSilence:
    def test_beside_a_sound_it_is_blended_by_the_share(self):
        x = sounds(3)
        x[1] = 0
        share = torch.tensor([0.3, 0.6, 0.9])
        mixed = Mix(torch.tensor([1, 2, 0]), share, (LoudnessBlend(share, RATE),))(x)
        scale = (share.square() + (1 - share).square()).rsqrt()
        assert torch.allclose(mixed[0], 0.3 * scale[0] * x[0])
        assert torch.allclose(mixed[1], 0.4 * scale[1] * x[2])
        assert mixed.isfinite().all()

    @pytest.mark.parametrize("shape", [(4, 3000), (4, 2, 3000), (4, 3), (4, 1), (4, 0), (0, 50)])
    def test_nothing_but_silence_stays_silent(self, shape):
        mixed, _ = BetweenClass(RATE, seed=0)(torch.zeros(shape), torch.arange(shape[0]))
        assert torch.equal(mixed, torch.zeros(shape))

    def test_what_cannot_be_heard_is_silence(self):
        assert loudness(torch.ones(1, 5000), RATE) < 1e-3 * loudness(sounds(1) * 1e3, RATE)

    @pytest.mark.parametrize("length", [1, 2, 3, 100])
    def test_short_sounds_are_one_window(self, length):
        x, y = sounds(4, length), torch.arange(4)
        assert BetweenClass(RATE, seed=0)(x, y)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [(), (2,), (2, 3)])
def test_shapes_and_dtypes(dtype, channels):
    x = sounds(channels=channels, dtype=dtype)
    mixed, _ = BetweenClass(RATE, seed=0)(x, torch.arange(6))
    exact, _ = BetweenClass(RATE, seed=0)(x.double(), torch.arange(6))
    assert (mixed.dtype, mixed.shape) == (dtype, x.shape)
    rounding = torch.finfo(dtype).eps
    assert torch.allclose(mixed.double(), exact, rtol=2 * rounding, atol=1e-5 + rounding)


def test_channels_are_mixed_alike():
    x = sounds(channels=(2,))
    both, _ = BetweenClass(RATE, seed=0)(x.repeat(1, 2, 1), torch.arange(6))
    mixed, _ = BetweenClass(RATE, seed=0)(x, torch.arange(6))
    assert torch.allclose(both, mixed.repeat(1, 2, 1), atol=1e-6)
    mono, _ = BetweenClass(RATE, seed=0)(x[:, :1], torch.arange(6))
    flat, _ = BetweenClass(RATE, seed=0)(x[:, 0], torch.arange(6))
    assert torch.allclose(mono[:, 0], flat, atol=1e-6)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("options", [{}, {"per": "batch"}, {"partners": "pairs", "p": 0.8}])
def test_all_implementations_agree(second, inplace, options):
    x, other, y = sounds(), sounds(seed=1), torch.arange(6)
    mixer = BetweenClass(RATE, **options, seed=0)
    mix = copy.deepcopy(mixer).draw(x)
    expected = mix.patterns[0].apply(x, other if second else x[mix.partner])
    for implementation in ("compiled", "row by row", "whole batch"):
        with using(implementation):
            called, _ = copy.deepcopy(mixer)(x.clone(), y, inplace=inplace)
            mixed = mix(x.clone(), other=other if second else None, inplace=inplace)
        assert torch.allclose(mixed, expected, atol=1e-6)
        assert second or torch.allclose(called, expected, atol=1e-6)
    unmixed = mix.weight == 1
    assert torch.equal(mixed[unmixed], x[unmixed])


def test_samples_with_weight_one_ignore_their_partner():
    x = sounds(4)
    x[1] = float("nan")
    x[3] = float("inf")
    pattern = LoudnessBlend(torch.tensor([1.0, 1.0, 1.0, 0.5]), RATE)
    mix = Mix(torch.tensor([1, 2, 3, 0]), pattern.weight, (pattern,))
    for implementation in ("row by row", "whole batch"):
        with using(implementation):
            assert torch.equal(mix(x)[[0, 2]], x[[0, 2]])
    x.requires_grad_()
    mix(x)[[0, 1, 2]].nan_to_num().sum().backward()
    assert torch.equal(x.grad[0], torch.ones(5000))


def test_gradients_are_those_of_a_blend():
    """How loud a sound is counts as given."""
    x = sounds(2).requires_grad_()
    pattern = LoudnessBlend(torch.tensor([0.3, 0.6]), RATE)
    mixed = Mix(torch.tensor([1, 0]), pattern.weight, (pattern,))(x)
    (grad,) = torch.autograd.grad(mixed[0].sum(), x)
    assert len(grad[0].unique()) == len(grad[1].unique()) == 1
    assert torch.allclose(grad[0, 0] * x[0] + grad[1, 0] * x[1], mixed[0])


def test_half():
    x, y = sounds(), torch.arange(6)
    (x1, x2), (y1, y2) = halves(x), halves(y)
    expected, _ = BetweenClass(RATE, seed=0)(x1, y1, other=(x2, y2))
    mixed, _ = BetweenClass(RATE, half=True, seed=0)(x, y)
    assert torch.equal(mixed, expected)


def test_a_choice_with_mixup():
    first, second = (Choice([BetweenClass(RATE), MixUp(1.0)], [0.5, 0.4], seed=0) for _ in "ab")
    x, y = sounds(40), torch.arange(40)
    mix = first.draw(x, y)
    heard, blended = (pattern.weight < 1 for pattern in mix.patterns)
    assert heard.any()
    assert blended.any()
    assert not (heard & blended).any()
    mixed, target = second(x, y)
    assert torch.equal(target.weight, mix.weight)
    for chosen, pattern in ((heard, mix.patterns[0]), (blended, mix.patterns[1])):
        assert torch.allclose(mixed[chosen], pattern.apply(x, x[mix.partner])[chosen], atol=1e-6)
    assert torch.equal(mixed[~heard & ~blended], x[~heard & ~blended])


def test_labels_of_each_moment_beside_spans_of_time():
    """They are cut where a span is the partner's, and shared where sounds are heard together."""
    mixer = Choice([BetweenClass(RATE), CutMix(dim=-1)], pixelwise=True, seed=0)
    x, labels = sounds(40, channels=(1,)), torch.rand(40, 3, 5000)
    mix = mixer.draw(x)
    target = mix.target(labels, pixelwise=True)
    heard = mix.patterns[0].weight < 1
    assert torch.allclose(target.weight, mix.patterns[0].weight)
    assert torch.equal(target.own[heard], labels[heard])
    shown = mix(x)[~heard] != x[~heard]
    expected = torch.where(shown, labels[mix.partner][~heard], labels[~heard])
    assert torch.equal(target.own[~heard], expected)


@pytest.mark.parametrize("make", [BetweenClass, lambda *a, **o: Choice([BetweenClass(*a)], **o)])
@torch._dynamo.config.patch(error_on_recompile=True)
def test_it_compiles_to_one_graph(make):
    torch._dynamo.reset()
    eager, mixer = make(RATE, seed=0), make(RATE, seed=0)
    step = torch.compile(lambda x, y: mixer(x, y), fullgraph=True, backend="aot_eager")
    for seed in range(2):
        x, y = sounds(seed=seed), torch.arange(6)
        (mixed, target), (expected, wanted) = step(x, y), eager(x, y)
        assert torch.allclose(mixed, expected, atol=1e-6)
        assert torch.equal(target.weight, wanted.weight)


def test_a_mix_goes_through_a_worker():
    x = sounds()
    mix = BetweenClass(RATE, seed=0).draw(x)
    assert torch.equal(pickle.loads(pickle.dumps(mix))(x), mix(x))
    mixer = pickle.loads(pickle.dumps(BetweenClass(RATE, seed=0)))
    assert torch.equal(mixer.draw(x)(x), mix(x))


def test_a_changed_rate_counts_from_the_next_batch_on():
    x, mixer = sounds(), BetweenClass(RATE, seed=0)
    mixer.draw(x)
    mixer.rate = 44_100
    assert mixer.draw(x).patterns[0].rate == 44_100
    assert repr(mixer).startswith("BetweenClass(rate=44100, ")


class TestErrors:
    @pytest.mark.parametrize(
        ("rate", "error", "message"),
        [
            (0, ValueError, "rate must be 1 or more, not 0"),
            (-8000, ValueError, "rate must be 1 or more"),
            (44.1, TypeError, "rate must be a whole number, not 44.1"),
        ],
    )
    def test_rates(self, rate, error, message):
        with pytest.raises(error, match=message):
            BetweenClass(rate)

    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            (torch.zeros(6, 9, dtype=torch.uint8), TypeError, "uint8 values are no waveforms"),
            (torch.zeros(6, 9, dtype=torch.complex64), TypeError, "complex64 values are no wav"),
            (torch.zeros(6), ValueError, r"shape \(6,\) has no time dimension"),
            (torch.zeros(5, 9), ValueError, "the mix was drawn for 6 samples"),
        ],
    )
    def test_nothing_is_touched(self, wrong, error, message, inplace):
        x = {"sound": sounds(), "wrong": wrong}
        with pytest.raises(error, match=rf"batch\['wrong'\]: .*{message}"):
            BetweenClass(RATE)(x, torch.arange(6), inplace=inplace)
        assert torch.equal(x["sound"], sounds())


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_channels_after_time_are_an_error(channels):
    x = torch.randn(4, 1600, channels)
    with pytest.raises(ValueError, match=r"channels last: give waveforms \(B, ..., T\), such as"):
        BetweenClass(16_000, seed=0)(x, torch.arange(4))
    BetweenClass(16_000, seed=0)(x.transpose(1, 2), torch.arange(4))


@pytest.mark.parametrize("snr", [(0, 20), (-5, 5), (10, 10)])
def test_a_drawn_ratio_is_that_of_the_levels_in_decibels(snr):
    mixer = BetweenClass(RATE, snr=snr, seed=0)
    x = sounds(64, 2048)
    mix = mixer.draw(x, torch.arange(64))
    share = mix.weight.double()
    ratio = 20 * torch.log10(share / (1 - share))
    assert ratio.min() > snr[0] - 1e-3
    assert ratio.max() < snr[1] + 1e-3
    if snr[0] < snr[1]:
        assert ratio.max() - ratio.min() > 0.8 * (snr[1] - snr[0])
    own, theirs = loudness(x, RATE), loudness(x[mix.partner], RATE)
    gain = share * theirs / (share * theirs + (1 - share) * own)
    heard = 20 * torch.log10(gain * own / ((1 - gain) * theirs))
    torch.testing.assert_close(heard, ratio, atol=1e-3, rtol=1e-3)
    scale = (gain.square() + (1 - gain).square()).rsqrt()
    expected = (gain * scale)[:, None] * x + ((1 - gain) * scale)[:, None] * x[mix.partner]
    torch.testing.assert_close(mix(x).double(), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("snr", [(5, 0), (0, 101), (-101, 0), 5, (True, 2), ("0", 2)])
def test_a_ratio_is_two_numbers_in_order(snr):
    with pytest.raises((TypeError, ValueError), match="snr"):
        BetweenClass(RATE, snr=snr)
