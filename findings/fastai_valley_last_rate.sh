#!/usr/bin/env bash
# fastai 2.8.12: the valley that lr_find suggests can be the highest rate of all, where the loss has long exploded.
#
# Expected: valley gives a rate within the longest stretch in which the loss falls.
# What happens: where that stretch is as short as two losses and begins with the first one, the index is computed as -1,
# and Python takes the last rate of the list.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/valley.py" <<'PYTHON'
import sys

import fastai
import torch
from fastai.callback.schedule import valley

rates = [0.001, 0.01, 0.1, 1.0]
losses = torch.tensor([2.0, 1.0, 3.0, 4.0])  # they fall once, from the first rate to the second
suggested, _ = valley(rates, losses, len(rates))
print(f"fastai {fastai.__version__}: rates {rates}, losses {losses.tolist()}: valley suggests {suggested}")
sys.exit(0 if suggested == 1.0 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/valley.py"
