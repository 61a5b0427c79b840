#!/usr/bin/env bash
# cleanlab 2.9.0: find_label_issues(downsample=2) for segmentation averages the numbers of the classes, so that what it
# finds depends on how they are numbered.
#
# Expected: a coarser search, as documented ("potentially less accurate results due to over-compression"), but the same
# one if the classes are numbered in another order. With downsample=1 it is.
# What happens: where classes 0 and 2 meet, the label of the coarse pixel is 1, a class that is not there. These pixels
# look like the worst errors, take up the ranks of the real ones, and are dropped at the end since the full labels agree
# with the model. Of the same wrong labels, most are found with one order of the classes, and none with another.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 pandas==3.1.1 cleanlab==2.9.0

cat > "$folder/classes.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from cleanlab.segmentation.filter import find_label_issues

random = np.random.default_rng(0)
names = ["road", "car", "sky"]
truth = np.zeros((20, 64, 64), int)
truth[:, :9] = 2  # sky at the top, 9 pixels high
for image in truth:
    for _ in range(3):
        row, column = random.integers(9, 48), random.integers(0, 48)
        image[row : row + 15, column : column + 15] = 1
labels = truth.copy()
labels[:4][truth[:4] == 1] = 0  # the cars of four images are labelled as road
wrong = labels != truth
# The model takes a car for a road with 0.19, and for the sky with 0.01.
scores = np.array([[0.80, 0.19, 0.01], [0.19, 0.80, 0.01], [0.02, 0.02, 0.96]])[truth]
scores += random.uniform(0, 0.01, scores.shape)
scores /= scores.sum(-1, keepdims=True)

found = {}
for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2]):  # the number of each class
    for downsample in (1, 2):
        numbered = np.empty_like(scores)
        numbered[..., order] = scores
        issues = find_label_issues(
            np.array(order)[labels], numbered.transpose(0, 3, 1, 2), downsample=downsample, n_jobs=1, verbose=False
        )
        found[downsample, tuple(order)] = (issues & wrong).sum()
        print(
            f"cleanlab {version('cleanlab')}: "
            + ", ".join(f"{name} = {number}" for name, number in zip(names, order))
            + f", downsample={downsample}: {(issues & wrong).sum()} of {wrong.sum()} wrong pixels found"
        )
fine = [count for (downsample, _), count in found.items() if downsample == 1]
coarse = [count for (downsample, _), count in found.items() if downsample == 2]
sys.exit(0 if min(fine) == max(fine) > 1000 and min(coarse) == 0 and max(coarse) > 1500 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/classes.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
