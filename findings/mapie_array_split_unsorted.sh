#!/usr/bin/env bash
# MAPIE 1.6.0: expected_calibration_error(split_strategy="array split") depends on the order of the samples, and is near
# zero for a model that is badly calibrated.
#
# Expected: samples are binned by their scores, in groups of equal size, so that their order does not matter.
# What happens: the scores are split as they come, without being sorted, and the largest one of each part becomes an
# edge. Of shuffled samples all edges are near the highest score, and almost all samples fall into a single bin, in
# which those with too high and too low scores cancel.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 mapie==1.6.0

cat > "$folder/order.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from mapie.metrics.calibration import expected_calibration_error

rng = np.random.default_rng(0)
scores = np.concatenate([rng.uniform(0.55, 0.65, 1000), rng.uniform(0.85, 0.95, 1000)])
is_right = np.tile(np.arange(10), 200) < np.repeat([9, 6], 1000)  # of the low scores 90% are right, of the high 60%
shuffled = rng.permutation(2000)
found = {}
for strategy in ("quantile", "array split"):
    for name, order in (("sorted", np.argsort(scores)), ("shuffled", shuffled)):
        found[strategy, name] = expected_calibration_error(
            is_right[order].astype(int), scores[order], num_bins=10, split_strategy=strategy
        )
        print(f"MAPIE {version('mapie')}: {strategy}, {name} samples: ECE {found[strategy, name]:.3f}")
is_same = found["array split", "shuffled"] < 0.05 and found["array split", "sorted"] > 0.25
sys.exit(0 if is_same and abs(found["quantile", "shuffled"] - found["quantile", "sorted"]) < 1e-6 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/order.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
