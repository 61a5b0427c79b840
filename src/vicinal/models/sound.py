"""Networks for sounds: those for images, on spectrograms."""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.mixed.uncompiled import uncompiled
from vicinal.models.made import remember
from vicinal.models.zoo import create_model

HOP = 0.010  # seconds
WINDOW = 2.5  # times the hop
BANDS, FRAMES = 64, 256
QUIET = 1e-8  # is added to the power, whose logarithm silence would lack
# The scale of mels of M. Slaney, Auditory Toolbox (1998): linear up to 1 kHz, then logarithmic.
LINEAR, BREAK, STEP = 200 / 3, 1000.0, math.log(6.4) / 27


class LogMel(nn.Module):
    """Waves (B, T) to spectrograms (B, 1, mels, frames): logarithms of the power in bands of mels.

    Windows are two and a half hops long, filled up to a power of two, and centred: what is before
    the beginning and after the end is silence.

    Args:
        rate: samples per second.
        hop: samples from one window to the next.

    Attributes:
        mean, std: of the training sounds, by which spectrograms are normalised.

    >>> LogMel(8000, hop=80)(torch.randn(2, 8000)).shape
    torch.Size([2, 1, 64, 101])
    """

    mean: Tensor
    std: Tensor
    window: Tensor
    filters: Tensor

    def __init__(self, rate: int, hop: int) -> None:
        super().__init__()
        self.rate, self.hop = rate, hop
        length = max(2, round(WINDOW * hop))
        self.n_fft = 2 ** math.ceil(math.log2(length))
        window = torch.hann_window(length, device="cpu")
        self.register_buffer("window", window, persistent=False)
        # Of few frequencies, as of a low rate, some of many bands would be empty.
        bands = min(BANDS, max(1, self.n_fft // 4))
        filters = mel_filters(rate, self.n_fft, bands)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("mean", torch.tensor(0.0, device="cpu"))
        self.register_buffer("std", torch.tensor(1.0, device="cpu"))

    @uncompiled  # for its complex numbers
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # powers span more than float16 does
            spectrum = torch.stft(
                x.float(),
                self.n_fft,
                self.hop,
                len(self.window),
                self.window,
                pad_mode="constant",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            levels = (self.filters @ power + QUIET).log()
            return ((levels - self.mean) / self.std)[:, None]


def usual_hop(length: int, rate: int) -> int:
    """Samples from one window to the next: 10 ms, or as many times more as keep 256 frames.

    >>> usual_hop(8000, rate=8000), usual_hop(40_000, rate=8000)
    (80, 160)
    """
    shortest = max(1, round(HOP * rate))
    return shortest * max(1, math.ceil(length / shortest / FRAMES))


@lru_cache(8)
def mel_filters(rate: int, n_fft: int, bands: int) -> Tensor:
    """Triangular filters of equal widths in mels, each divided by its width in hertz.

    Args:
        rate: samples per second.
        n_fft: samples of the Fourier transform.
        bands: how many filters there are, from 0 to half of the rate.

    Returns:
        (bands, n_fft // 2 + 1) float32.

    >>> mel_filters(8000, 256, 64).shape
    torch.Size([64, 129])
    """
    top = rate / 2
    highest = top / LINEAR if top < BREAK else BREAK / LINEAR + math.log(top / BREAK) / STEP
    mels = torch.linspace(0, highest, bands + 2, dtype=torch.float64, device="cpu")
    hertz = torch.where(
        mels < BREAK / LINEAR, mels * LINEAR, BREAK * (STEP * (mels - BREAK / LINEAR)).exp()
    )
    frequency = torch.linspace(0, top, n_fft // 2 + 1, dtype=torch.float64, device="cpu")
    low, centre, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    rising, falling = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (high - low)).float()


class SpecAugment(nn.Module):
    """In training, set a band of frequencies and a span of time of each spectrogram to the mean.

    The band has up to a third of the mels, the span up to a fifth of the frames; both are uniform.

    Source: D. S. Park et al., SpecAugment (2019): the policy LB has one mask of up to 27 of 80 mels
    and one of up to 100 frames; a fifth of the time is the limit of the policies SM and SS.

    >>> spectrograms = torch.ones(8, 1, 60, 100)
    >>> masked = SpecAugment()(spectrograms)
    >>> bool((masked == 0).any()), SpecAugment().eval()(spectrograms) is spectrograms
    (True, True)
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = (
            _outside(x.shape[-2], 1 / 3, x)[..., None]
            & _outside(x.shape[-1], 1 / 5, x)[..., None, :]
        )
        return torch.where(kept, x, 0.0)


def _outside(length: int, share: float, x: Tensor) -> Tensor:
    """(B, 1, length) bool, false in a span of each row."""
    drawn = torch.rand(2, len(x), 1, 1, device=x.device)
    width = (drawn[0] * (share * length + 1)).floor()
    start = (drawn[1] * (length - width + 1)).floor()
    place = torch.arange(length, device=x.device)
    return (place < start) | (place >= start + width)


class SoundNetwork(nn.Module):
    """A network for images, on spectrograms of waves.

    It takes waves (B, T), or spectrograms (B, 1, mels, frames) as its layer ``spectrogram`` gives
    them: mixing may come before or after that layer.

    Args:
        body: a network for images of three channels, which all get the spectrogram.
        rate, hop: of :class:`LogMel`.
    """

    def __init__(self, body: nn.Module, rate: int, hop: int) -> None:
        super().__init__()
        self.spectrogram, self.augment, self.body = LogMel(rate, hop), SpecAugment(), body

    @property
    def feature_info(self) -> Any:
        """The modules of feature maps, in the form of timm's networks; None where unknown."""
        info: Any = getattr(self.body, "feature_info", None)
        return info and [{"module": f"body.{each['module']}"} for each in info]

    def get_classifier(self) -> nn.Module:
        body: Any = self.body
        head: nn.Module = body.get_classifier()
        return head

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 2:
            x = self.spectrogram(x)
        x = self.augment(x).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.body(x)
        return logits


def sound_network(name: str, n_out: int, rate: int, hop: int) -> SoundNetwork:
    """A network for images by its name, on spectrograms; see :class:`SoundNetwork`.

    >>> sound_network("resnet9", 2, rate=8000, hop=80)(torch.zeros(3, 4000)).shape
    torch.Size([3, 2])
    """
    network = SoundNetwork(create_model(name, n_out), rate, hop)
    return remember(network, "sound_network", name=name, n_out=n_out, rate=rate, hop=hop)
