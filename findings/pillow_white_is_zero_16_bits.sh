#!/usr/bin/env bash
# Pillow 13.0.0: a greyscale TIFF in which white is zero is read as a negative at 16 bits, though not at 8.
#
# Expected: where the tag PhotometricInterpretation (262) of a TIFF is 0, WhiteIsZero, the smallest number is white. Pillow
# inverts such images of 8 bits on reading, so that 0 is black, as in all of its images.
# What happens: images of 16 bits with the same tag come as they are stored. The mode I;16 is the same with both tags, so
# that what scanners and X-ray machines write so is seen as a negative, unless tag_v2[262] is looked at.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0 numpy==2.3.5

cat > "$folder/white.py" <<'PYTHON'
import io
import struct
import sys

import numpy as np
import PIL
from PIL import Image


def tiff(pixels, photometric):
    """An uncompressed TIFF of one greyscale strip; the tags before it say how to read it."""
    (height, width), data = pixels.shape, pixels.tobytes()
    tags = [(256, width), (257, height), (258, 8 * pixels.itemsize), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, height), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return io.BytesIO(start + data + struct.pack("<H", len(tags)) + entries + bytes(4))


found = {}
for dtype in ("uint8", "uint16"):
    stored = np.array([[0, np.iinfo(dtype).max]], dtype)
    for photometric in (1, 0):
        image = Image.open(tiff(stored, photometric))
        found[dtype, photometric] = np.asarray(image).tolist()
        name = "BlackIsZero" if photometric else "WhiteIsZero"
        print(f"Pillow {PIL.__version__}, {dtype}, {name}: stored {stored.tolist()}, read {found[dtype, photometric]}, {image.mode}")
as_found = found["uint8", 1] == [[0, 255]] and found["uint8", 0] == [[255, 0]]
as_found = as_found and found["uint16", 1] == found["uint16", 0] == [[0, 65535]]
sys.exit(0 if as_found else 1)
PYTHON
"$folder/venv/bin/python" "$folder/white.py"
