#!/usr/bin/env bash
# opencv-contrib-python-headless 5.0.0.93: the saliency of a photo as bytes, and of the same photo as floats.
#
# Expected: a map of the same places, up to rounding, or an error for a dtype that is not supported.
# What happens: the fine-grained map of a float image has nothing to do with that of the bytes, neither from 0 to 1 nor from 0
# to 255, and no error says so. The code of SaliencyMix' authors gives it normalised floats.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q opencv-contrib-python-headless==5.0.0.93 scikit-learn==1.9.0 pillow==13.0.0

cat > "$folder/saliency.py" <<'PYTHON'
import sys

import cv2
import numpy as np
from sklearn.datasets import load_sample_images

image = load_sample_images().images[0]
given = {"bytes": image, "0 to 1": (image / 255).astype("float32"), "0 to 255": image.astype("float32")}
find = cv2.saliency.StaticSaliencyFineGrained_create().computeSaliency
maps = {name: find(pixels)[1].ravel() for name, pixels in given.items()}
alike = {name: np.corrcoef(maps["bytes"], found)[0, 1] for name, found in maps.items()}
print({name: f"{value:.2f}" for name, value in alike.items()})
sys.exit(0 if abs(alike["0 to 1"]) < 0.5 and abs(alike["0 to 255"]) < 0.5 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/saliency.py"
