#!/usr/bin/env bash
# torch 2.14.1 (and 2.6.0): F.l1_loss forgets its weight= as soon as one argument is of a Tensor subclass.
#
# Expected: F.l1_loss(input, target, weight=w) is the weighted mean, whatever subclass of Tensor the target has; so it is
# for F.mse_loss, to which weight= was added at the same time.
# What happens: with a subclass (fastai's and MONAI's tensors are such) the call is handed on without the weight, and
# the plain mean comes back. No warning. Weights that mask out padding are ignored.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/weights.py" <<'PYTHON'
import sys

import torch
import torch.nn.functional as F


class Tagged(torch.Tensor):
    """A subclass that changes nothing."""


output, target, weight = torch.tensor([1.0, 2.0]), torch.zeros(2), torch.tensor([1.0, 0.0])
found = {}
for loss in (F.l1_loss, F.mse_loss):
    found[loss.__name__] = [float(loss(output, y, weight=weight)) for y in (target, target.as_subclass(Tagged))]
    print(f"torch {torch.__version__}, {loss.__name__} with weights 1 and 0: Tensor, subclass:", found[loss.__name__])
sys.exit(0 if found == {"l1_loss": [1.0, 1.5], "mse_loss": [1.0, 1.0]} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/weights.py"
