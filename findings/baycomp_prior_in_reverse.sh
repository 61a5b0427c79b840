#!/usr/bin/env bash
# baycomp 1.0.3: SignTest reads the documented prior, (position, strength), as (strength, position).
#
# Expected: prior=(SignTest.LEFT, 2) is a prior of strength 2 on the left model. If the right model wins three of five
# data sets, the left one is then the more probable: two wins and a prior of two are more than three wins.
# What happens: SignTest.LEFT is 0, so that this is a prior of strength 0 on position 2, that is none at all: the right
# model is the more probable one. In the other order the prior works. Only strengths that are no index (above 2, or
# floats) raise an error.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 matplotlib==3.11.2 baycomp==1.0.3

cat > "$folder/prior.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from baycomp import SignTest

left = np.array([0.71, 0.82, 0.64, 0.90, 0.55])
right = left + np.array([0.03, 0.03, 0.03, -0.03, -0.03])  # the right model wins three times
found = {}
for name, prior in {
    "no prior": 0,
    "(SignTest.LEFT, 2), as documented": (SignTest.LEFT, 2),
    "(2, SignTest.LEFT)": (2, SignTest.LEFT),
}.items():
    p_left, p_right = SignTest.probs(left, right, prior=prior, random_state=0)
    found[name] = p_right
    print(f"baycomp {version('baycomp')}, {name}: left is better with {p_left:.3f}, right with {p_right:.3f}")
none, documented, reverse = found.values()
sys.exit(0 if documented == none > 0.6 and reverse < 0.4 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/prior.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
