#!/usr/bin/env bash
# datasets 5.2.0: of images in CLASS/train and CLASS/test, the classes are lost, and the labels are None or the part.
#
# Expected: cat/train, cat/test, dog/train and dog/test give the splits train and test with the labels cat and dog, as
# train/cat, train/dog, test/cat and test/dog do.
# What happens: the images are in the right splits. But the innermost folders are also taken for the labels, so that
# their names are test and train; every label of the split test is test, and every label of the split train is None.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datasets==5.2.0 pillow==12.3.0

cat > "$folder/first.py" <<'PYTHON'
import sys
import tempfile
from pathlib import Path

import datasets
from PIL import Image


def found(*folders):
    """What imagefolder makes of folders of four images each: classes of each split, and the labels that occur."""
    root = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    for shade, name in enumerate(folders):
        (root / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (i, shade, 0)).save(root / name / f"{i}.png")
    splits = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(root / "cache"))
    return {
        name: (split.features["label"].names, sorted(set(split["label"]))) for name, split in splits.items()
    }


datasets.disable_progress_bars()
part_first = found("train/cat", "train/dog", "test/cat", "test/dog")
class_first = found("cat/train", "dog/train", "cat/test", "dog/test")
print(f"datasets {datasets.__version__}, four images in each of four folders:")
print("  train/cat, train/dog, test/cat, test/dog:", part_first)
print("  cat/train, dog/train, cat/test, dog/test:", class_first)
classes = ["cat", "dog"]
usual = part_first == {"train": (classes, [0, 1]), "test": (classes, [0, 1])}
parts = ["test", "train"]
as_found = class_first == {"train": (parts, [None]), "test": (parts, [0])}
sys.exit(0 if as_found and usual else 1)
PYTHON
HF_HOME="$folder/home" "$folder/venv/bin/python" "$folder/first.py" "$folder"
