#!/usr/bin/env bash
# MAPIE 1.6.0: top_label_ece counts a class that is hardly ever predicted as much as all others.
#
# Expected: the error of each bin has the weight of its share of all samples, as in the documentation's formula.
# What happens: an error is computed for each predicted class, and these are averaged without weights. A model predicts
# a rare class for 1% of the samples, half of them wrongly, and is well calibrated on the others: its error is 0.20,
# where that of the formula is 0.004. If the rare class is never predicted, nearly the same model has 0.00.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 mapie==1.6.0

cat > "$folder/weights.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from mapie.metrics.calibration import top_label_ece

predicted = np.repeat([0, 1], [9900, 100])
scores = np.where(predicted == 0, 0.8, 0.9)
is_right = np.concatenate([np.arange(9900) % 5 != 0, np.arange(100) % 2 == 0])  # right in 80% and in 50%
y = np.where(is_right, predicted, 1 - predicted)
probabilities = np.where(np.arange(2) == predicted[:, None], scores[:, None], 1 - scores[:, None])

found = {}
for name, part in {"all samples": slice(None), "without the rare class": predicted == 0}.items():
    found[name] = top_label_ece(y[part], probabilities[part], num_bins=10, split_strategy="uniform")
    right = 0
    for label in (0, 1):  # all samples of a label have the same score, and so the same bin
        inside = (predicted == label)[part]
        if inside.any():
            right += inside.mean() * abs(is_right[part][inside].mean() - scores[part][inside].mean())
    print(f"MAPIE {version('mapie')}, {name}: {found[name]:.4f}; {right:.4f} if bins are weighted by their samples")
is_same = np.isclose(found["all samples"], 0.2) and np.isclose(right, 0) and found["without the rare class"] < 0.001
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/weights.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
