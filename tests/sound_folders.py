"""Folders of tiny sounds."""

import numpy as np
import soundfile

RATE = 8000


def tone(hertz, seconds=0.1, rate=RATE, channels=1, seed=0):
    time = np.arange(round(seconds * rate)) / rate
    noise = 0.01 * np.random.default_rng(seed).standard_normal((len(time), channels))
    return (0.3 * np.sin(2 * np.pi * hertz * time))[:, None] + noise


def write(file, wave, rate=RATE, **how):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, wave, rate, **how)
    return file


def tones(folder, count=8, suffix=".wav", **how):
    """Low tones and high ones, of unequal lengths."""
    for name, hertz in (("high", 1500), ("low", 300)):
        for number in range(count):
            seconds = 0.06 + 0.01 * (number % 5)
            wave = tone(hertz + 10 * number, seconds, seed=number, **how)
            write(folder / name / f"{number}{suffix}", wave)
    return folder
