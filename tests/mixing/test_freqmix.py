"""FreqMix: the published spectra, and that past and future stay one series."""

import math

import pytest
import torch
import torch.nn.functional as F

from vicinal import Choice, CutMix, FreqMix, MixLoss, Near, Schedule, check_mixer
from vicinal.mixing.checks import CHECKS_OF_FORMS
from vicinal.mixing.methods.freqmix import SpectralMix


def series(*shape):
    """Numbers that any program can write down."""
    return ((torch.arange(math.prod(shape)) * 37 % 101) / 100).view(shape)


def test_spectra_are_mixed_as_the_published_code_mixes_them():
    """Of the frequencies that it takes of the partners, for an even number of steps."""
    whole = series(3, 12, 2)
    taken = torch.zeros(3, 7, 2, dtype=torch.bool)
    for place in [(0, 1, 0), (0, 3, 1), (0, 4, 0), (1, 1, 0), (2, 1, 0)]:
        taken[place] = True
    past, future = whole[:, :9], whole[:, 9:]
    keep = ~taken.transpose(1, 2)
    mix = SpectralMix(torch.tensor([2, 0, 1]), torch.ones(3), keep, past, future, None, -2)
    first = [0.3367, 0.7400, 0.1333, 0.3067, 0.7717, 0.2717, 0.5683, 0.1300, 0.7017]
    assert torch.allclose(mix(past)[0, :, 0], torch.tensor(first), atol=1e-4)
    assert torch.allclose(
        mix.target(future)[0, :, 0], torch.tensor([0.9983, 0.4983, -0.0467]), atol=1e-4
    )
    assert torch.allclose(
        mix.target(future)[2, :, 1], torch.tensor([0.5500, 0.2800, 0.0100]), atol=1e-4
    )


@pytest.mark.parametrize("steps", [(9, 3), (8, 3), (1, 1), (5, 12)])
@pytest.mark.parametrize("dim", [-1, -2])
def test_each_frequency_of_the_window_is_one_of_both(steps, dim):
    past, future = (torch.randn(5, 2, n).movedim(-1, dim) for n in steps)
    mixer = FreqMix(0.4, dim=dim, seed=0)
    mix = mixer.draw(past, future)
    joint = torch.cat([past, future], dim)
    mixed = torch.cat([mix(past), mix.target(future)], dim)
    assert mixed.shape == joint.shape
    own, found = (torch.fft.rfft(w.movedim(dim, -1)) for w in (joint, mixed))
    expected = torch.where(mix.keep, own, own[mix.partner])
    assert torch.allclose(found, expected, atol=1e-4)
    assert torch.allclose(mix.weight, mix.keep.float().mean((1, 2)))


