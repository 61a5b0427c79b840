#!/usr/bin/env bash
# fastai 2.8.12: eps of the optimizers.
#
# Expected: each optimizer that takes eps uses it.
# What happens: RMSProp(eps=0.5) has an eps of 1e-8, as if none had been given; Adam(eps=0.5) has 0.5.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/eps.py" <<'PYTHON'
import sys

import torch
from fastai.optimizer import Adam, RMSProp

found = {}
for optimizer in (Adam, RMSProp):
    weight = torch.nn.Parameter(torch.ones(1))
    made = optimizer([weight], lr=0.1, eps=0.5, wd=0.0)
    weight.grad = torch.ones(1)
    made.step()
    found[optimizer.__name__] = made.hypers[0]["eps"]
    print(f"{optimizer.__name__}(eps=0.5) has eps {made.hypers[0]['eps']}; a step of lr 0.1 goes to {weight.item():.4f}")
sys.exit(0 if found == {"Adam": 0.5, "RMSProp": 1e-8} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/eps.py"
