#!/usr/bin/env bash
# fastai 2.8.12: weights that are frozen after a training go on decaying.
#
# Expected: after learn.freeze() a training leaves the weights of the body as they are.
# What happens: the optimizer of the training before is kept. Its zero_grad leaves gradients of zero, not None, so the
# frozen weights are stepped with the rest: by weight decay, and with Adam by the momentum that is left, too. A wd of 0.3
# at a rate of 0.1 takes a factor of 0.97 a step.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/freeze.py" <<'PYTHON'
import sys

import fastai
import fastai.vision.all as f
import torch

torch.manual_seed(0)
x = torch.randn(40, 4)
y = (x[:, 0] > 0).long()
batches = f.DataLoader(list(zip(x, y)), bs=10)


def groups(network):
    return [list(layer.parameters()) for layer in network]


def left(trains_before):
    """What four steps with a frozen body leave of its weights."""
    body, head = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)
    learn = f.Learner(
        f.DataLoaders(batches, batches), torch.nn.Sequential(body, head),
        torch.nn.CrossEntropyLoss(), opt_func=f.SGD, wd=0.3, moms=(0.0, 0.0, 0.0), splitter=groups,
    )
    with learn.no_bar(), learn.no_logging():
        if trains_before:
            learn.fit(1, 0.1)
        learn.freeze()
        before = body.weight.detach().clone()
        learn.fit(1, 0.1)
    assert not body.weight.requires_grad
    return (body.weight / before).mean().item()


fresh, after = left(False), left(True)
print(f"fastai {fastai.__version__}: of a frozen body's weights four steps leave {fresh:.4f} in the first training,")
print(f"and {after:.4f} where another training came before; (1 - 0.1 * 0.3)^4 = {0.97**4:.4f}")
sys.exit(0 if abs(fresh - 1) < 1e-6 and abs(after - 0.97**4) < 1e-4 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/freeze.py"
