#!/usr/bin/env bash
# fastai 2.8.12: a mask with a palette, the format of Pascal VOC, loses its classes.
#
# Expected: PILMask.create, which MaskBlock reads masks by, gives the number that is stored for each pixel: its class.
# What happens: the palette's colours are turned into grey, and their brightness is taken for the class: 0, 1, 2 of VOC's
# palette become 0, 38, 75, which is beyond the number of classes, or, where there are as many, another class in silence.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/mask.py" <<'PYTHON'
import sys
from pathlib import Path

import fastai
import numpy as np
from fastai.vision.all import PILMask
from PIL import Image

file = Path(sys.argv[1], "mask.png")
mask = Image.new("P", (3, 1))
mask.putdata([0, 1, 2])  # background, aeroplane, bicycle
mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
mask.save(file)
stored, read = np.array(Image.open(file))[0].tolist(), np.array(PILMask.create(file))[0].tolist()
print(f"fastai {fastai.__version__}: the file stores the classes {stored}, PILMask reads {read}")
sys.exit(0 if stored == [0, 1, 2] and read == [0, 38, 75] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/mask.py" "$folder"
