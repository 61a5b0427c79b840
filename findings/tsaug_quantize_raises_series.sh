#!/usr/bin/env bash
# tsaug 0.2.1: Quantize() moves a series up by half of the distance of its levels.
#
# Expected: each value becomes the nearest level, as documented, so that no value moves by more than half of the
# distance of two levels, and the mean hardly changes.
# What happens: values are rounded to the borders between the levels and then moved up to the next level. Values move by
# up to the whole distance, the mean rises by half of it, and half of the values take a level that is not the nearest.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 tsaug==0.2.1

cat > "$folder/rise.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from tsaug import Quantize

series = np.random.default_rng(0).normal(size=(1, 1000))
is_same = True
for count in (4, 10):
    changed = Quantize(n_levels=count).augment(series)
    levels = np.unique(changed)
    apart = levels[1] - levels[0]
    nearest = levels[np.abs(series[..., None] - levels).argmin(axis=-1)]
    moved, others = (changed - series).mean() / apart, (np.abs(changed - nearest) > 1e-9).mean()
    print(
        f"tsaug {version('tsaug')}, {count} levels: the mean rises by {moved:.2f} and a value by up to "
        f"{(changed - series).max() / apart:.2f} of their distance; {others:.0%} have not the nearest level"
    )
    is_same = is_same and moved > 0.4 and others > 0.4
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/rise.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
