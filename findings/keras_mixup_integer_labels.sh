#!/usr/bin/env bash
# Keras 3.15.1 (torch backend): MixUp makes a (B, B) matrix of integer labels (B,).
#
# Expected: integer labels, which Keras' own sparse_categorical_crossentropy takes, are refused by the MixUp layer
# (they cannot be blended), or become weights over classes.
# What happens: no error. Labels of shape (8,) come out as an (8, 8) float matrix, each of whose rows blends all labels
# of the batch as numbers: weights (B, 1) are broadcast against labels (B,). The row of an image says nothing of it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 keras==3.15.1

cat > "$folder/labels.py" <<'PYTHON'
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch

labels = torch.arange(8) % 3
layer = keras.layers.MixUp(seed=1)
mixed = layer({"images": torch.rand(8, 16, 16, 3), "labels": labels}, training=True)["labels"]
print(f"Keras {keras.__version__}: labels {tuple(labels.shape)} {labels.dtype} become {tuple(mixed.shape)} {mixed.dtype}")
print(mixed[:2])
sys.exit(0 if mixed.shape == (8, 8) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/labels.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
