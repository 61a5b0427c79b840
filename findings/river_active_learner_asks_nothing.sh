#!/usr/bin/env bash
# river 0.26.1: an EntropySampler around a tree, naive Bayes or nearest neighbours never asks for a label.
#
# Expected: a model that knows nothing yet is as uncertain as can be: the first labels are asked for, as they are around
# a logistic regression.
# What happens: these models predict no probabilities at all before they have learnt, and the entropy of none is 0. No
# label is asked for, so nothing is learnt, and it stays so. With a label of each class to begin with, it works.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 pandas==3.1.1 river==0.26.1

cat > "$folder/active.py" <<'PYTHON'
import random
import sys
from importlib.metadata import version

from river import active, linear_model, naive_bayes, neighbors, tree


def stream(seed):
    rng = random.Random(seed)
    for _ in range(500):
        label = rng.random() < 0.5
        yield {"a": rng.gauss(1 if label else -1, 1)}, label


asked = {}
for begun in (False, True):
    for classifier in (
        linear_model.LogisticRegression(),
        tree.HoeffdingTreeClassifier(),
        naive_bayes.GaussianNB(),
        neighbors.KNNClassifier(),
    ):
        name = type(classifier).__name__
        model = active.EntropySampler(classifier, discount_factor=1, seed=0)
        if begun:
            for value in (-1, 1, -2, 2):
                model.learn_one({"a": value}, value > 0)
        asked[name, begun] = 0
        for x, y in stream(0):
            _, ask = model.predict_one(x)
            if ask:
                asked[name, begun] += 1
                model.learn_one(x, y)
        start = "four labels" if begun else "nothing"
        print(f"river {version('river')}, {name} that begins with {start}: asks for {asked[name, begun]} of 500 labels")
nothing = [count for (name, begun), count in asked.items() if not begun and name != "LogisticRegression"]
others = asked["LogisticRegression", False], asked["HoeffdingTreeClassifier", True], asked["GaussianNB", True]
sys.exit(0 if nothing == [0, 0, 0] and all(count > 10 for count in others) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/active.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
