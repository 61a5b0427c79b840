#!/usr/bin/env bash
# torch 2.14.1: a graph break inside of __torch_function__ makes the compiled call run the override twice.
#
# Expected: a Tensor subclass that overrides some functions, and calls the original with overrides disabled
# (torch._C.DisableTorchFunctionSubclass, or super().__torch_function__), gives the same numbers whether the function
# that calls it is compiled or not. A graph break costs speed, and nothing else.
# What happens: without a graph break eager and compiled agree. With one before the original is called, the override
# is applied a second time inside of the block that disables it: a subclass that doubles a loss gives four times the
# loss. No warning, and no error.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/twice.py" <<'PYTHON'
import sys

import torch
import torch.nn.functional as F

DOUBLED = (F.mse_loss, F.cross_entropy, torch.exp)


class Doubling(torch.Tensor):
    breaks = False

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if cls.breaks:
            torch._dynamo.graph_break()
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
            return 2 * result if func in DOUBLED else result


class DoublingWithBreak(Doubling):
    breaks = True


def ratio(function, *arguments):
    """The compiled result as a multiple of the eager one."""
    torch.compiler.reset()

    def step(*arguments):
        return function(*arguments)

    with torch.no_grad():
        eager = step(*arguments)
        compiled = torch.compile(step, backend="eager")(*arguments)
        return round(float(compiled.flatten()[0]) / float(eager.flatten()[0]), 3)


torch.manual_seed(0)
scores, values = torch.randn(2, 3), torch.randn(2, 3)
classes = torch.tensor([0, 1])
found = {}
for kind in (Doubling, DoublingWithBreak):
    found[kind.__name__] = [
        ratio(F.mse_loss, scores, values.as_subclass(kind)),
        ratio(F.cross_entropy, scores, classes.as_subclass(kind)),
        ratio(torch.exp, values.as_subclass(kind)),
    ]
    print(f"torch {torch.__version__}, {kind.__name__}: compiled / eager", found[kind.__name__])
sys.exit(0 if found == {"Doubling": [1.0] * 3, "DoublingWithBreak": [2.0] * 3} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/twice.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
