#!/usr/bin/env bash
# asteroid 0.7.0: LambdaOverlapAdd makes the sources twice as loud with a hop of a quarter of the window.
#
# Expected: the volume does not depend on hop_size: with a network that returns its input, the output is the input, as
# it is for the default (half of the window), and for any hop without a window.
# What happens: with the default Hann window the overlapping chunks are added up without dividing by the sum of their
# windows: this gives twice the input with a quarter of the window, and four times the input with an eighth.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 requests==2.34.2 asteroid==0.7.0

cat > "$folder/gain.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from asteroid.dsp import LambdaOverlapAdd

torch.manual_seed(0)
size = 600
x = torch.rand(1, 1, 20 * size) + 1
gains = {}
for window in ("hann", None):
    for part in (2, 4, 8):
        separate = LambdaOverlapAdd(lambda chunk: chunk.reshape(1, 1, -1), 1, size, size // part, window)
        gain = (separate(x) / x)[0, 0, size:-size]
        gains[window, part] = gain.min().item(), gain.max().item()
        print(
            f"asteroid {version('asteroid')}: window {window}, a hop of 1/{part} of it: the output is "
            f"{gain.min():.3f} to {gain.max():.3f} times the input"
        )


def is_constant(gain, value):
    return abs(gain[0] - value) < 1e-3 and abs(gain[1] - value) < 1e-3


is_same = all(is_constant(gain, part / 2 if window else 1) for (window, part), gain in gains.items())
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/gain.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
