#!/usr/bin/env bash
# pillow-heif 1.8.1: opening a HEIC turns the image upright and sets the orientation in its EXIF data to 1.
#
# Expected: the orientation of EXIF is what the file holds, as for JPEG: Image.open leaves pixels and tags alone, and
# ImageOps.exif_transpose turns the image.
# What happens: the image is already upright, and getexif() says 1; what the file holds is in info["original_orientation"].
# Code that reads the orientation from the file by other means, and turns the image by it, turns it twice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0 pillow-heif==1.8.1

cat > "$folder/orientation.py" <<'PYTHON'
import io
import sys

import PIL
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
ORIENTATION = 0x0112
exif = Image.Exif()
exif[ORIENTATION] = 6  # the camera was held on its side
found = {}
for kind in ("JPEG", "HEIF"):
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, kind, exif=exif.tobytes())
    opened = Image.open(file)
    found[kind] = opened.size, opened.getexif()[ORIENTATION], opened.info.get("original_orientation")
print(f"pillow-heif {pillow_heif.__version__}, Pillow {PIL.__version__}, saved 64 x 32 with orientation 6")
print("size, orientation, original_orientation:", found)
as_found = found == {"JPEG": ((64, 32), 6, None), "HEIF": ((32, 64), 1, 6)}
sys.exit(0 if as_found else 1)
PYTHON
"$folder/venv/bin/python" "$folder/orientation.py"
