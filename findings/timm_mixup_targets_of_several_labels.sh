#!/usr/bin/env bash
# timm 1.0.31: Mixup returns more targets than images, if an image has several class indices.
#
# Expected: targets (B, k) of class indices are refused: Mixup takes one class for each image (or, with multi_label=True,
# rows of zeros and ones).
# What happens: all indices are flattened into one-hot rows, so that (4, 3) indices of four images come back as 12 rows,
# without an error; row i belongs to another image than x[i].
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 timm==1.0.31

cat > "$folder/rows.py" <<'PYTHON'
import sys

import numpy as np
import timm
import torch
from timm.data import Mixup

np.random.seed(0)
shapes = {}
for k in (1, 3):
    x, y = Mixup(num_classes=5)(torch.rand(4, 3, 8, 8), torch.arange(4 * k).view(4, k) % 5)
    shapes[k] = (len(x), tuple(y.shape))
    print(f"timm {timm.__version__}: targets (4, {k}) of {len(x)} images become {tuple(y.shape)}")
sys.exit(0 if shapes == {1: (4, (4, 5)), 3: (4, (12, 5))} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/rows.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
