#!/usr/bin/env bash
# fastai 2.8.12: LabelSmoothingCrossEntropyFlat(axis=1), the loss of networks with a prediction for each pixel.
#
# Expected: its activation is the softmax over the classes, along the axis that is given, as of CrossEntropyLossFlat; it
# is what get_preds and predict call for probabilities.
# What happens: the softmax is taken along the last axis, the width of the images, so that the "probabilities" of a
# pixel do not sum to one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch
from fastai.losses import CrossEntropyLossFlat, LabelSmoothingCrossEntropyFlat

torch.manual_seed(0)
outputs = torch.randn(2, 3, 4, 5)  # (B, classes, H, W)
sums = {}
for loss in (CrossEntropyLossFlat(axis=1), LabelSmoothingCrossEntropyFlat(axis=1)):
    probabilities = loss.activation(outputs)
    sums[type(loss).__name__] = [bool((probabilities.sum(axis) - 1).abs().max() < 1e-5) for axis in (1, -1)]
    print(f"{type(loss).__name__}: sums over classes {probabilities.sum(1)[0, 0].tolist()}")
expected = {"CrossEntropyLossFlat": [True, False], "LabelSmoothingCrossEntropyFlat": [False, True]}
sys.exit(0 if sums == expected else 1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
