#!/usr/bin/env bash
# balanced-loss 0.1.1: in the focal loss, a label with a logit of -12 costs nothing in float16, and its gradient is NaN.
#
# Expected: the lower the logit of the label, the larger the loss; below -10 the focal loss is about the cross-entropy,
# with a gradient of about -1.
# What happens: the factor of the focal loss is computed by way of exp(-logit). Where that is infinite (below -11.1 in
# float16, below -88.7 in float32), the factor is 0 and not 1: the worst predictions of all cost nothing, and the
# gradient is NaN, which the next step writes into all weights.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 balanced-loss==0.1.1

cat > "$folder/worst.py" <<'PYTHON'
import math
import sys
from importlib.metadata import version

import torch
from balanced_loss import Loss

label = torch.tensor([0])
found, gradients = {}, {}
for dtype, logits in ((torch.float16, (-5, -11, -12)), (torch.float32, (-12, -88, -89))):
    for logit in logits:
        outputs = torch.tensor([[logit, 0]], dtype=dtype, requires_grad=True)
        loss = Loss("focal_loss", fl_gamma=2)(outputs, label)
        loss.backward()
        found[dtype, logit] = loss.item()
        gradients[dtype, logit] = outputs.grad[0, 0].item()
        print(
            f"balanced-loss {version('balanced-loss')}, {dtype}, the label's logit {logit}: "
            f"a loss of {loss.item():.2f}, a gradient of {gradients[dtype, logit]:.2f}"
        )
half, single = torch.float16, torch.float32
is_same = found[half, -11] > 11 > 0.2 > found[half, -12] and found[single, -88] > 88 > 0.2 > found[single, -89]
is_same = is_same and gradients[half, -11] < -0.9 and gradients[single, -12] < -0.9
sys.exit(0 if is_same and math.isnan(gradients[half, -12]) and math.isnan(gradients[single, -89]) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/worst.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
