#!/usr/bin/env bash
# torch 2.14.1: AveragedModel(use_buffers=True) turns a mask of -inf into nan at the second update.
#
# Expected: an exponential moving average of a buffer that never changes is that buffer. The documentation recommends
# use_buffers=True where there are batch norms, whose statistics are buffers.
# What happens: all floating buffers are averaged by lerp, and -inf + w * (-inf - -inf) is nan. A causal mask that is
# kept as a buffer becomes nan for good, and so does every output of the averaged model; the model itself is fine.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/mask.py" <<'PYTHON'
import sys

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Causal(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(4, 4)
        self.register_buffer("mask", torch.full((3, 3), float("-inf")).triu(1))

    def forward(self, x):
        return (x @ self.project(x).mT + self.mask).softmax(-1) @ x


torch.manual_seed(0)
model = Causal()
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
found = []
for update in (1, 2):
    averaged.update_parameters(model)
    found.append(bool(averaged.module.mask.isnan().any()))
    print(f"torch {torch.__version__}, update {update}: mask\n{averaged.module.mask}")
x = torch.randn(1, 3, 4)
outputs = [bool(module(x).isnan().any()) for module in (model, averaged)]
print("output is nan, of the model and of its average:", *outputs)
sys.exit(0 if found == [False, True] and outputs == [False, True] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/mask.py"
