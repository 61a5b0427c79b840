#!/usr/bin/env bash
# torchcp 1.2.1: the scores of Margin("identity") write -1 over the probabilities that they are computed from.
#
# Expected: a score reads what it is given. Calibrating twice on the same probabilities gives the same threshold.
# What happens: to leave out the probability of each label, -1 is written into the caller's tensor. A second call, and
# whatever is computed from the probabilities afterwards, finds no label with any probability.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5
"$folder/venv/bin/pip" install -q --no-deps torchcp==1.2.1  # graphs and texts need a compiler and much more

cat > "$folder/margin.py" <<'PYTHON'
import sys
import types
from importlib.metadata import distribution
from pathlib import Path

import torch

# Only these modules, as the whole package imports graphs and language models.
torchcp = distribution("torchcp")
for name in ("torchcp", "torchcp.classification", "torchcp.classification.score"):
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = [str(Path(torchcp.locate_file(name.replace(".", "/"))))]
from torchcp.classification.score.lac import LAC  # noqa: E402
from torchcp.classification.score.margin import Margin  # noqa: E402

torch.manual_seed(0)
labels = torch.randint(0, 5, (1000,))
changed, thresholds = {}, {}
for score in (LAC, Margin):
    probabilities = torch.softmax(2 * torch.eye(5)[labels] + torch.randn(1000, 5), dim=1)
    before = probabilities.clone()
    scores = score("identity")
    thresholds[score.__name__] = [scores(probabilities, labels).quantile(0.9).item() for _ in range(2)]
    changed[score.__name__] = int((probabilities != before).any(dim=1).sum())
    first, second = thresholds[score.__name__]
    print(
        f"torchcp {torchcp.version}, {score.__name__}: the threshold is {first:.2f}, and {second:.2f} once more; "
        f"{changed[score.__name__]} of 1,000 rows have changed"
    )
is_same = thresholds["LAC"][0] == thresholds["LAC"][1] and thresholds["Margin"][1] > thresholds["Margin"][0] + 0.5
sys.exit(0 if is_same and changed == {"LAC": 0, "Margin": 1000} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/margin.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
