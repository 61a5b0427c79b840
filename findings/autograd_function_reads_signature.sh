#!/usr/bin/env bash
# torch 2.14.1: an autograd.Function with a setup_context reads the signature of its forward again at every call.
#
# Expected: both forms of torch.autograd.Function cost about the same; what a signature says is read once.
# What happens: apply() calls inspect.signature and binds the arguments each time, in eager mode and without torch.func.
# On small tensors, a call takes several times as long as with forward(ctx, ...), the form that torch.func cannot use.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.4.1

cat > "$folder/calls.py" <<'PYTHON'
import inspect
import statistics
import sys
import time

import torch


class Together(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


class Apart(torch.autograd.Function):
    @staticmethod
    def forward(x, factor):
        return x * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.factor = inputs

    backward = Together.backward


def calls(function, x, count=2000):
    start = time.process_time()
    for _ in range(count):
        function.apply(x, 2.0)
    return (time.process_time() - start) / count * 1e6


torch.set_num_threads(1)
x, read = torch.ones(8, requires_grad=True), inspect.signature
counts = {}
for function in (Together, Apart):
    seen = []
    inspect.signature = lambda *args, **given: (seen.append(1), read(*args, **given))[1]
    for _ in range(100):
        function.apply(x, 2.0)
    inspect.signature = read
    counts[function.__name__] = len(seen)
times = [(calls(Together, x), calls(Apart, x)) for _ in range(7)]
together, apart = (statistics.median(each) for each in zip(*times))
print(f"torch {torch.__version__}: signatures read in 100 calls: {counts}")
print(f"a call: {together:.1f} microseconds with forward(ctx, ...), {apart:.1f} with setup_context")
sys.exit(0 if counts == {"Together": 0, "Apart": 100} and apart > 1.5 * together else 1)
PYTHON
"$folder/venv/bin/python" "$folder/calls.py"
