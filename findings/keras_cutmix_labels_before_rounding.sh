#!/usr/bin/env bash
# Keras 3.15.1 (torch backend): CutMix weighs labels by the box before it is rounded to pixels.
#
# Expected: of a mixed image, the label's weight is the share of pixels that the image keeps, as in the paper (and in
# torchvision and timm, which compute the weight from the box that was pasted).
# What happens: weight and share differ, on 16-pixel images by up to an eighth: the weight comes from the drawn ratio,
# the box from its rounded-down sides.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 keras==3.15.1

cat > "$folder/shares.py" <<'PYTHON'
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch


def worst(side):
    """The largest gap between an image's share of pixels and its label's weight, of 400 images."""
    x = torch.arange(8.0).view(8, 1, 1, 1).expand(8, side, side, 1).clone()  # image i holds i
    layer = keras.layers.CutMix(factor=1.0, data_format="channels_last", seed=1)
    gaps = []
    for _ in range(50):
        mixed = layer({"images": x, "labels": torch.eye(8)}, training=True)
        for i in range(8):
            share = float((mixed["images"][i] == i).float().mean())
            gaps.append(abs(share - float(mixed["labels"][i, i])))
    return max(gaps)


gaps = {side: round(worst(side), 3) for side in (16, 64, 256)}
print(f"Keras {keras.__version__}: largest gap between share and weight, by the side in pixels: {gaps}")
sys.exit(0 if gaps[16] > 0.05 and gaps[16] > gaps[64] > gaps[256] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/shares.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
