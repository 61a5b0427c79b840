#!/usr/bin/env bash
# torchmetrics 1.9.0 with torch 2.14.1: MultilabelAveragePrecision where no sample has one of the labels.
#
# Expected: a label without positives has no average precision, and the macro average leaves it out, as it leaves out
# classes that are absent elsewhere, or is nan.
# What happens: the label counts as 0 in the macro average, beside a warning that its recall was set to 1 for all
# thresholds; so the score falls with each label that a validation part happens to lack. The weighted average is right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torchmetrics==1.9.0 torch==2.14.1

cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch
from torchmetrics.classification import MultilabelAveragePrecision

targets = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0]])  # no sample has the third label
perfect = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.9, 0.9, 0.1]])
found = {}
for average in (None, "macro", "weighted"):
    found[average] = MultilabelAveragePrecision(num_labels=3, average=average)(perfect, targets)
    print(f"average={average}: {found[average].tolist()}")
is_same = torch.isclose(found["macro"], torch.tensor(2 / 3)) and found["weighted"] == 1
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
