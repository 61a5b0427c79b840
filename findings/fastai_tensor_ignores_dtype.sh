#!/usr/bin/env bash
# fastai 2.8.12: tensor([1.5], dtype=torch.float64), of fastai.torch_core, which the star imports put in place of torch's.
#
# Expected: float64, as is asked for.
# What happens: float32, for lists and single numbers alike: everything that is float64 is made float32 last, also where
# the dtype was given.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch
from fastai.torch_core import tensor

found = [tensor(value, dtype=torch.float64).dtype for value in ([1.5], 1.5)]
print(f"asked for torch.float64: {found}; by torch.tensor: {torch.tensor([1.5], dtype=torch.float64).dtype}")
sys.exit(0 if found == [torch.float32, torch.float32] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
