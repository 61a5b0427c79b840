#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2): an MP3 file of variable bit rate without the optional Xing frame, as streams are.
#
# Expected: all of it is read; the frame only says beforehand how long the file is.
# What happens: the length is estimated from the first frames, and reading stops there, without an error or a warning:
# of ten seconds that get quieter or simpler, a part is missing. With the Xing frame the same bytes are read whole.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q soundfile==0.14.0 numpy

cat > "$folder/seen.py" <<'PYTHON'
import sys

import numpy as np
import soundfile

noise = np.random.default_rng(0).normal(size=64_000) / 8
tone = np.sin(np.arange(96_000) / 9) / 3
soundfile.write("whole.mp3", np.r_[noise, tone], 16_000, bitrate_mode="VARIABLE")
data = open("whole.mp3", "rb").read()
second = data.find(data[:2], data.find(b"Xing"))  # the frame after that of Xing
open("stream.mp3", "wb").write(data[second:])
whole, stream = (len(soundfile.read(name)[0]) / 16_000 for name in ("whole.mp3", "stream.mp3"))
print(f"libsndfile {soundfile.__libsndfile_version__}: {whole:.1f} s with the Xing frame, {stream:.1f} s without")
sys.exit(0 if whole > 9.9 and stream < 0.9 * whole else 1)
PYTHON
cd "$folder"
venv/bin/python seen.py
