#!/usr/bin/env bash
# tensordict 0.15.3: a TensorDict is a Mapping, but iterating over it gives its rows, and len() their number.
#
# Expected: isinstance(batch, collections.abc.Mapping) means that iterating gives keys: dict(batch), {**batch},
# `for key in batch: batch[key]` and len(batch) work as for a dict. Code that handles batches of dicts relies on it.
# What happens: iteration gives TensorDicts, one for each row. With as many rows as keys not even a count tells.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 tensordict==0.15.3

cat > "$folder/rows.py" <<'PYTHON'
import sys
from collections.abc import Mapping

import tensordict
import torch
from tensordict import TensorDict

batch = TensorDict({"image": torch.rand(2, 3), "label": torch.arange(2)}, batch_size=[2])
found = (isinstance(batch, Mapping), [type(key).__name__ for key in batch], list(batch.keys()), len(batch))
print(f"tensordict {tensordict.__version__}: Mapping {found[0]}, iterated {found[1]}, keys() {found[2]}, len() {found[3]}")
sys.exit(0 if found == (True, ["TensorDict"] * 2, ["image", "label"], 2) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/rows.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
