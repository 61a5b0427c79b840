#!/usr/bin/env bash
# torch 2.14.1: torch.where(mask, x, y) of images in channels_last and a mask of their shape.
#
# Expected: x and y agree in their layout, and the result has it, as that of x * mask + y * ~mask.
# What happens: the result has the layout of the mask. So where a mask was made in the usual order, images that are
# pasted together leave channels_last, in silence, and the convolutions after it convert them back. A mask that is
# broadcast over the channels does no harm.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1

cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch

x, y = (torch.rand(4, 3, 8, 6).to(memory_format=torch.channels_last) for _ in range(2))
found = []
for name, mask in (("of all channels", torch.rand(4, 3, 8, 6) < 0.5), ("of one", torch.rand(4, 1, 8, 6) < 0.5)):
    results = (torch.where(mask, x, y), x * mask + y * ~mask)
    kept = [each.is_contiguous(memory_format=torch.channels_last) for each in results]
    print(f"mask {name}: channels_last after where: {kept[0]}, after products: {kept[1]}")
    found += kept
sys.exit(0 if found == [False, True, True, True] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
