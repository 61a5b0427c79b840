#!/usr/bin/env bash
# timm 1.0.31: Adahessian, resumed from its state_dict, makes other steps than if it had not stopped.
#
# Expected: model, optimizer and torch's random state are saved and loaded, and the training goes on to the bit, as with
# timm's other optimizers.
# What happens: Adahessian draws its Rademacher vectors from a torch.Generator of its own, seeded by a constant. It is
# not in state_dict(), so that a resumed training draws the vectors of the first steps once more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5 timm==1.0.31

cat > "$folder/resumed.py" <<'PYTHON'
import copy
import sys

import timm
import torch
from timm.optim import create_optimizer_v2

x = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))


def made(name):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    return model, create_optimizer_v2(model, opt=name, lr=0.1)


def step(model, optimizer):
    optimizer.zero_grad()
    (model(x) ** 2).sum().backward(create_graph=True)
    optimizer.step()


def gap(name):
    """The largest difference of the weights after one more step, of a training that went on and one resumed."""
    model, optimizer = made(name)
    for _ in range(3):
        step(model, optimizer)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict())), torch.get_rng_state()
    step(model, optimizer)
    resumed, its_optimizer = made(name)
    resumed.load_state_dict(saved[0][0])
    its_optimizer.load_state_dict(saved[0][1])
    torch.set_rng_state(saved[1])
    step(resumed, its_optimizer)
    return float((resumed.weight - model.weight).abs().max())


found = {name: gap(name) for name in ("adamw", "lamb", "adahessian")}
print(f"timm {timm.__version__}: difference after one resumed step: {found}")
sys.exit(0 if found["adamw"] == found["lamb"] == 0 < found["adahessian"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/resumed.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
