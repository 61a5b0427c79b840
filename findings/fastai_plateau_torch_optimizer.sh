#!/usr/bin/env bash
# fastai 2.8.12: ReduceLROnPlateau lowers nothing where the optimizer is one of torch's.
#
# Expected: with opt_func=partial(OptimWrapper, opt=torch.optim.SGD), the documented way to use an optimizer of torch's,
# the callback lowers the rate as it does for fastai's own SGD.
# What happens: nothing is lowered, and nothing is said; torch's optimizer goes on with the rate that it had.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/plateau.py" <<'PYTHON'
import sys
from functools import partial

import fastai
import fastai.vision.all as f
import torch

x, y = torch.randn(32, 2), torch.arange(32) % 2
samples = torch.utils.data.TensorDataset(x, y)


def rate_in_the_end(opt_func):
    """After three epochs, none of which counts as better than the one before."""
    dls = f.DataLoaders(*[f.DataLoader(samples, bs=8)] * 2)
    network, loss = torch.nn.Linear(2, 2), torch.nn.CrossEntropyLoss()
    learn = f.Learner(dls, network, loss, opt_func=opt_func)
    with learn.no_bar():
        learn.fit(3, 1e-2, cbs=f.ReduceLROnPlateau(patience=1, min_delta=9.0))
    groups = learn.opt.opt.param_groups if hasattr(learn.opt, "opt") else learn.opt.hypers
    return groups[-1]["lr"]


own, torchs = rate_in_the_end(f.SGD), rate_in_the_end(partial(f.OptimWrapper, opt=torch.optim.SGD))
print(f"fastai {fastai.__version__}: the rate began at 0.01; in the end it is {own:g} with fastai's SGD,")
print(f"and {torchs:g} with torch's")
sys.exit(0 if own < 0.01 and torchs == 0.01 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/plateau.py"
