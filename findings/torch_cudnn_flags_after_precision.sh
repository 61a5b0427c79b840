#!/usr/bin/env bash
# torch 2.14.1: torch.backends.cudnn.flags() after the precision of convolutions was set by today's name.
#
# Expected: with torch.backends.cudnn.flags(enabled=True) goes on working: it sets and restores what it names.
# What happens: once torch.backends.cudnn.conv.fp32_precision has been set, as the documentation recommends in place of
# allow_tf32, entering the context raises a RuntimeError about the flag that was not touched. It is entered by libraries,
# to make a part deterministic, also on machines without a GPU.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1

cat > "$folder/seen.py" <<'PYTHON'
import sys

import torch

with torch.backends.cudnn.flags(enabled=True):
    print("before: entered")
torch.backends.cudnn.conv.fp32_precision = "ieee"
try:
    with torch.backends.cudnn.flags(enabled=True):
        print("after: entered")
except RuntimeError as error:
    print(f"after: RuntimeError: {str(error)[:120]} ...")
    sys.exit(0)
sys.exit(1)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
