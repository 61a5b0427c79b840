#!/usr/bin/env bash
# imbalanced-learn 0.14.2: if the numeric columns of a table are integers, SMOTENC draws the categories by chance.
#
# Expected: a new sample has the category that is the most frequent among its neighbours, which are all of its class.
# What happens: all columns are joined in the type of the numeric ones. A category is entered as the median of their
# standard deviations, divided by the root of 2. As an integer, that is 0 for counts and ratings with a deviation below
# 1.41. All categories are then equally frequent among the neighbours, and chance decides, without a warning: seven of
# eight new samples have a category that their class never has. The same numbers as floats give the right ones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 pandas==3.1.1 imbalanced-learn==0.14.2

cat > "$folder/categories.py" <<'PYTHON'
import sys

import imblearn
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTENC

rng = np.random.default_rng(0)
is_rare = rng.uniform(size=1000) < 0.1
colours = np.where(is_rare, "red", rng.choice(["blue", "cyan", "gold", "gray", "green", "pink", "red", "white"], 1000))
table = pd.DataFrame({"children": rng.integers(0, 4, 1000), "rating": rng.integers(1, 6, 1000), "colour": colours})
shares = {}
for dtype in (int, float):
    typed = table.astype({"children": dtype, "rating": dtype})
    sampler = SMOTENC(categorical_features=["colour"], random_state=0)
    resampled, labels = sampler.fit_resample(typed, is_rare.astype(int))
    new = resampled["colour"][len(table) :]
    assert labels[len(table) :].all()  # all new samples are of the rare class
    shares[dtype] = (new == "red").mean()
    print(
        f"imbalanced-learn {imblearn.__version__}, numbers as {dtype.__name__}: of {len(new)} new samples of a class "
        f"that is always red, {shares[dtype]:.0%} are red"
    )
sys.exit(0 if shares[int] < 0.2 and shares[float] == 1 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/categories.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
