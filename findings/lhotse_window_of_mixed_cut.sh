#!/usr/bin/env bash
# lhotse 1.33.0: a window of a mixed cut is not a window of its audio: the noise is scaled anew within each window.
#
# Expected: mixed.truncate(offset=1, duration=1) has the audio of the second second of the mixed cut, as it has for a
# cut that isn't mixed.
# What happens: truncation cuts the tracks and keeps the ratio, which is then applied to the energies that are left.
# Speech with pauses 40 dB below it is mixed with steady noise at 10 dB, but in windows of a second each pause has noise
# at 10 dB by itself: 37 dB less than in the mixed cut.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 urllib3==2.8.0 lhotse==1.33.0

cat > "$folder/windows.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import soundfile
from lhotse import CutSet, Recording

folder, rate = sys.argv[1], 16000
random = np.random.default_rng(0)
loudness = np.repeat([0.1, 0.001, 0.1, 0.001], rate)  # second by second
waves = {"speech": loudness * random.standard_normal(4 * rate), "noise": 0.1 * random.standard_normal(4 * rate)}
cuts = {}
for name, wave in waves.items():
    soundfile.write(f"{folder}/{name}.wav", wave, rate, subtype="FLOAT")
    cuts[name] = Recording.from_file(f"{folder}/{name}.wav").to_cut()

speech = cuts["speech"].load_audio()[0].reshape(4, rate)
mixed = cuts["speech"].mix(cuts["noise"], snr=10)
whole = mixed.load_audio()[0].reshape(4, rate) - speech
windows = np.concatenate([cut.load_audio() for cut in CutSet.from_cuts([mixed]).cut_into_windows(1)]) - speech
missing = 10 * np.log10(np.square(whole).mean(1) / np.square(windows).mean(1))
for second, decibels in enumerate(missing):
    print(f"lhotse {version('lhotse')}: second {second}: the window has {decibels:.1f} dB less noise than the mixed cut")
plain = np.concatenate([cut.load_audio() for cut in CutSet.from_cuts([cuts["speech"]]).cut_into_windows(1)])
is_same = np.array_equal(plain, speech)
print(f"windows of the speech alone: {'the same audio' if is_same else 'other audio'}")
pauses = missing[[1, 3]] - missing[[0, 2]]
sys.exit(0 if is_same and np.abs(pauses - 40).max() < 1 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/windows.py" "$folder" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
