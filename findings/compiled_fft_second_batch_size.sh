#!/usr/bin/env bash
# torch 2.6.0: a compiled Fourier transform works for the first batch size, and raises at the second.
#
# Expected: torch.compile(fullgraph=True) accepts torch.fft.rfft, so a step that compiles in the first batch of an
# epoch also runs in the last one, which is shorter.
# What happens: the first size compiles with constants. At the second one, torch makes the batch dimension symbolic and
# traces anew, where it has no shape rule for aten._fft_r2c: Unsupported is raised in the middle of the training.
# torch.compile(dynamic=False), one compilation for each size, works. So does torch 2.14.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.6.0 numpy==2.1.3

cat > "$folder/sizes.py" <<'PYTHON'
import sys

import torch


def attempt(**options):
    """What a compiled rfft gives for batches of 4, 4 and 3 rows: "ok", or the error's name."""
    torch._dynamo.reset()
    compiled = torch.compile(torch.fft.rfft, backend="eager", fullgraph=True, **options)
    found = []
    for rows in (4, 4, 3):
        try:
            compiled(torch.randn(rows, 16))
            found.append("ok")
        except Exception as error:
            found.append(f"{type(error).__name__}: {str(error).splitlines()[0][:60]}")
    return found


usual, static = attempt(), attempt(dynamic=False)
print(f"torch {torch.__version__}, batches of 4, 4 and 3 rows:")
print("  torch.compile(rfft):                ", usual)
print("  torch.compile(rfft, dynamic=False): ", static)
as_found = usual[:2] == ["ok", "ok"] and usual[2].startswith("Unsupported: unsupported operator: aten._fft_r2c")
sys.exit(0 if as_found and static == ["ok"] * 3 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/sizes.py"
