#!/usr/bin/env bash
# autorank 1.3.0: the report of Tukey's test calls models different at half of the distance that the test asks for.
#
# Expected: "Populations are significantly different if their confidence intervals are not overlapping", as the report
# itself says, so that it is wrong about equal models for at most 5% of the tables.
# What happens: the report takes means to be different that are more than half of the width of an interval apart, but
# intervals overlap up to a whole width. Of five models, of which four are equal and one is better, it tells equal ones
# apart in nearly half of the tables, though their intervals overlap.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 pandas==3.1.1 scipy==1.17.1 statsmodels==0.15.0 matplotlib==3.11.2 \
    autorank==1.3.0

cat > "$folder/report.py" <<'PYTHON'
import contextlib
import io
import re
import sys
from importlib.metadata import version
from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("agg")
from autorank import autorank, create_report  # noqa: E402
from statsmodels.stats.multicomp import pairwise_tukeyhsd  # noqa: E402

EQUAL = list("ABCD")
rng = np.random.default_rng(0)
tables = wrong = wrong_overlapping = wrong_tukey = 0
while tables < 40:
    scores = pd.DataFrame(rng.normal(0.7, 0.02, (20, 5)), columns=[*EQUAL, "E"])
    scores["E"] += 0.05
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        result = autorank(scores)
        create_report(result)
    if result.posthoc != "tukeyhsd":  # one column did not look normal
        continue
    tables += 1
    found = re.search(r"within the following groups: (.*)\. All other differences are significant", text.getvalue())
    groups = [re.findall(r"\b[A-E]\b", group) for group in found[1].split(";")] if found else []
    different = [
        pair for pair in combinations(EQUAL, 2) if not any(pair[0] in group and pair[1] in group for group in groups)
    ]
    low, high = result.rankdf["ci_lower"], result.rankdf["ci_upper"]
    overlap = [pair for pair in different if low[pair[0]] < high[pair[1]] and low[pair[1]] < high[pair[0]]]
    long = scores.melt()
    tukey = pairwise_tukeyhsd(long["value"], long["variable"], alpha=0.05)
    pairs = combinations(tukey.groupsunique, 2)
    wrong += bool(different)
    wrong_overlapping += bool(overlap)
    wrong_tukey += any(reject and "E" not in pair for pair, reject in zip(pairs, tukey.reject, strict=True))
print(
    f"autorank {version('autorank')}: the reports on {wrong} of {tables} tables tell equal models apart, on "
    f"{wrong_overlapping} of them by overlapping intervals; statsmodels' Tukey test does so for {wrong_tukey}"
)
sys.exit(0 if wrong_overlapping >= 8 and wrong_tukey <= 4 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/report.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
