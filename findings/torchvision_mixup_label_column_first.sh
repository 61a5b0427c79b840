#!/usr/bin/env bash
# torchvision 0.29.1 with datasets 5.2.0: MixUp mixes the labels of a batch but not its images, if the labels come first.
#
# Expected: v2.MixUp finds the labels of a batch (a dictionary) by their name, and mixes them and the images, in
# whichever order they are.
# What happens: it takes the first plain tensor for the images, even if that is the very one which it takes for the
# labels. The images come back as they were, with mixed labels and without a warning. datasets brings the columns into
# this order if `map` replaces "image" by "pixel_values", because a new column is the last.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torchvision==0.29.1 torch==2.14.1 numpy==2.3.5 datasets==5.2.0

cat > "$folder/order.py" <<'PYTHON'
import sys

import datasets
import numpy as np
import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision.transforms import v2

images = [np.full((3, 8, 8), i, np.float32) for i in range(8)]
table = datasets.Dataset.from_dict({"image": images, "label": list(range(8))})
table = table.map(lambda row: {"pixel_values": row["image"]}, remove_columns=["image"]).with_format("torch")
batch = next(iter(DataLoader(table, batch_size=8)))
turned = {name: batch[name] for name in ("pixel_values", "label")}
print(f"torchvision {torchvision.__version__}, datasets {datasets.__version__}")
kept = []
for given in (batch, turned):
    torch.manual_seed(0)
    mixed = v2.MixUp(num_classes=8)(given)
    kept.append(torch.equal(mixed["pixel_values"], batch["pixel_values"]))
    weight = float(mixed["label"][0, 0])
    print(f"{list(given)}: own label weighs {weight:.3f}, images are {'not ' if kept[-1] else ''}mixed")
    assert 0.01 < weight < 0.99
sys.exit(0 if kept == [True, False] else 1)
PYTHON
HF_HOME="$folder/home" "$folder/venv/bin/python" "$folder/order.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
