#!/usr/bin/env bash
# torch-uncertainty 0.13.0: a SegmentationMetric that is called for each batch remembers the last batch only.
#
# Expected: as with every metric of torchmetrics, calling it returns the value of the batch and adds the batch to the
# total, so that compute() is over all batches.
# What happens: each call also resets the wrapped metric, so that compute() is the value of the last batch. With
# update() it is over all batches.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 torchmetrics==1.9.0 "torch-uncertainty[cpu,distribution]==0.13.0"

cat > "$folder/total.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from torch_uncertainty.metrics import SegmentationMetric
from torchmetrics.classification import MulticlassAccuracy

target = torch.zeros(1, 4, 4, dtype=torch.long)
right = torch.tensor([0.9, 0.1]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
wrong = right.flip(1)
batches = [right, right, right, wrong]

plain = MulticlassAccuracy(num_classes=2, average="micro")
called = SegmentationMetric(MulticlassAccuracy(num_classes=2, average="micro"))
updated = SegmentationMetric(MulticlassAccuracy(num_classes=2, average="micro"))
for scores in batches:
    plain(scores, target)
    called(scores, target)
    updated.update(scores, target)
totals = [float(metric.compute()) for metric in (plain, updated, called)]
print(f"torch-uncertainty {version('torch-uncertainty')}: accuracy of three right batches and a wrong one")
print("torchmetrics {:.2f}, wrapped and updated {:.2f}, wrapped and called {:.2f}".format(*totals))
sys.exit(0 if totals == [0.75, 0.75, 0.0] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/total.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
