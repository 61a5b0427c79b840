#!/usr/bin/env bash
# river 0.26.1: RandomSampler(desired_dist=None) trains on the n-th sample about n times.
#
# Expected: without desired shares samples are drawn as they are, once on average, which is "strictly equivalent" to a
# BaggingClassifier, as its documentation says.
# What happens: the counts of the classes are taken for their shares, so that the rate of each sample is the number of
# samples so far. From 200 samples the model learns 20,000 times, from the last one nearly 200 times. With the true
# shares as desired_dist it learns about 200 times.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scipy==1.17.1 pandas==3.1.1 river==0.26.1

cat > "$folder/rate.py" <<'PYTHON'
import random
import sys
from importlib.metadata import version

from river import dummy, ensemble, imblearn


class Count(dummy.PriorClassifier):
    """Counts how often it learns."""

    def __init__(self):
        super().__init__()
        self.times = []

    def learn_one(self, x, y):
        self.times.append(x["i"])
        super().learn_one(x, y)


random.seed(0)
labels = [random.random() < 0.3 for _ in range(200)]
learnt = {}
for name, desired in {"None": None, "the true shares": {False: 0.7, True: 0.3}}.items():
    model = imblearn.RandomSampler(Count(), desired_dist=desired, sampling_rate=1, seed=0)
    for i, label in enumerate(labels):
        model.learn_one({"i": i}, label)
    times = model.classifier.times
    learnt[name] = len(times)
    print(
        f"river {version('river')}, desired_dist {name}: learnt {len(times)} times from {len(labels)} samples; "
        f"{times.count(9)} times from the 10th, {times.count(199)} times from the last"
    )
bagging = ensemble.BaggingClassifier(Count(), n_models=2, seed=0)
for i, label in enumerate(labels):
    bagging.learn_one({"i": i}, label)
learnt["bagging"] = len(bagging[0].times)
print(f"river {version('river')}, BaggingClassifier: a model learnt {learnt['bagging']} times")
few = (learnt["the true shares"], learnt["bagging"])
sys.exit(0 if learnt["None"] > 15_000 and all(150 < count < 300 for count in few) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/rate.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
