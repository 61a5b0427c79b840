#!/usr/bin/env bash
# composer 0.32.1: cutmix_batch(length=…) pastes the complement: a quarter of the side gives a box of nearly the whole
# image, and the whole side gives none at all.
#
# Expected: as documented, the box is (length * H, length * W), before it is clipped at the borders.
# What happens: the share of the box is passed on as the share to keep. Of 32 pixels, length=0.25 pastes up to 30
# instead of 8, and length=1 pastes nothing.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.2.6 mosaicml==0.32.1

cat > "$folder/length.py" <<'PYTHON'
import sys

import composer
import numpy as np
import torch
from composer.functional import cutmix_batch

x = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 32, 32).clone()  # image i holds i
sides = {}
for length in (0.25, 0.5, 1.0):
    largest = 0
    for seed in range(100):
        np.random.seed(seed)
        mixed, *_ = cutmix_batch(x, torch.tensor([0, 1]), length=length, indices=torch.tensor([1, 0]))
        largest = max(largest, int((mixed[0, 0] == 1).any(0).sum()), int((mixed[0, 0] == 1).any(1).sum()))
    sides[length] = largest
    print(f"composer {composer.__version__}: length={length}: {32 * length:.0f} of 32 pixels expected, {largest} pasted")
sys.exit(0 if sides[0.25] > 28 and sides[1.0] == 0 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/length.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
