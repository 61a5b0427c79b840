"""FreqMix: exchange frequencies of series together with what follows them."""

from dataclasses import dataclass
from typing import Any, Self, TypedDict, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import number
from vicinal.mixing.blocks import next_mix
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, Per
from vicinal.mixing.partners_by import Partners, choose_partners
from vicinal.mixing.pattern import Drawn


class FreqOptions(TypedDict, total=False):
    """The keyword arguments of :class:`FreqMix`."""

    per: Per
    p: float
    partners: Partners
    seed: int | None


class Frequencies(Drawn):
    """Which frequencies of each channel a sample keeps of itself.

    Args:
        keep: (B, C, F) bool; all true is neutral.
    """

    tensors = ("keep",)
    spatial = False
    size_of = None
    dtype = torch.bool

    def __init__(self, keep: Tensor) -> None:
        self.keep = keep

    @property
    def weight(self) -> Tensor:
        return self.keep.float().mean((1, 2))

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.keep | ~chosen[:, None, None])

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        return size


@dataclass(frozen=True, eq=False)
class SpectralMix:
    """A mix of series and their futures, whose spectra are those of both together.

    Args:
        partner: (B,) int64, for each sample the index of its partner.
        weight: (B,) float32, the share of frequencies that each sample keeps.
        keep: (B, C, F) bool, true for those.
        series, future: the batch that the mix was drawn for.
        other: the second batch and its futures, or None.
        dim: the dimension of time.
    """

    partner: Tensor
    weight: Tensor
    keep: Tensor
    series: Tensor
    future: Tensor
    other: tuple[Tensor, Tensor] | None
    dim: int

    # Not in place: the series are still needed for the future.
    def __call__(self, x: Tensor) -> Tensor:
        """The mixed series, of the shape and dtype of ``x``, those that the mix was drawn for."""
        return self._mixed(x, self.future, 0, x.shape[self.dim])

    def target(self, y: Tensor) -> Tensor:
        """Their mixed futures (B, ...), of the shape and dtype of ``y``."""
        return self._mixed(self.series, y, self.series.shape[self.dim], y.shape[self.dim])

    def _mixed(self, x: Tensor, y: Tensor, start: int, length: int) -> Tensor:
        like = y if start else x
        if not like.numel():
            return like.clone()
        own = torch.cat([_time_last(x, self.dim), _time_last(y, self.dim)], -1)
        if self.other is None:
            partners = own.index_select(0, self.partner)
        else:
            partners = torch.cat([_time_last(part, self.dim) for part in self.other], -1)
        spectrum = torch.where(self.keep, torch.fft.rfft(own), torch.fft.rfft(partners))
        mixed = torch.fft.irfft(spectrum, n=own.shape[-1])
        # The transform back rounds: samples that are not mixed stay exactly as they are.
        mixed = mixed.where(~self.keep.flatten(1).all(1)[:, None, None], own)
        mixed = mixed.narrow(-1, start, length).to(like.dtype)
        return mixed.reshape(like.movedim(self.dim, -1).shape).movedim(-1, self.dim).contiguous()


def _time_last(x: Tensor, dim: int) -> Tensor:
    """(B, C, T) floats of at least 32 bits."""
    precision = torch.promote_types(x.dtype, torch.float32)
    return x.movedim(dim, -1).reshape(len(x), -1, x.shape[dim]).to(precision)