def test_future_follows_its_past():
    """Of sines that are known beyond the window: also where all frequencies are the partner's."""
    time = torch.arange(40.0)
    periods = torch.tensor([40.0, 20.0, 10.0, 8.0])
    whole = (2 * torch.pi * time / periods[:, None]).sin()[:, None]
    x, y = FreqMix(1.0, partners="reverse", seed=0)(whole[..., :30], whole[..., 30:])
    assert torch.allclose(torch.cat([x, y], -1), whole.flip(0), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_and_samples_that_are_not_mixed(dtype):
    past, future = torch.randn(6, 3, 10).to(dtype), torch.randn(6, 3, 4)
    x, y = FreqMix(p=0.5, seed=1)(past, future)
    assert (x.dtype, y.dtype) == (dtype, torch.float32)
    mix = FreqMix(p=0.5, seed=1).draw(past, future)
    unmixed = mix.weight == 1
    assert 0 < int(unmixed.sum()) < 6
    assert torch.equal(x[unmixed], past[unmixed])
    assert torch.equal(y[unmixed], future[unmixed])
    assert not torch.equal(x, past)


def test_any_loss_takes_the_targets():
    past, future = torch.randn(6, 3, 10), torch.randn(6, 3, 4)
    x, y = FreqMix(seed=0)(past, future)
    out = x[..., :4]
    assert MixLoss(F.mse_loss)(out, y) == F.mse_loss(out, y)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_small_batches_and_series_without_channels(count):
    x, y = FreqMix(seed=0)(torch.randn(count, 9), torch.randn(count, 4))
    assert (x.shape, y.shape) == ((count, 9), (count, 4))


def test_rows_of_a_second_batch_are_the_partners():
    past, future = torch.randn(4, 2, 8), torch.randn(4, 2, 4)
    other = past + 1, future - 1
    x, y = FreqMix(1.0, seed=0)(past, future, other=other)
    assert torch.allclose(x, other[0], atol=1e-5)
    assert torch.allclose(y, other[1], atol=1e-5)


@pytest.mark.parametrize("dim", [-1, -2])
def test_it_passes_the_checks_of_its_form(dim):
    assert check_mixer(FreqMix(dim=dim)) == CHECKS_OF_FORMS


def test_it_takes_turns_with_its_like_alone():
    past, future = torch.randn(200, 1, 8), torch.randn(200, 1, 4)
    mix = Choice([FreqMix(1.0), FreqMix(0.0)], [0.5, 0.3], seed=0).draw(past, future)
    assert 70 < int((mix.weight == 0).sum()) < 130
    assert set(mix.weight.tolist()) == {0.0, 1.0}
    schedule = Schedule(FreqMix(), until=0.5, steps=4, seed=0)
    assert [torch.equal(schedule(past, future)[0], past) for _ in range(4)] == [False] * 2 + [
        True
    ] * 2
    with pytest.raises(ValueError, match="do not mix the same kind of batch"):
        Choice([FreqMix(), CutMix(dim=-1)])
    with pytest.raises(ValueError, match="do not mix the same kind of batch"):
        Choice([FreqMix(), FreqMix(dim=-2)])


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (torch.rand(4, 2, 8), torch.arange(4), TypeError, "y must be floats .*, not torch.int64"),
        (torch.rand(4, 2, 8), None, TypeError, "y must be floats .*, not NoneType"),
        ([1.0], torch.rand(4), TypeError, "x must be floats .*, not list"),
        (torch.rand(4, 2, 8), torch.rand(4, 3, 8), ValueError, r"\(4, 2, 8\) .* \(4, 3, 8\): give"),
        (torch.rand(4, 2, 8), torch.rand(4, 8), ValueError, "both the same but for the length"),
        (torch.rand(4, 2, 8), torch.rand(3, 2, 8), ValueError, "both the same but for the length"),
        (torch.rand(4), torch.rand(4), ValueError, "both the same but for the length of time"),
        (torch.rand(4, 2, 8), torch.rand(4, 2, 0), ValueError, "at least one step of each"),
    ],
)
def test_batches_without_a_future_are_named(x, y, error, message):
    mixer = FreqMix()
    with pytest.raises(error, match=message):
        mixer(x, y)
    assert mixer.random.draws == 0


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"rate must be between 0 and 1, not 1\.5"):
        FreqMix(1.5)
    with pytest.raises(ValueError, match=r"dim must be -1 for \(B, C, T\) or -2"):
        FreqMix(dim=1)
    with pytest.raises(TypeError, match="half"):
        FreqMix(half=True)
    other = torch.rand(4, 2, 7), torch.rand(4, 2, 4)
    with pytest.raises(ValueError, match="the second batch has the shapes"):
        FreqMix()(torch.rand(4, 2, 8), torch.rand(4, 2, 4), other=other)


@pytest.mark.parametrize(
    "partners", [[1, 2, 0], lambda y: [1, 2, 0], lambda x, y: [1, 2, 0], Near(lambda x: x[:, 0, 0])]
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_partners_are_those_that_were_asked_for(partners, wrapped):
    x = torch.tensor([0.0, 2.0, 3.0])[:, None, None].expand(3, 1, 6).contiguous()
    mixer = FreqMix(1.0, partners=partners, seed=0)
    mixer = Choice([mixer], seed=0) if wrapped else mixer
    expected = [1, 2, 1] if isinstance(partners, Near) else [1, 2, 0]
    mix = mixer.draw(x, x)
    assert mix.partner.tolist() == expected
    assert torch.allclose(mix(x), x[expected], atol=1e-5)


def test_batch_without_the_partners_that_were_asked_for_uses_up_no_draw():
    x = torch.zeros(3, 1, 6)
    mixer = FreqMix(partners="same_class", seed=0)
    with pytest.raises(TypeError, match="class indices"):
        mixer(x, x)
    with pytest.raises(ValueError, match="give no second batch"):
        mixer(x, x, other=(x, x))
    assert mixer.random.draws == 0
