"""Sound files: which they are, and what they hold."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.data.sound_ends import fault_of_end
from vicinal.errors import VicinalError

# What libsndfile reads of them, by the endings that people write.
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})
UNKNOWN = 2**40  # frames; libsndfile says more where a file does not say how many it has
SILENT = 2.0**-16  # half of the smallest step of 16 bits; spectrograms hold nothing of less
CANCELLED = 0.04  # of the power that the loudest channel alone would leave in the mean
LARGEST = 60_000  # of float16, in which waves are stored


class BadSound(VicinalError):
    """A sound that cannot be used; the message is a clause."""


@dataclass(frozen=True)
class Sound:
    """What a file holds.

    Args:
        wave: (T,) float32, around 0, of one channel and the rate that was asked for.
        rate: samples per second of the file.
        channels: of the file, whose mean the wave is.
        is_cancelled: their mean is next to nothing, so that the wave is the loudest of them.
    """

    wave: Any
    rate: int
    channels: int
    is_cancelled: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be heard: all samples have one value, or next to it."""
        return bool(np.ptp(self.wave) < SILENT)


def is_sound(suffix: str) -> bool:
    """Whether files with this ending are sounds.

    >>> is_sound(".WAV"), is_sound(".mp3"), is_sound(".txt"), is_sound("")
    (True, True, False, False)
    """
    return suffix.lower() in SUFFIXES


def check_reader(data: object) -> None:
    """Raise a VicinalError where the package that reads sounds is missing."""
    if find_spec("soundfile") is None:
        raise VicinalError(
            f"{data} holds sounds, which soundfile reads: pip install 'vicinal[sound]'"
        )


def rate_of(file: Path) -> int:
    """Samples per second, by the header.

    Raises:
        BadSound: it cannot be read.
    """
    with _opened(file) as opened:
        return int(opened.samplerate)


def read_sound(file: Path, rate: int) -> Sound:
    """Decode a file; its channels are averaged, and it is resampled where it has another rate.

    Resampling is that of :func:`scipy.signal.resample_poly`.

    Args:
        file: in a format that libsndfile reads, such as WAV, FLAC, Ogg and MP3.
        rate: samples per second of the wave.

    Raises:
        BadSound: it cannot be decoded, is empty or cut off, or holds NaN or huge values.
    """
    with _opened(file) as opened:
        own, expected = int(opened.samplerate), int(opened.frames)
        if expected > UNKNOWN:
            raise BadSound("it does not say how long it is: write it anew, such as by ffmpeg")
        try:
            # The number is given, as formats in which no place can be sought need it.
            frames = opened.read(expected, dtype="float32", always_2d=True)
        except (RuntimeError, MemoryError) as error:
            raise BadSound(_reason(error)) from None
    if not len(frames):
        raise BadSound("it is empty")
    fault = fault_of_end(file, len(frames), own)
    if fault:
        raise BadSound(fault)
    if not np.isfinite(frames).all():
        raise BadSound("it holds NaN or infinite values")
    wave, is_cancelled = _one_channel(frames)
    if own != rate:
        from scipy.signal import resample_poly  # type: ignore[import-untyped]

        common = gcd(own, rate)
        wave = resample_poly(wave, rate // common, own // common).astype(np.float32)
    if np.abs(wave).max() > LARGEST:
        raise BadSound(f"it holds values up to {np.abs(wave).max():g}, and waves are around 0")
    return Sound(wave, own, frames.shape[1], is_cancelled)


def _one_channel(frames: Any) -> tuple[Any, bool]:
    """The mean of channels (T, C), or the loudest one where they cancel out; and whether they do.

    Of two channels of opposite signs, as a wrong cable or an effect of width makes them, the mean
    would be silence, or the noise of the last bit.
    """
    wave = frames.mean(axis=1)
    powers = np.square(frames, dtype=np.float64).mean(axis=0)
    alone = powers.max() / frames.shape[1] ** 2
    if np.square(wave, dtype=np.float64).mean() >= CANCELLED * alone:
        return wave, False
    return frames[:, powers.argmax()].copy(), True


def read_named(file: Any, rate: int) -> Sound:
    """:func:`read_sound`, with the file's name in the error."""
    try:
        return read_sound(file, rate)
    except BadSound as error:
        raise BadSound(f"{file} cannot be used: {error}") from None


def decoder() -> str:
    """Which versions decode and resample: other ones may give other waves."""
    import scipy

    soundfile = _soundfile()
    return f"{soundfile.__libsndfile_version__} {scipy.__version__}"


def _opened(file: Path) -> Any:
    try:
        # libsndfile's own message for a missing file is "System error".
        file.stat()
        return _soundfile().SoundFile(file if isinstance(file, Path) else file.open("rb"))
    except OSError as error:
        raise BadSound(error.strerror or str(error)) from None
    except (RuntimeError, TypeError) as error:
        raise BadSound(_reason(error)) from None


@cache
def _soundfile() -> Any:
    try:
        import soundfile  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        if error.name != "soundfile":
            raise
        raise VicinalError("sounds need soundfile: pip install 'vicinal[sound]'") from None
    return soundfile


def _reason(error: Exception) -> str:
    """What is wrong, without the path that the message begins with."""
    text = str(getattr(error, "error_string", "") or error)
    return f"it cannot be decoded ({text.rstrip('.')})"


def as_sounds(text: str) -> str:
    """A line about images as one about sounds; parts of paths stay as they are.

    >>> as_sounds("left out: 2 images, first images/image.wav")
    'left out: 2 sounds, first images/image.wav'
    """
    return re.sub(r"(?<![\w/.-])image(s?)(?![\w/-]|\.\w)", r"sound\1", text)
