#!/usr/bin/env bash
# datasets 5.2.0: a class of images that is called train makes all other classes vanish.
#
# Expected: class folders car, plane and train (vehicles) are three classes with all of their images, as they are with
# any other third name: the folder holds no parts.
# What happens: the name of the one folder is taken for a part of the data. The split train holds the images of the
# class train alone, without a label column; those of car and plane are left out, and no warning says so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datasets==5.2.0 pillow==12.3.0

cat > "$folder/vehicles.py" <<'PYTHON'
import sys
import tempfile
import warnings
from pathlib import Path

import datasets
from PIL import Image


def found(*classes):
    """What imagefolder makes of class folders of four images each: images and classes of each split."""
    root = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    for shade, name in enumerate(classes):
        (root / name).mkdir()
        for i in range(4):
            Image.new("RGB", (8, 8), (i, shade, 0)).save(root / name / f"{i}.png")
    splits = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(root / "cache"))
    labels = {name: getattr(split.features.get("label"), "names", None) for name, split in splits.items()}
    return {name: (len(split), labels[name]) for name, split in splits.items()}


datasets.disable_progress_bars()
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    tram, train = found("car", "plane", "tram"), found("car", "plane", "train")
print(f"datasets {datasets.__version__}, four images in each of three class folders:")
print("  car, plane, tram: ", tram)
print("  car, plane, train:", train)
print("  warnings that name a folder:", [str(w.message) for w in warned if "plane" in str(w.message)])
as_found = tram == {"train": (12, ["car", "plane", "tram"])} and train == {"train": (4, None)}
sys.exit(0 if as_found else 1)
PYTHON
HF_HOME="$folder/home" "$folder/venv/bin/python" "$folder/vehicles.py" "$folder"
