#!/usr/bin/env bash
# fastai 2.8.12: GradientAccumulation multiplies the gradient where a batch already has n_acc samples or more.
#
# Expected: the callback accumulates until n_acc samples have been seen, and then steps by the mean gradient; where every
# batch has as many, it changes nothing.
# What happens: the loss is multiplied by bs / n_acc, so a batch of 32 with n_acc=8 is stepped by four times its gradient,
# and the defaults (n_acc=32 and batches of 64) train with twice the gradient. Adam hides it from the rate, not from the
# weight decay and from clipped gradients; SGD shows it at once.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/step.py" <<'PYTHON'
import sys

import fastai
import fastai.vision.all as f
import torch

torch.manual_seed(0)
x, y = torch.randn(32, 2), torch.arange(32) % 2
samples = torch.utils.data.TensorDataset(x, y)


def length_of_step(*callbacks):
    """Of one batch of 32, by SGD with a rate of 1."""
    torch.manual_seed(0)
    network = torch.nn.Linear(2, 2)
    before = network.weight.detach().clone()
    dls = f.DataLoaders(*[f.DataLoader(samples, bs=32)] * 2)
    learn = f.Learner(dls, network, torch.nn.CrossEntropyLoss(), opt_func=f.SGD, cbs=list(callbacks))
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 1.0, wd=0.0)
    return (network.weight - before).norm().item()


plain = length_of_step()
ratios = {n: length_of_step(f.GradientAccumulation(n)) / plain for n in (32, 16, 8)}
print(f"fastai {fastai.__version__}, one step of a batch of 32, in units of the step without the callback:")
for n, ratio in ratios.items():
    print(f"GradientAccumulation({n}): {ratio:.3f}")
expected = {32: 1.0, 16: 2.0, 8: 4.0}
sys.exit(0 if all(abs(ratios[n] - expected[n]) < 0.01 for n in expected) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/step.py"
