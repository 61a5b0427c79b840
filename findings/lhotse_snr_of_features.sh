#!/usr/bin/env bash
# lhotse 1.33.0: CutMix takes the signal-to-noise ratio of stored features for a ratio of total energies, so that it
# depends on how long the noise is.
#
# Expected: CutMix(noise, snr=10) mixes each cut with noise that is 10 dB weaker, whether the cut has a recording or
# stored features. For recordings it does.
# What happens: the energy of a feature matrix is a sum over its frames, not a mean. In a batch that is filled up with
# noise to its longest cut (the default), a cut of 1 s gets 10 s of noise, which shares out what 1 s should have: the
# ratio is 20 dB.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 urllib3==2.8.0 lhotse==1.33.0

cat > "$folder/features.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import soundfile
from lhotse import CutSet, Fbank, NumpyFilesWriter, Recording
from lhotse.dataset.cut_transforms import CutMix

folder, rate = sys.argv[1], 16000
random = np.random.default_rng(0)


def make_cut(name, seconds):
    path = f"{folder}/{name}.wav"
    soundfile.write(path, 0.1 * random.standard_normal(rate * seconds), rate)
    cut = Recording.from_file(path).to_cut()
    return cut.compute_and_store_features(Fbank(), NumpyFilesWriter(f"{folder}/{name}"))


lengths = [10, 5, 2, 1]
clean = [make_cut(f"clean{seconds}", seconds) for seconds in lengths]
mix = CutMix(CutSet.from_cuts([make_cut("noise", 10)]), snr=10, p=1)
decibels = {"recording": [], "features": []}
for seconds, cut, mixed in zip(lengths, clean, mix(CutSet.from_cuts(clean))):
    signal, total = cut.load_audio()[0], mixed.load_audio()[0]
    noise = total[: len(signal)] - signal
    decibels["recording"].append(10 * np.log10(np.square(signal).mean() / np.square(noise).mean()))
    signal, total = np.exp(cut.load_features()), np.exp(mixed.load_features())  # energies
    noise = total[: len(signal)] - signal
    decibels["features"].append(10 * np.log10(signal.mean() / noise.mean()))
    print(f"lhotse {version('lhotse')}: cut of {seconds} s, noise of 10 s, 10 dB asked for:", end=" ")
    print(", ".join(f"{values[-1]:.1f} dB for its {source}" for source, values in decibels.items()))
recordings = np.abs(np.subtract(decibels["recording"], 10)).max()
features = np.abs(np.subtract(decibels["features"], [10, 13, 17, 20])).max()
sys.exit(0 if recordings < 0.5 and features < 0.5 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/features.py" "$folder" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
