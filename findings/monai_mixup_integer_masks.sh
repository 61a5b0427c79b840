#!/usr/bin/env bash
# MONAI 1.6.1: MixUp of one-hot masks of integers returns masks without any class.
#
# Expected: masks (B, C, H, W) of zeros and ones come back as weights that sum to 1 at each pixel (or are refused).
# What happens: the weights are cast back to the type of the masks. With integers, such as torch's one_hot returns, a
# 0.3 and a 0.7 both become 0: wherever two images differ, no class is left. With floats the same masks are right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 monai==1.6.1

cat > "$folder/masks.py" <<'PYTHON'
import sys

import monai
import torch
from monai.transforms import MixUpd

images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8).clone()
classes = torch.arange(4).view(4, 1, 1).expand(4, 8, 8)  # image i holds class i
masks = torch.nn.functional.one_hot(classes, 4).movedim(-1, 1)
totals = []
for given in (masks, masks.float()):
    mix = MixUpd(keys=["image", "mask"], batch_size=4)
    mix.set_random_state(0)
    mixed = mix({"image": images, "mask": given})["mask"]
    totals.append(float(mixed.sum(1).float().mean()))
    print(f"MONAI {monai.__version__}, masks of {given.dtype}: the classes of a pixel sum to {totals[-1]:.2f}")
sys.exit(0 if totals[0] == 0 and abs(totals[1] - 1) < 1e-5 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/masks.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
