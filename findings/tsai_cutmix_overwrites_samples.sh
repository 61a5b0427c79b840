#!/usr/bin/env bash
# tsai 1.0.1: without shuffling, CutMix1d overwrites the stored training samples, epoch after epoch.
#
# Expected: a callback that augments batches leaves the data set as it is, as MixUp1d does, and as CutMix1d does with
# shuffle_train=True.
# What happens: with shuffle_train=False a batch is a slice of the stored samples, in the same memory. CutMix1d pastes
# into it, and the next epoch starts from mixed samples, whose labels are still those of the originals.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 fastai==2.8.12 tsai==1.0.1

cat > "$folder/samples.py" <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
import torch
from fastai.losses import CrossEntropyLossFlat
from torch import nn
from tsai.data.core import TSClassification, get_ts_dls
from tsai.data.mixed_augmentation import CutMix1d, MixUp1d
from tsai.learner import ts_learner

x = np.repeat(np.arange(64, dtype=np.float32)[:, None, None], 20, axis=2)  # series i holds i
splits = list(range(48)), list(range(48, 64))
changed = {}
for callback in (MixUp1d, CutMix1d):
    for shuffle in (True, False):
        torch.manual_seed(0)
        dls = get_ts_dls(
            x.copy(), np.arange(64) % 2, splits=splits, tfms=[None, TSClassification()], bs=16, shuffle_train=shuffle
        )
        model = nn.Sequential(nn.Flatten(), nn.Linear(20, 2))
        learn = ts_learner(dls, model, loss_func=CrossEntropyLossFlat(), cbs=callback(), seed=0)
        before = np.array(dls.train.dataset[:][0])
        with learn.no_bar(), learn.no_logging():
            learn.fit(3, 1e-3)
        after = np.array(dls.train.dataset[:][0])
        changed[callback.__name__, shuffle] = share = float((before != after).mean())
        print(f"tsai {version('tsai')}: {callback.__name__}, shuffle_train={shuffle}: {share:.0%} of the stored values changed")
others = [share for setting, share in changed.items() if setting != ("CutMix1d", False)]
sys.exit(0 if changed["CutMix1d", False] > 0.2 and not any(others) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/samples.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
