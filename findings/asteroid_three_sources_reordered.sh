#!/usr/bin/env bash
# asteroid 0.7.0: LambdaOverlapAdd aligns the chunks of two sources, but permutes those of three or more wrongly.
#
# Expected: reorder_chunks=True (the default) puts the sources of each chunk into the order of the chunk before,
# whatever order the network returns them in.
# What happens: its correlations have the estimates and the references in each other's place, so the inverse of the
# permutation that is needed gets applied. For two sources this is the same. If a network that separates perfectly
# returns three in another order, by a rotation, then each output is a third of every source. Chunks that need only a
# swap are right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 requests==2.34.2 asteroid==0.7.0

cat > "$folder/order.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from asteroid.dsp import LambdaOverlapAdd

size = 512
time = torch.arange(30 * size)


class Separate:
    """Separates tones without an error, and returns them in another order in each chunk."""

    def __init__(self, bins, step):
        self.bins, self.step, self.order = bins, step, list(range(len(bins)))

    def __call__(self, chunk):
        spectrum = torch.fft.rfft(chunk)
        sources = []
        for i in self.bins:
            near = torch.zeros_like(spectrum)
            near[:, i - 3 : i + 4] = spectrum[:, i - 3 : i + 4]
            sources.append(torch.fft.irfft(near, n=size))
        self.order = [self.order[i] for i in self.step]
        return torch.stack(sources, 1)[:, self.order]


ok = True
for name, step in {"swapped": [1, 0], "two swapped": [1, 0, 2], "rotated": [1, 2, 0]}.items():
    bins = [10 * (i + 1) for i in range(len(step))]
    tones = torch.stack([torch.sin(2 * torch.pi * i * time / size) for i in bins])
    separate = LambdaOverlapAdd(Separate(bins, step), n_src=len(step), window_size=size)
    outputs = separate(tones.sum(0)[None, None])[0, :, size:-size]
    inner = tones[:, size:-size]
    shares = outputs @ inner.T / inner.square().sum(1)  # of each tone in each output
    print(f"asteroid {version('asteroid')}: {len(step)} sources, {name} in each chunk: shares in the outputs:", end=" ")
    print("; ".join(", ".join(f"{abs(share):.2f}" for share in row) for row in shares.tolist()))
    largest = shares.max(1).values
    ok = ok and bool((largest < 0.5).all() if name == "rotated" else (largest > 0.95).all())
sys.exit(0 if ok else 1)
PYTHON
"$folder/venv/bin/python" "$folder/order.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
