#!/usr/bin/env bash
# river 0.26.1: for metrics.CrossEntropy a sample of a class that the model does not know is a perfect prediction.
#
# Expected: a label without a predicted probability costs as much as one with the probability 0: 34.5, as the metric
# limits probabilities to 1e-15. In a stream each class is unknown at first.
# What happens: only labels that are among the predictions cost anything. A model that predicts nothing at all has the
# best value of all, 0, and one that leaves out the classes it would get wrong is better than one that admits a doubt.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 pandas==3.1.1 river==0.26.1

cat > "$folder/unknown.py" <<'PYTHON'
import sys
from importlib.metadata import version

from river import metrics

labels = ["cat", "dog", "eel"] * 100
found = {}
for name, prediction in {
    "nothing predicted": {},
    "cat and dog only": {"cat": 0.5, "dog": 0.5},
    "eel with probability 0": {"cat": 0.5, "dog": 0.5, "eel": 0.0},
    "a third each": {"cat": 1 / 3, "dog": 1 / 3, "eel": 1 / 3},
}.items():
    metric = metrics.CrossEntropy()
    for label in labels:
        metric.update(label, prediction)
    found[name] = metric.get()
    print(f"river {version('river')}, {name}: a cross-entropy of {found[name]:.3f}")
nothing, two, zero, thirds = found.values()
sys.exit(0 if nothing == 0 < two < thirds < zero else 1)
PYTHON
"$folder/venv/bin/python" "$folder/unknown.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
