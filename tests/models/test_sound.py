"""Spectrograms, held against torchaudio's, and networks for sounds."""

import pytest
import torch
from torch import nn

from vicinal.models.made import rebuild
from vicinal.models.sound import QUIET, LogMel, SoundNetwork, SpecAugment, mel_filters

# torchaudio 2.11.1: functional.melscale_fbanks(9, 0.0, 4000.0, 5, 8000, norm="slaney",
# mel_scale="slaney"), where it is not 0.
SLANEY = {
    (0, 1): 0.0018435058882459998,
    (1, 1): 0.0006962443003430963,
    (1, 2): 0.0011711184633895755,
    (2, 2): 0.0010532799642533064,
    (2, 3): 0.0009628335246816278,
    (3, 3): 0.000697649666108191,
    (3, 4): 0.0010269848862662911,
    (3, 5): 0.00026449281722307205,
    (4, 4): 0.00021728131105192006,
    (4, 5): 0.0007269005291163921,
    (4, 6): 0.0006812181673012674,
    (4, 7): 0.0003406090836506337,
}


def test_the_filters_are_torchaudios():
    expected = torch.zeros(5, 9)
    for (band, bin_), value in SLANEY.items():
        expected[band, bin_] = value
    torch.testing.assert_close(mel_filters(8000, 16, 5), expected, atol=1e-9, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1000, 8000, 22050])
def test_the_spectrogram_is_torchaudios(rate):
    transforms = pytest.importorskip("torchaudio").transforms
    layer, x = LogMel(rate, rate // 100), 0.1 * torch.randn(2, rate)
    mel = transforms.MelSpectrogram(
        rate,
        n_fft=layer.n_fft,
        win_length=len(layer.window),
        hop_length=layer.hop,
        n_mels=len(layer.filters),
        norm="slaney",
        mel_scale="slaney",
        pad_mode="constant",
    )
    torch.testing.assert_close(layer(x)[:, 0], (mel(x) + QUIET).log(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rate", [200, 1000, 8000, 16000, 22050, 32000])
def test_no_filter_is_empty(rate):
    assert (LogMel(rate, rate // 100).filters.sum(1) > 0).all()


def test_a_tone_is_in_its_band():
    time = torch.arange(800) / 8000
    low, high = (torch.sin(2 * torch.pi * hertz * time) for hertz in (300, 3000))
    levels = LogMel(8000, 80)(torch.stack([low, high]))
    assert levels.shape == (2, 1, 64, 11)
    low_band, high_band = levels[:, 0, :, 5].argmax(1).tolist()
    assert low_band < 10
    assert high_band > 40


def test_bfloat16_and_silence_give_finite_levels():
    with torch.autocast("cpu", torch.bfloat16):
        levels = LogMel(8000, 80)(torch.zeros(1, 50, dtype=torch.bfloat16))
    assert levels.dtype == torch.float32
    assert levels.isfinite().all()


def test_masks_are_of_one_band_and_one_span_and_in_training_alone():
    x = torch.ones(200, 1, 30, 40)
    masked = SpecAugment()(x)[:, 0] == 0
    rows, columns = masked.all(2), masked.all(1)
    assert (rows[..., None] | columns[:, None] == masked).all()
    for spans, most in ((rows, 10), (columns, 8)):
        widths = spans.sum(1)
        assert (widths.min(), widths.max()) == (0, most)
        begins = (spans[:, 1:] & ~spans[:, :-1]).sum(1) + spans[:, 0]
        assert begins.max() == 1
    assert SpecAugment().eval()(x) is x


def test_waves_and_their_spectrograms_give_the_same():
    network = SoundNetwork(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()), 8000, 80).eval()
    x = torch.randn(2, 400)
    assert network(x).equal(network(network.spectrogram(x)))
    assert {"spectrogram.mean", "spectrogram.std"} <= network.state_dict().keys()
    assert "spectrogram.filters" not in network.state_dict()


def test_a_network_is_made_again():
    made = rebuild(
        {"maker": "sound_network", "name": "resnet9", "n_out": 2, "rate": 8000, "hop": 80}
    )
    assert (made.spectrogram.rate, made.get_classifier().out_features) == (8000, 2)
    assert made.feature_info[0]["module"] == "body.features.0"
