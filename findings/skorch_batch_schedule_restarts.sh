#!/usr/bin/env bash
# skorch 1.4.0: LRScheduler(step_every="batch") takes the number of epochs for its step when a training goes on.
#
# Expected: two calls of partial_fit with two epochs each have the learning rates of one call with four, as they do if
# the scheduler steps once an epoch.
# What happens: the new scheduler starts at the number of past epochs, though it counts batches. After ten batches (two
# epochs) a rate of 1 / (1 + batch) starts again at 1 / 3 of the first, where 1 / 11 is next.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 scikit-learn==1.9.1 skorch==1.4.0

cat > "$folder/rates.py" <<'PYTHON'
import sys

import skorch
import torch
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import LambdaLR

torch.manual_seed(0)
x = torch.randn(40, 3)
rates = {}
for every in ("epoch", "batch"):
    for calls in ([4], [2, 2]):
        scheduler = LRScheduler(LambdaLR, lr_lambda=lambda step: 1 / (1 + step), step_every=every)
        net = skorch.NeuralNet(
            torch.nn.Linear, torch.nn.MSELoss, module__in_features=3, module__out_features=1, lr=1.0, batch_size=8,
            train_split=None, verbose=0, callbacks=[scheduler],
        )  # fmt: skip
        net.initialize()
        for epochs in calls:
            net.partial_fit(x, x[:, :1], epochs=epochs)
        rows = net.history if every == "epoch" else [batch for row in net.history for batch in row["batches"]]
        rates[every, len(calls)] = [round(row["event_lr"], 3) for row in rows]
        print(f"skorch {skorch.__version__}, a step every {every}, epochs {calls}: {rates[every, len(calls)]}")
one, two = rates["batch", 1], rates["batch", 2]
is_same = rates["epoch", 1] == rates["epoch", 2] and one[:10] == two[:10] and (one[10], two[10]) == (0.091, 0.333)
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/rates.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
