#!/usr/bin/env bash
# fastai 2.8.12 with scikit-learn 1.9.1: the metric BrierScore, of two classes.
#
# Expected: the mean squared error of the probability of the second class, which tells a sure prediction from an unsure one.
# What happens: the score is computed of the predicted classes, so that it is the error rate: predictions of 51 % and of
# 99.9 % have the same score.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1 scikit-learn==1.9.1

cat > "$folder/brier.py" <<'PYTHON'
import sys
from types import SimpleNamespace

import torch
from fastai.metrics import BrierScore
from fastai.torch_core import to_detach

targets = torch.tensor([0, 1, 1, 0])
found = []
for probability in (0.51, 0.999):
    second = torch.tensor([1 - probability, probability, probability, probability])  # the last one is wrong
    outputs = torch.stack((1 - second, second), dim=1).log()
    learn = SimpleNamespace(pred=outputs, y=targets, yb=(targets,), to_detach=to_detach)
    metric = BrierScore()
    metric.reset()
    metric.accumulate(learn)
    score = metric.value
    true = ((second - targets) ** 2).mean().item()
    found.append(score)
    print(f"predictions of {probability:.1%}: BrierScore {score:.4f}, mean squared error {true:.4f}")
sys.exit(0 if found == [0.25, 0.25] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/brier.py"
