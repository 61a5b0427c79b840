#!/usr/bin/env bash
# uncertainty-toolbox 0.1.1: the quantile recalibrator doubles the bias of a model in place of removing it.
#
# Expected: after a recalibration, 50% of the true values are below the quantile 0.5, even on the recalibration data.
# What happens: the share of true values below a quantile is counted with the residuals' sign turned around, which is
# the share above the opposite quantile. Of a model that predicts 1 too much, 84% of the values are below the median; it
# counts 16%, and moves the median up to 98%. The metrics with prop_type="quantile" are mirrored in the same way.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 matplotlib==3.11.2 uncertainty-toolbox==0.1.1

cat > "$folder/quantiles.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from uncertainty_toolbox.metrics_calibration import get_proportion_under_quantile, get_quantile
from uncertainty_toolbox.recalibration import get_quantile_recalibrator

rng = np.random.default_rng(0)
truth = rng.normal(size=5000)
mean = np.ones(5000)  # 1 too much
std = np.ones(5000)
recalibrate = get_quantile_recalibrator(mean, std, truth)
is_worse = True
for quantile in (0.1, 0.5, 0.9):
    counted = get_proportion_under_quantile(mean, std, truth, quantile)
    before = np.mean(truth <= get_quantile(mean, std, quantile))
    after = np.mean(truth <= recalibrate(mean, std, quantile))
    print(
        f"uncertainty-toolbox {version('uncertainty-toolbox')}: {before:.0%} of the true values are below the "
        f"quantile {quantile} (get_proportion_under_quantile: {counted:.0%}), and {after:.0%} after recalibration"
    )
    is_worse = is_worse and counted < quantile < before < after
sys.exit(0 if is_worse else 1)
PYTHON
"$folder/venv/bin/python" "$folder/quantiles.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
