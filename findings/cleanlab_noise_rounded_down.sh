#!/usr/bin/env bash
# cleanlab 2.9.0: generate_noisy_labels changes no label at all for 10% of uniform noise among 100 classes.
#
# Expected: labels are flipped at the rates of the noise matrix, "exactly" as the documentation says, whose pseudocode
# rounds the counts.
# What happens: the count of each pair of classes is rounded down. With 100 classes of 500 images, as in CIFAR-100, 10%
# of noise is 0.505 images of each of the other 99 classes, and so none; of 30% a third is lost; 20% is right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 pandas==3.1.1 cleanlab==2.9.0

cat > "$folder/noise.py" <<'PYTHON'
import sys

import cleanlab
import numpy as np
from cleanlab.benchmarking.noise_generation import generate_noisy_labels

classes = 100
labels = np.repeat(np.arange(classes), 500)
changed = {}
for rate in (0.1, 0.2, 0.3):
    matrix = np.full((classes, classes), rate / (classes - 1))  # each column sums to 1
    np.fill_diagonal(matrix, 1 - rate)
    np.random.seed(0)
    changed[rate] = float((generate_noisy_labels(labels, matrix) != labels).mean())
    print(f"cleanlab {cleanlab.__version__}: of {rate:.0%} of noise, {changed[rate]:.1%} of the labels were changed")
sys.exit(0 if changed[0.1] == 0 and abs(changed[0.2] - 0.2) < 0.01 and changed[0.3] < 0.22 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/noise.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
