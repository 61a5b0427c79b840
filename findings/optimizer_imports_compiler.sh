#!/usr/bin/env bash
# torch 2.14.1: the first step of any optimizer imports the compiler, also where nothing is compiled.
#
# Expected: a training in eager mode does without torch.compile's modules, as `import torch` does.
# What happens: the constructor of torch.optim.AdamW, and its step again, import torch._dynamo, which brings a thousand
# modules or more, SymPy among them, and takes nearly the time of `import torch`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 numpy==2.4.1

cat > "$folder/step.py" <<'PYTHON'
import sys
import time

start = time.process_time()
import torch

imported, before = time.process_time() - start, set(sys.modules)
network = torch.nn.Linear(2, 2)
network(torch.ones(1, 2)).sum().backward()
has_compiler = ["torch._dynamo" in sys.modules]
start = time.process_time()
optimizer = torch.optim.AdamW(network.parameters())
has_compiler.append("torch._dynamo" in sys.modules)
optimizer.step()
stepped = time.process_time() - start
more = len(set(sys.modules) - before)
print(f"torch {torch.__version__}: import torch {imported:.2f} s of processor")
print(f"an optimizer and its first step {stepped:.2f} s, {more} modules, sympy: {'sympy' in sys.modules}")
print(f"compiler before the optimizer: {has_compiler[0]}, after its constructor: {has_compiler[1]}")
sys.exit(0 if has_compiler == [False, True] and "sympy" in sys.modules and more > 300 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/step.py"
