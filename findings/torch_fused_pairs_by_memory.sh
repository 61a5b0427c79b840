#!/usr/bin/env bash
# torch 2.14.1, on a CPU: fused=True of AdamW, Adam, SGD and Adagrad where a gradient lies otherwise than its parameter.
#
# Expected: the step of fused=False up to rounding, or an error.
# What happens: the kernel pairs parameter and gradient by their places in memory, and not by their indices. Of a
# transposed gradient each entry moves another one's weight, without a warning.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy

cat > "$folder/fused.py" <<'PYTHON'
import sys

import torch

changed = False
for optimizer in (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad):
    off = {}
    for layout in ("as its parameter", "transposed"):
        torch.manual_seed(0)
        gradient = torch.randn(4, 6)
        if layout == "transposed":
            gradient = gradient.t().contiguous().t()  # the same values with the same shape
        stepped = []
        for fused in (False, True):
            weight = torch.nn.Parameter(torch.ones(4, 6))
            weight.grad = gradient.clone()
            optimizer([weight], lr=0.1, fused=fused).step()
            stepped.append(weight.detach())
        off[layout] = (stepped[0] - stepped[1]).abs().max().item()
    print(f"{optimizer.__name__}: fused=True is off by {off}")
    changed |= off["as its parameter"] > 1e-5 or off["transposed"] < 0.05
sys.exit(int(changed))
PYTHON
"$folder/venv/bin/python" "$folder/fused.py"
