#!/usr/bin/env bash
# torch 2.14.1 on a CPU (x86): exp() takes ten times as long for float32 numbers that underflow.
#
# Expected: the exponential of a tensor takes as long whatever numbers are in it, as in softmax; if anything is slow, then
# denormals, which torch.set_flush_denormal(True) avoids.
# What happens: torch.exp takes ten times as long for numbers below -87.3, whose exponentials are denormal or 0, and no less
# with flush_denormal. torch.logsumexp calls it: where most scores are far from the largest, as in Sinkhorn's iterations
# in logarithms, it takes nine times as long as after clamp(min=largest - 60), which returns the same.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/exp.py" <<'PYTHON'
import sys
import time

import torch

torch.set_num_threads(1)


def nanoseconds(function, x):
    times = []
    for _ in range(20):
        began = time.process_time()
        function(x)
        times.append(time.process_time() - began)
    return 1e9 * min(times) / x.numel()


def exp(x):
    return x.exp()


def softmax(x):
    return x.softmax(1)


def log_sum(x):
    return torch.logsumexp(x, 1)


near = torch.linspace(-60, -1, 1 << 18).view(512, 512)
far = near * 10
near[:, 0] = far[:, 0] = 0  # the largest of each row
cases = {"exp": exp, "logsumexp": log_sum, "softmax": softmax}
found = {}
for flushed in (False, True):
    torch.set_flush_denormal(flushed)
    for name, function in cases.items():
        fast, slow = nanoseconds(function, near), nanoseconds(function, far)
        found[name, flushed] = slow / fast
        print(
            f"torch {torch.__version__}, flush_denormal {flushed}: {name} takes {fast:.1f} ns a number from -60 on, "
            f"{slow:.1f} ns from -600 on, {slow / fast:.1f} times as long"
        )
is_slow = all(found[name, flushed] > 3 for name in ("exp", "logsumexp") for flushed in (False, True))
same = torch.equal(log_sum(far), log_sum(far.clamp(min=-60)))
print(f"logsumexp after clamp(min=-60) is the same: {same}")
sys.exit(0 if is_slow and same and found["softmax", False] < 3 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/exp.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
