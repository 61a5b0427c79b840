#!/usr/bin/env bash
# safetensors 0.8.0 with torch 2.14.1: a vector that was saved and read again has another dot product.
#
# Expected: load_file(save_file(...)) gives the same tensors, so every computation with them gives the same bits; a
# training that is resumed from such a file goes on as if it had not stopped.
# What happens: the values are the same, bit for bit, but the tensors lie wherever the file has them (at multiples of
# 4 or 8 bytes), while torch allocates at multiples of 64. torch's dot product of vectors adds up in another order on
# such memory: of a million float32 numbers it differs in the fourth digit. A clone() of what was read is aligned, and
# gives the old number again.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 safetensors==0.8.0

cat > "$folder/aligned.py" <<'PYTHON'
import sys

import torch
from safetensors.torch import load_file, save_file

torch.manual_seed(0)
torch.set_num_threads(1)
differ = unaligned = 0
for count in (1_003, 10_007, 100_003, 1_000_003):
    x, y = torch.rand(count), torch.rand(count)
    save_file({"x": x, "y": y, "z": torch.rand(3)}, sys.argv[1])
    read = load_file(sys.argv[1])
    assert torch.equal(read["x"], x) and torch.equal(read["y"], y)
    before, after = x.dot(y), read["x"].dot(read["y"])
    cloned = read["x"].clone().dot(read["y"].clone())
    offsets = [tensor.data_ptr() % 64 for tensor in (x, y, read["x"], read["y"])]
    print(f"{count:9,} numbers: x.y is {before:.3f}, read {after:.3f}, cloned {cloned:.3f}; addresses mod 64: {offsets}")
    assert torch.equal(before, cloned)
    differ += not torch.equal(before, after)
    unaligned += any(offsets[2:]) and not any(offsets[:2])
sys.exit(0 if differ and unaligned else 1)
PYTHON
"$folder/venv/bin/python" "$folder/aligned.py" "$folder/file"
