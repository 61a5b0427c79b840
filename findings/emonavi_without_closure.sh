#!/usr/bin/env bash
# pytorch_optimizer 4.1.0: EmoNavi without a closure trains otherwise, in silence.
#
# Expected: an optimizer whose step() takes an optional closure makes the same step with and without one, if the
# gradients are the same (as torch.optim's do), or says that it needs the closure.
# What happens: EmoNavi adapts by the loss that the closure returns, and takes it for 0 where there is none. Five steps
# on p**2 from 1 end elsewhere. No error, no warning.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 pytorch_optimizer==4.1.0

cat > "$folder/steps.py" <<'PYTHON'
import sys

import torch
from pytorch_optimizer import EmoNavi


def after_five_steps(optimizer_class, with_closure):
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = optimizer_class([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    for _ in range(5):
        if with_closure:
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    return round(weight.item(), 4)


found = {cls.__name__: [after_five_steps(cls, given) for given in (True, False)] for cls in (torch.optim.AdamW, EmoNavi)}
for name, (given, without) in found.items():
    print(f"{name:8} after five steps: {given} with a closure, {without} without")
same, other = found.values()
sys.exit(0 if same[0] == same[1] and other[0] != other[1] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/steps.py"
