#!/usr/bin/env bash
# braindecode 1.8.1: mixup_criterion reads the logits of the package's models as log-probabilities, and trains nothing.
#
# Expected: the loss that belongs to the Mixup transform fits the package's own models. They return logits, and the
# default loss of EEGClassifier is the cross-entropy.
# What happens: mixup_criterion applies no softmax. Its loss is minus the logit of the label: it falls for ever, to
# thousands below zero, and all classes' logits may rise together. The same training with a log_softmax before the
# loss tells three frequencies apart nine times in ten; without one it is no better than chance.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 torchaudio==2.11.1 braindecode==1.8.1

cat > "$folder/loss.py" <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from braindecode.augmentation import AugmentedDataLoader, Mixup
from braindecode.models import ShallowFBCSPNet
from braindecode.training import mixup_criterion
from torch.utils.data import TensorDataset


def signals(n):  # a weak sine of 6, 12 or 18 Hz in noise, two seconds of four channels
    y = torch.arange(n) % 3
    phase = 6 * torch.rand(n, 1, 1) + 2 * torch.pi * 6 * (1 + y.view(n, 1, 1)) * torch.arange(256) / 128
    return torch.randn(n, 4, 256) + 0.3 * phase.sin(), y


torch.manual_seed(1)
train, (x, y) = TensorDataset(*signals(160)), signals(300)
losses, shares = {}, {}
for name in ("as it is", "after log_softmax"):
    torch.manual_seed(0)
    model = ShallowFBCSPNet(n_chans=4, n_outputs=3, n_times=256)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    mixup = Mixup(alpha=0.4, random_state=0)
    for _ in range(15):
        for xb, yb in AugmentedDataLoader(train, transforms=[mixup], batch_size=16, shuffle=True):
            logits = model(xb)
            loss = mixup_criterion(logits if name == "as it is" else logits.log_softmax(1), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        shares[name] = float((model(x).argmax(1) == y).float().mean())
    losses[name] = loss.item()
    print(f"braindecode {version('braindecode')}: logits {name}: last loss {losses[name]:.2f}, {shares[name]:.0%} of new signals right")
sys.exit(0 if losses["as it is"] < -100 and shares["as it is"] < 0.5 and 0.75 < shares["after log_softmax"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/loss.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
