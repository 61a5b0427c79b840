#!/usr/bin/env bash
# torchmetrics 1.9.0: macro accuracy and F1 against soft targets are 1, micro accuracy 0, whatever the model predicts.
#
# Expected: float targets (B, C), as mixup and label smoothing make them, are refused by MulticlassAccuracy and
# MulticlassF1Score, which validate their arguments (validate_args=True is the default).
# What happens: no error. Of probabilities (B, C), the macro average is 1.0 and the micro average 0.0 for a model that is
# nearly always right, for one that is always wrong, and for random ones.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 torchmetrics==1.9.0

cat > "$folder/soft.py" <<'PYTHON'
import sys

import torch
import torchmetrics
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

torch.manual_seed(0)
logits = 3 * torch.randn(64, 5)
soft = logits.softmax(1)  # targets
predicted = {
    "nearly right": (logits + 0.01 * torch.randn(64, 5)).softmax(1),
    "wrong": (-logits).softmax(1),
    "random": torch.randn(64, 5).softmax(1),
}
found = {}
for name, probabilities in predicted.items():
    found[name] = [
        float(metric(probabilities, soft))
        for metric in (MulticlassAccuracy(5), MulticlassF1Score(5), MulticlassAccuracy(5, average="micro"))
    ]
    print(f"torchmetrics {torchmetrics.__version__}, {name}: macro accuracy, macro F1, micro accuracy", found[name])
sys.exit(0 if all(values == [1.0, 1.0, 0.0] for values in found.values()) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/soft.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
