#!/usr/bin/env bash
# torch 2.14.1: of modules from torch.nn that are compiled each by itself, the ninth cannot be called.
#
# Expected: torch.compile(module) makes a compiled module of its own. A script that tries ten activations (or losses, or
# pooling layers) one after the other, each compiled with fullgraph=True, compiles ten graphs.
# What happens: compiled code is cached by code object. Modules of torch.nn are called through one wrapper function of
# torch's, so they share its limit of eight (torch._dynamo.config.recompile_limit): the ninth raises
# FailOnRecompileLimitHit, although nothing was ever compiled twice. Modules of one's own, which have a forward() of
# their own, do not share a limit; nor do those of torch.nn after torch.compiler.reset().
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.3.5

cat > "$folder/activations.py" <<'PYTHON'
import sys

import torch
from torch import nn

NAMES = "ReLU GELU SiLU Tanh Sigmoid ELU Mish Softplus Hardswish CELU".split()


def own(name):
    """The same activation in a module whose forward() is compiled anew for each."""
    code = f"class Own{name}(nn.Module):\n    def forward(self, x):\n        return nn.{name}()(x)\n"
    scope = {"nn": nn}
    exec(code, scope)
    return scope[f"Own{name}"]()


def called(modules, reset=False):
    """For each module that is compiled by itself, "ok", or the error's name."""
    torch.compiler.reset()
    found = []
    for module in modules:
        if reset:
            torch.compiler.reset()
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        try:
            compiled(torch.randn(3))
            found.append("ok")
        except Exception as error:
            found.append(type(error).__name__)
    return found


builtin = called([getattr(nn, name)() for name in NAMES])
after_reset = called([getattr(nn, name)() for name in NAMES], reset=True)
of_ones_own = called([own(name) for name in NAMES])
print(f"torch {torch.__version__}, limit {torch._dynamo.config.recompile_limit}")
for title, found in (
    ("ten modules of torch.nn", builtin),
    ("the same, reset in between", after_reset),
    ("ten modules of one's own", of_ones_own),
):
    print(f"  {title:27}", " ".join(found))
expected = ["ok"] * 8 + ["FailOnRecompileLimitHit"] * 2
sys.exit(0 if builtin == expected and after_reset == of_ones_own == ["ok"] * 10 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/activations.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
