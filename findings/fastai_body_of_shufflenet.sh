#!/usr/bin/env bash
# fastai 2.8.12: vision_learner keeps the first two layers of torchvision's ShuffleNet and drops the rest.
#
# Expected: create_body, by which vision_learner takes the classifier off a network, keeps all layers before the last
# pooling.
# What happens: it cuts at the last child that has a pooling layer by itself or inside. ShuffleNet ends with a mean in its
# forward method, so the only such child is the max-pooling after the first convolution: 696 of 1,366,792 parameters are
# left, without a warning, and a training "works".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1 torchvision==0.29.1

cat > "$folder/body.py" <<'PYTHON'
import sys

import fastai
import torch
import torchvision
from fastai.vision.all import create_body


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


network = torchvision.models.shufflenet_v2_x0_5()
total, classifier = count(network), count(network.fc)
body = create_body(network, pretrained=False)
channels = body(torch.zeros(1, 3, 224, 224)).shape[1]
print(f"fastai {fastai.__version__}, torchvision {torchvision.__version__}: shufflenet_v2_x0_5 has {total:,} parameters,")
print(f"{classifier:,} of them in its classifier; its body has {count(body):,} and {channels} channels")
sys.exit(0 if (total, count(body), channels) == (1_366_792, 696, 24) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/body.py"
