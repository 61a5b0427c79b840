#!/usr/bin/env bash
# torch 2.14.1 with onnxscript 0.7.2: log(x + 1e-8), as spectrograms and losses have it, written by torch.onnx.export.
#
# Expected: the file computes what the module does, so that log(0 + 1e-8) is about -18.42.
# What happens: the sum is left out, as if 1e-8 were zero, and the log of zero is -inf. A constant of 1e-4 stays.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 onnx==1.22.0 onnxscript==0.7.2 onnxruntime==1.28.0

cat > "$folder/log.py" <<'PYTHON'
import sys

import onnxruntime
import torch


class Log(torch.nn.Module):
    def __init__(self, least):
        super().__init__()
        self.least = least

    def forward(self, x):
        return (x + self.least).log()


def both(least):
    model, zero = Log(least).eval(), torch.zeros(2)
    program = torch.onnx.export(model, (zero,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    (name,) = (given.name for given in session.get_inputs())
    written = session.run(None, {name: zero.numpy()})[0][0]
    kinds = [node.op_type for node in program.model_proto.graph.node]
    print(f"x + {least}: torch {model(zero)[0]:.3f}, the file {written:.3f}, nodes {kinds}")
    return kinds


small, large = both(1e-8), both(1e-4)
sys.exit(0 if small == ["Log"] and large == ["Add", "Log"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/log.py"
