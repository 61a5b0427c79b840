#!/usr/bin/env bash
# torch 2.14.1: torch.export drops a Tensor subclass's override of F.cross_entropy, unless strict=True.
#
# Expected: an exported module computes what the module computes: torch.export.export(module, (x, y)) with a y whose
# class overrides F.cross_entropy either exports the overridden loss, or says that it cannot.
# What happens: the default (strict=False) exports the plain loss without a word; the exported program, called with
# the very arguments that it was made from, returns another number than the module. strict=True, torch.compile and
# eager agree.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/exported.py" <<'PYTHON'
import sys

import torch
import torch.nn.functional as F


class Doubling(torch.Tensor):
    """Doubles the cross-entropy that is computed with it."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
            return 2 * result if func is F.cross_entropy else result


class Loss(torch.nn.Module):
    def forward(self, scores, classes):
        return F.cross_entropy(scores, classes)


torch.manual_seed(0)
scores, classes = torch.randn(2, 3), torch.tensor([0, 1]).as_subclass(Doubling)
eager = float(Loss()(scores, classes))
plain = float(F.cross_entropy(scores, classes.as_subclass(torch.Tensor)))
found = {
    "compiled": torch.compile(Loss(), backend="eager")(scores, classes),
    "exported, strict=True": torch.export.export(Loss(), (scores, classes), strict=True).module()(scores, classes),
    "exported": torch.export.export(Loss(), (scores, classes)).module()(scores, classes),
}
found = {name: round(float(value) / eager, 3) for name, value in found.items()}
print(f"torch {torch.__version__}: eager {eager:.4f}, plain {plain:.4f}; as a multiple of eager: {found}")
sys.exit(0 if found == {"compiled": 1.0, "exported, strict=True": 1.0, "exported": 0.5} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/exported.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
