#!/usr/bin/env bash
# mlxtend 0.25.0: bootstrap_point632_score(method=".632+") returns accuracies far below zero and above one.
#
# Expected: the .632+ estimate of Efron and Tibshirani, to which the documentation refers: the weight of the error
# outside of the bootstrap sample is between 0.632 and 1. For labels that are random it is careful: about one half.
# What happens: the relative overfitting rate is not limited to 0 and 1. If a model is no better than chance, its
# denominator is near 0 or negative, the weight has any value, and so has the accuracy. A few such rounds decide about
# the mean. The methods ".632" and "oob" return what they should.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 pandas==3.1.1 scikit-learn==1.9.1 mlxtend==0.25.0

cat > "$folder/plus.py" <<'PYTHON'
import sys

import mlxtend
import numpy as np
from mlxtend.evaluate import bootstrap_point632_score
from sklearn.neighbors import KNeighborsClassifier

rng = np.random.default_rng(0)
x, y = rng.normal(size=(40, 5)), rng.integers(0, 2, 40)  # labels that nothing can predict
scores = {}
for method in ("oob", ".632", ".632+"):
    scores[method] = bootstrap_point632_score(KNeighborsClassifier(), x, y, n_splits=100, method=method, random_seed=1)
    low, mean, high = scores[method].min(), scores[method].mean(), scores[method].max()
    outside = np.sum((scores[method] < 0) | (scores[method] > 1))
    print(
        f"mlxtend {mlxtend.__version__}, {method}: a mean accuracy of {mean:.2f}; 100 rounds from {low:.2f} to "
        f"{high:.2f}, {outside} of them outside of 0 to 1"
    )
plus = scores.pop(".632+")
is_right = all(0 <= found.min() and found.max() <= 1 and 0.4 < found.mean() < 0.6 for found in scores.values())
sys.exit(0 if is_right and plus.mean() < 0 and plus.min() < -10 and plus.max() > 2 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/plus.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
