#!/usr/bin/env bash
# torch 2.14.1: of two Tensor subclasses, `a == b` asks the left one alone; every other operator asks both.
#
# Expected: torch's override protocol says that an operation asks the __torch_function__ of all subclasses among its
# arguments, one after the other, until one answers. A subclass on the right-hand side (targets that know how they are
# to be compared) is asked whatever stands on the left.
# What happens: `!=`, `<`, `+`, `-`, `*`, `@`, `&` and torch.eq ask the right one; `==` does not, if the left one is a
# subclass without an override of its own: Tensor.__eq__ of the left answers. So `(predicted == target).sum()` silently
# reads past the target's override as soon as the predictions are of another subclass (MONAI's MetaTensor, fastai's
# TensorBase).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/asked.py" <<'PYTHON'
import operator
import sys

import torch


class Plain(torch.Tensor):
    """A subclass that changes nothing."""


class Target(torch.Tensor):
    asked = False

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        Target.asked = True
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


OPERATIONS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "+": operator.add, "-": operator.sub,
    "*": operator.mul, "@": operator.matmul, "&": operator.and_, "torch.eq": torch.eq,
}  # fmt: skip
left, right = torch.ones(2, dtype=torch.long), torch.ones(2, dtype=torch.long).as_subclass(Target)
found = {}
for name, operation in OPERATIONS.items():
    asked = []
    for one in (left, left.as_subclass(Plain)):
        Target.asked = False
        operation(one, right)
        asked.append(Target.asked)
    found[name] = asked
print(f"torch {torch.__version__}; is the right one asked, beside a Tensor and beside a subclass on the left?")
for name, asked in found.items():
    print(f"  {name:9}", *asked)
expected = {name: [True, name != "=="] for name in OPERATIONS}
sys.exit(0 if found == expected else 1)
PYTHON
"$folder/venv/bin/python" "$folder/asked.py"