@dataclass(frozen=True)
class SeriesAndFuture:
    """The form of batches of series and their futures: see form.py."""

    dim: int

    def draw(self, mixer: Any, x: Any, y: Any, other: Any) -> SpectralMix:
        """A mix that a mixer draws for a batch."""
        given = [mixer.half, mixer.fields, mixer.maximum, mixer.pixelwise]
        if given != [False, None, None, None]:
            raise ValueError(
                "half, fields, maximum and pixelwise are not for FreqMix: leave them out"
            )
        self._check(x, y)
        if other is not None:
            self._check(*other)
            if [part.shape for part in other] != [x.shape, y.shape]:
                raise ValueError(
                    f"the second batch has the shapes {tuple(other[0].shape)} and "
                    f"{tuple(other[1].shape)}, the first {tuple(x.shape)} and {tuple(y.shape)}: "
                    "give both the same"
                )
        steps = x.shape[self.dim] + y.shape[self.dim]
        channels = x.shape[1:].numel() // max(x.shape[self.dim], 1)
        mix = next_mix(mixer, len(x), (channels, steps // 2 + 1), x.device)
        mix = choose_partners(mixer.partners, mix, Batch(x, y, other))
        keep = mix.patterns[0].values
        for pattern in mix.patterns[1:]:  # of a Choice: at most one is not neutral
            keep = keep & pattern.values
        second = None if other is None else (other[0], other[1])
        weight = Frequencies(keep).weight
        return SpectralMix(mix.partner, weight, keep, x, y, second, self.dim)

    def _check(self, x: Any, y: Any) -> None:
        for name, part in (("x", x), ("y", y)):
            if not isinstance(part, Tensor) or not part.is_floating_point():
                kind = part.dtype if isinstance(part, Tensor) else type(part).__name__
                raise TypeError(
                    f"FreqMix mixes series together with their futures: {name} must be floats "
                    f"(B, ..., T), not {kind}; for labels, take MixUp or CutMix(dim=-1)"
                )
        if x.ndim < 2 or x.ndim < -self.dim + 1 or self._others(x) != self._others(y):
            raise ValueError(
                f"the series have shape {tuple(x.shape)} and their futures {tuple(y.shape)}: give "
                f"both the same but for the length of time, dimension {self.dim}"
            )
        if not min(x.shape[self.dim], y.shape[self.dim]):
            raise ValueError(
                f"the series have shape {tuple(x.shape)} and their futures {tuple(y.shape)}: give "
                "at least one step of each"
            )

    def _others(self, part: Tensor) -> list[int]:
        sides = list(part.shape)
        if len(sides) >= -self.dim:
            del sides[self.dim]
        return sides

    def example(self) -> tuple[Tensor, Tensor]:
        """Seven series of three channels, and their futures."""
        generator = torch.Generator().manual_seed(0)
        whole = torch.randn(7, 3, 3, 15, generator=generator, device="cpu").movedim(-1, self.dim)
        return whole.narrow(self.dim, 0, 10), whole.narrow(self.dim, 10, 5)


class FreqMix(Method):
    """Exchange frequencies of series together with what follows them, for forecasting.

    The past and the future of each series are one window. Of its spectrum, each frequency of each
    channel comes from the partner's with probability ``rate``. Transformed back, it is split again:
    past and future still fit together. The futures are targets of the same shape as before, not
    pairs, so that any loss takes them as it is.

    Args:
        rate: the probability that a frequency is the partner's, in [0, 1].
        dim: the dimension of time: -1 for (B, C, T), -2 for (B, T, C).
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; series and futures
            are not floats of the same shape but for their length.

    Values of different scales mix as they are: standardise the series first.

    Source: M. Chen, Z. Xu, A. Zeng, Q. Xu, FrAug: Frequency Domain Augmentation for Time Series
    Forecasting, arXiv 2302.09292 (2023). The code that is passed on of it has two slips. It means
    to protect the three strongest frequencies, but compares the numbers of the frequencies in their
    order of strength, where it needs the rank of each, and so protects three arbitrary ones; here
    none is protected. And from windows of an odd length it gets one step less back, which it makes
    up for by repeating the first step, so that all others move by one.

    >>> time = torch.arange(36.0)
    >>> slow, fast = (2 * torch.pi * time / 36).sin(), (2 * torch.pi * time / 6).sin()
    >>> series = torch.stack([slow, fast])[:, None]  # (2, 1, 36)
    >>> x, y = FreqMix(rate=1.0, seed=0)(series[..., :24], series[..., 24:])
    >>> bool(torch.allclose(torch.cat([x, y], -1)[0, 0], fast, atol=1e-5))
    True
    """

    drawn_types = (Frequencies,)

    def __init__(self, rate: float = 0.5, *, dim: int = -1, **options: Unpack[FreqOptions]) -> None:
        super().__init__(**options)
        self.rate = number("rate", rate, upper=1.0)
        if dim not in (-1, -2):
            raise ValueError(f"dim must be -1 for (B, C, T) or -2 for (B, T, C), not {dim!r}")
        self.dim = dim

    @property
    def form(self) -> SeriesAndFuture:  # type: ignore[override]
        return SeriesAndFuture(self.dim)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Frequencies:
        drawn = torch.rand(count, *size, generator=generator, dtype=torch.float32, device="cpu")
        return Frequencies(drawn >= self.rate)
