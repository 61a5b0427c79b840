#!/usr/bin/env bash
# MONAI 1.6.1: CutMix gives every image its partner's class label, whatever was pasted.
#
# Expected: CutMix(batch_size, alpha)(images, labels) with one-hot or soft labels (B, C) returns labels that are
# weighted by the share of pixels, as the paper does and as its docstring's "labels" suggests.
# What happens: labels that are not spatial become wholly the partner's, in every batch: an image that keeps 99 % of its
# pixels carries the label of the other 1 %. Masks with the shape of the images are pasted exactly.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 monai==1.6.1

cat > "$folder/labels.py" <<'PYTHON'
import sys

import monai
import torch
from monai.transforms import CutMix

x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 16, 16).clone()  # image i holds i
y = torch.eye(4)
kept, weights = [], []
for seed in range(20):
    cut = CutMix(batch_size=4, alpha=1.0)
    cut.set_random_state(seed)
    images, labels = cut(x, y)
    for i in range(4):
        if (images[i] != i).any():  # another image was pasted
            kept.append(float((images[i] == i).float().mean()))
            weights.append(float(labels[i, i]))
print(f"MONAI {monai.__version__}: {len(kept)} images keep {min(kept):.3f} to {max(kept):.3f} of their pixels,")
print(f"and {min(weights):.2f} to {max(weights):.2f} of their labels")
sys.exit(0 if max(kept) > 0.9 and max(weights) == 0 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/labels.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
