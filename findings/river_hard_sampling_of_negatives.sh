#!/usr/bin/env bash
# river 0.26.1: to HardSamplingClassifier every negative sample is harder than any positive one.
#
# Expected: the buffer of the hardest samples has those to whose label the model gives the smallest probability, of both
# classes alike.
# What happens: its default loss, optim.losses.Log, is one of logits, but it gets probabilities. As logits they are
# never negative, so that the loss of a negative is at least log 2, even if the model is sure of it, and that of a
# positive at most log 2, even if the model is wrong. The buffer has negatives only, from which the model learns again
# and again: it finds 71% of the positives in place of 92%.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 pandas==3.1.1 river==0.26.1

cat > "$folder/hard.py" <<'PYTHON'
import math
import random
import sys
from importlib.metadata import version

from river import imblearn, linear_model


def cross_entropy(y_true, y_pred):
    """The logarithmic loss of a probability."""
    return -math.log(max(y_pred if y_true else 1 - y_pred, 1e-9))


positives, recalls = {}, {}
for name, loss in {"default loss": None, "cross-entropy of probabilities": cross_entropy}.items():
    rng = random.Random(0)
    model = imblearn.HardSamplingClassifier(linear_model.LogisticRegression(), size=40, p=0.3, loss=loss, seed=0)
    found = total = 0
    for i in range(2000):
        label = rng.random() < 0.5
        x = {"a": rng.gauss(1 if label else -1, 1), "b": rng.gauss(1 if label else -1, 1)}
        if i >= 1000 and label:
            total += 1
            found += bool(model.predict_one(x))
        model.learn_one(x, label)
    positives[name] = sum(bool(sample.y) for sample in model.buffer)
    recalls[name] = found / total
    print(
        f"river {version('river')}, {name}: {positives[name]} of {len(model.buffer)} samples in the buffer are "
        f"positive; recall of positives {recalls[name]:.0%}"
    )
print("half of the samples are positive")
default, right = positives.values()
is_worse = recalls["default loss"] < 0.8 < 0.85 < recalls["cross-entropy of probabilities"]
sys.exit(0 if default == 0 and 8 <= right <= 32 and is_worse else 1)
PYTHON
"$folder/venv/bin/python" "$folder/hard.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
