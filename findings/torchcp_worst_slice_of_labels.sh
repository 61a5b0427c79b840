#!/usr/bin/env bash
# torchcp 1.2.1: the worst-slice coverage (WSC) is that of the slice with the smallest class numbers.
#
# Expected: WSC looks for the slice of the input space in which the fewest prediction sets hold the label. Other numbers
# for the same classes change nothing.
# What happens: the class numbers are handed to the search in place of whether labels are covered. Here no set is right
# in a fifth of the space, which is easily found, and the result is 0.87; with the classes numbered backwards, 0.54.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 scikit-learn==1.9.1 tqdm==4.70.1
"$folder/venv/bin/pip" install -q --no-deps torchcp==1.2.1  # graphs and texts need a compiler and much more

cat > "$folder/slices.py" <<'PYTHON'
import sys
import types
from importlib.metadata import distribution
from pathlib import Path

import torch

# Only this module, as the whole package imports graphs and language models.
torchcp = distribution("torchcp")
for name in ("torchcp", "torchcp.classification", "torchcp.classification.utils"):
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = [str(Path(torchcp.locate_file(name.replace(".", "/"))))]
from torchcp.classification.utils.metrics import WSC  # noqa: E402

torch.manual_seed(0)
x = 2 * torch.rand(2000, 2) - 1
labels = torch.randint(0, 3, (2000,))
sets = torch.zeros(2000, 3, dtype=torch.bool)
sets[torch.arange(2000), labels] = x[:, 0] < 0.6  # beyond it, no set is right
found = {}
for order in ([0, 1, 2], [2, 1, 0]):
    found[tuple(order)] = WSC(x, sets[:, order], torch.tensor(order)[labels], delta=0.1, M=200)
    print(f"torchcp {torchcp.version}, classes numbered {order}: a worst-slice coverage of {found[tuple(order)]:.2f}")
sys.exit(0 if all(value > 0.4 for value in found.values()) and len({round(v, 1) for v in found.values()}) == 2 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/slices.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
