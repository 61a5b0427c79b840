#!/usr/bin/env bash
# torch 2.14.1, on a CPU: in bfloat16, the gradient of a convolution's kernel where it meets padding alone.
#
# Expected: zero, as in float32: the entries at the border of a 3 x 3 kernel, of stride 2 and padding 1, never meet an
# input of one pixel.
# What happens: those left and right of the centre are not written. They hold what the memory held before, here the sevens of
# tensors that were freed, so that two equal trainings differ. ResNets come to such layers with images of 16 pixels.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy

cat > "$folder/gradient.py" <<'PYTHON'
import sys

import torch


def is_moved(dtype):
    """Whether an entry beside the kernel's centre has a gradient, though it meets padding alone."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
    freed = [torch.full_like(conv.weight, 7.0) for _ in range(8)]
    del freed
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        output = conv(torch.randn(12, 64, 1, 1))
    output.float().square().sum().backward()
    gradient = conv.weight.grad.clone()
    gradient[:, :, 1, 1] = 0
    return bool((gradient != 0).any())


found = {dtype: sum(is_moved(dtype) for _ in range(20)) for dtype in (torch.float32, torch.bfloat16)}
for dtype, times in found.items():
    print(f"torch {torch.__version__}, {dtype}: in {times} of 20 trainings an entry that meets padding alone moves")
sys.exit(0 if found[torch.float32] == 0 and found[torch.bfloat16] > 0 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/gradient.py"
