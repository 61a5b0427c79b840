#!/usr/bin/env bash
# torchvision 0.29.1: transforms.v2.functional.gaussian_blur of a boolean mask, such as for soft edges of what is pasted.
#
# Expected: an error, or floats between 0 and 1.
# What happens: the result is boolean again, another mask: a blurred square of 36 pixels has lost its four corners, and
# nothing is soft. As uint8 the same square is blurred.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torchvision==0.29.1 torch==2.14.1

cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch
from torchvision.transforms.v2.functional import gaussian_blur

mask = torch.zeros(1, 16, 16, dtype=torch.bool)
mask[:, 5:11, 5:11] = True
blurred = gaussian_blur(mask, [5, 5], [2.0, 2.0])
soft = gaussian_blur(mask.to(torch.uint8) * 255, [5, 5], [2.0, 2.0])
print(f"boolean: {blurred.dtype}, {int(mask.sum())} pixels before, {int(blurred.sum())} after")
print(f"uint8: {soft.unique().numel()} levels of grey")
sys.exit(0 if blurred.dtype == torch.bool and blurred.sum() == 32 and soft.unique().numel() > 3 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
