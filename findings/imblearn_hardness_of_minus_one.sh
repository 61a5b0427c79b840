#!/usr/bin/env bash
# imbalanced-learn 0.14.2: for the labels -1 and 1, InstanceHardnessThreshold keeps the samples that are the hardest.
#
# Expected: whatever the classes are called, it "retains the observations with the highest probability of being
# correctly classified", as the documentation says.
# What happens: the label itself is the index of the column of the probabilities. -1 is the last column, that of class
# 1: of class -1, the samples that look the most like class 1 are kept. With 0 and 1, the same samples are right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 imbalanced-learn==0.14.2

cat > "$folder/hardness.py" <<'PYTHON'
import sys

import imblearn
import numpy as np
from imblearn.under_sampling import InstanceHardnessThreshold
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)
is_rare = np.arange(1000) >= 900
samples = rng.normal(size=(1000, 2)) + 1.5 * is_rare[:, None]
model = LogisticRegression().fit(samples, is_rare)
kept = {}
for frequent in (0, -1):
    sampler = InstanceHardnessThreshold(estimator=LogisticRegression(), random_state=0)
    resampled, labels = sampler.fit_resample(samples, np.where(is_rare, 1, frequent))
    kept[frequent] = model.predict_proba(resampled[labels == frequent])[:, 0].mean()
    print(
        f"imbalanced-learn {imblearn.__version__}, labels {frequent} and 1: the {np.sum(labels == frequent)} samples "
        f"of class {frequent} that are kept have a mean probability of {kept[frequent]:.2f} to be of their class"
    )
everything = model.predict_proba(samples[~is_rare])[:, 0].mean()
print(f"all 900 samples of that class have a mean probability of {everything:.2f}")
sys.exit(0 if kept[-1] < everything < kept[0] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/hardness.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
