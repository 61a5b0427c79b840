#!/usr/bin/env bash
# MAPIE 1.6.0: expected_calibration_error(num_bins=n) uses n - 1 bins.
#
# Expected: num_bins=2 tells scores below 0.5 from those above.
# What happens: num_bins edges are drawn from 0 to 1, between which there is one bin less. num_bins=2 has a single bin,
# in which scores that are too high and too low cancel: the error of a badly calibrated model is near 0. num_bins=1 has
# none at all, and gives nan. The value at num_bins=10 is what others call that of nine bins.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 mapie==1.6.0

cat > "$folder/bins.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from mapie.metrics.calibration import expected_calibration_error


def calibration_error(is_right, scores, bins):
    """The expected calibration error with bins of equal width."""
    inside = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(np.sum((is_right - scores)[inside == i])) for i in range(bins)]
    return sum(gaps) / len(scores)


rng = np.random.default_rng(0)
scores = rng.uniform(size=1000)
is_right = (rng.uniform(size=1000) < np.where(scores < 0.5, scores + 0.3, scores - 0.3)).astype(int)
is_same = True
for bins in (1, 2, 10):
    found = expected_calibration_error(is_right, scores, num_bins=bins, split_strategy="uniform")
    right = calibration_error(is_right, scores, bins)
    fewer = calibration_error(is_right, scores, bins - 1) if bins > 1 else np.nan
    print(
        f"MAPIE {version('mapie')}: num_bins={bins}: {found:.4f}; "
        f"{right:.4f} with {bins} bins, {fewer:.4f} with {bins - 1}"
    )
    is_same = is_same and np.isclose(found, fewer, equal_nan=True) and not np.isclose(found, right)
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/bins.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
