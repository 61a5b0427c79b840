#!/usr/bin/env bash
# Pillow 13.0.0: a mask whose palette has colours for its classes, and none for 255, which many use for "ignore".
#
# Expected: a PNG keeps the indices of its pixels, or cannot be saved.
# What happens: the index 255 is saved as 3, the next after a palette of three colours: an ignored pixel becomes a class.
# With a palette of 256 colours it stays.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0 numpy

cat > "$folder/palette.py" <<'PYTHON'
import io
import sys

import numpy as np
import PIL
from PIL import Image

mask = np.array([[0, 1, 2, 255]], dtype=np.uint8)
found = {}
for colours in (3, 256):
    image = Image.fromarray(mask)
    image.putpalette([10 * n % 256 for n in range(3 * colours)])
    file = io.BytesIO()
    image.save(file, "PNG")
    found[colours] = np.asarray(Image.open(file)).tolist()
    print(f"Pillow {PIL.__version__}, palette of {colours} colours: {mask.tolist()} is read as {found[colours]}")
sys.exit(0 if found == {3: [[0, 1, 2, 3]], 256: [[0, 1, 2, 255]]} else 1)
PYTHON
"$folder/venv/bin/python" "$folder/palette.py"
