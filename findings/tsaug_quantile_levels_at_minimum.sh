#!/usr/bin/env bash
# tsaug 0.2.1: Quantize(how="quantile") makes a series nearly constant, at its smallest value.
#
# Expected: with four levels, each value of a series becomes one of four, which are spread over its values by their
# quantiles; about a quarter of the values is at each.
# What happens: the shares are divided by 100 where percents are needed, so that all levels are below the
# hundredth part of a percent: 1,000 normal values become one, which is the smallest of them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 tsaug==0.2.1

cat > "$folder/levels.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from tsaug import Quantize

series = np.random.default_rng(0).normal(size=(1, 1000))
print(f"a series from {series.min():.2f} to {series.max():.2f} with the quartiles {np.quantile(series, [0.25, 0.5, 0.75])}")
found = {}
for how in ("uniform", "quantile"):
    found[how] = Quantize(n_levels=4, how=how).augment(series)
    levels, counts = np.unique(found[how].round(2), return_counts=True)
    print(f"tsaug {version('tsaug')}, {how}: {counts.tolist()} values at {levels.tolist()}")
is_same = np.ptp(found["uniform"]) > 4 and np.ptp(found["quantile"]) < 0.01
sys.exit(0 if is_same and abs(found["quantile"].mean() - series.min()) < 0.05 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/levels.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
