#!/usr/bin/env bash
# timm 1.0.31 with safetensors 0.8.0: models.save_for_hf of a model in channels_last, the layout that trains faster.
#
# Expected: the folder for the hub is written; torch.save and safetensors.torch.save_model take such a model.
# What happens: a ValueError about tensors that are not contiguous, and the folder stays empty. The same model in the
# usual layout is written.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q timm==1.0.31 torch==2.14.1 safetensors==0.8.0 huggingface-hub

cat > "$folder/seen.py" <<'PYTHON'
import os
import sys

import timm
import torch
from timm.models import save_for_hf

model = timm.create_model("resnet10t", pretrained=False, num_classes=3)
save_for_hf(model, "usual", safe_serialization=True)
print(f"usual layout: {sorted(os.listdir('usual'))}")
try:
    save_for_hf(model.to(memory_format=torch.channels_last), "last", safe_serialization=True)
except ValueError as error:
    print(f"channels_last: ValueError: {str(error)[:100]}; {sorted(os.listdir('last'))}")
    sys.exit(0)
sys.exit(1)
PYTHON
cd "$folder"
venv/bin/python seen.py
