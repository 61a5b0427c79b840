#!/usr/bin/env bash
# scikit-learn 1.9.1, torchmetrics 1.9.0: macro averages disagree on a class that is predicted and has no sample.
#
# Expected: macro averages of one library count the same classes, and macro recall is balanced accuracy, as its docs say.
# What happens: a stray prediction of a class without a sample adds a class of score 0 to scikit-learn's macro recall and
# F1 and to torchmetrics' macro accuracy, but not to balanced_accuracy_score. So of two models compared on the same
# samples, the one that never predicts that class is averaged over fewer classes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 torchmetrics==1.9.0 torch==2.14.1

cat > "$folder/macro.py" <<'PYTHON'
import sys
import warnings

import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from torchmetrics.functional.classification import multiclass_accuracy

warnings.simplefilter("ignore")
truth, predicted = [0, 0, 0, 1, 1, 1], [0, 0, 2, 1, 1, 1]  # no sample is of class 2
found = {
    "scikit-learn, balanced accuracy": balanced_accuracy_score(truth, predicted),
    "scikit-learn, macro recall": recall_score(truth, predicted, average="macro"),
    "scikit-learn, macro F1": f1_score(truth, predicted, average="macro"),
    "scikit-learn, macro F1 of the classes that are there": f1_score(
        truth, predicted, average="macro", labels=[0, 1]
    ),
    "torchmetrics, macro accuracy": multiclass_accuracy(
        torch.tensor(predicted), torch.tensor(truth), num_classes=3, average="macro"
    ).item(),
}
for name, value in found.items():
    print(f"{name}: {value:.3f}")
sys.exit(0 if [round(value, 3) for value in found.values()] == [0.833, 0.556, 0.6, 0.9, 0.556] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/macro.py"
