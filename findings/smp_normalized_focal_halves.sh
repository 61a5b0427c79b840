#!/usr/bin/env bash
# segmentation_models_pytorch 0.6.0: FocalLoss(normalized=True) is half as large for a batch that is twice as large.
#
# Expected: normalised focal loss divides the sum over pixels by the sum of the focal weights, so that a batch beside a
# copy of itself has the loss of the batch, as with every mean.
# What happens: the default reduction is the mean, which is divided by the sum of the weights once more: the loss goes
# with one over the number of pixels. A larger batch or image trains at a smaller rate, in silence.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 segmentation_models_pytorch==0.6.0

cat > "$folder/sizes.py" <<'PYTHON'
import sys

import segmentation_models_pytorch as smp
import torch

torch.manual_seed(0)
output, mask = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) < 0.5).float()
ratios = {}
for normalized in (False, True):
    loss = smp.losses.FocalLoss("binary", normalized=normalized)
    once, twice = (float(loss(output.repeat(n, 1, 1, 1), mask.repeat(n, 1, 1, 1))) for n in (1, 2))
    ratios[normalized] = round(once / twice, 3)
    print(f"smp {smp.__version__}, normalized={normalized}: {once:.5f}, of the batch and its copy {twice:.5f}")
sys.exit(0 if ratios == {False: 1.0, True: 2.0} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/sizes.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
