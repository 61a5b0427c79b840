#!/usr/bin/env bash
# AlbumentationsX 2.5.1: CopyAndPaste keeps the mask and the box of a pasted object that the next one hides.
#
# Expected: objects that pasted ones hide are removed from the annotations (min_visibility_after_paste=0.05), and the
# masks of objects that are hidden in part lose those pixels.
# What happens: that is done for the objects of the image only, not for those pasted before. Of two pasted objects the
# second covers everything; nothing of the first is to be seen, but its class, box and mask of 900 pixels are returned.
# The image's own object, just as hidden, is removed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.14.1 albumentationsx==2.5.1 opencv-python-headless==5.0.0.93 numpy==2.3.5

cat > "$folder/hidden.py" <<'PYTHON'
import sys

import albumentations as A
import numpy as np


def item(side, grey, label):  # an object that fills its image
    image = np.full((side, side, 3), grey, np.uint8)
    return {"image": image, "mask": np.ones((side, side), np.uint8), "bbox_labels": {"label": label}}


own = np.zeros((1, 64, 64), np.uint8)
own[0, 10:20, 10:20] = 1
paste = A.Compose(
    [A.CopyAndPaste(p=1.0)], bbox_params=A.BboxParams(coord_format="pascal_voc", label_fields=["label"]), seed=0
)
seen = paste(
    image=np.full((64, 64, 3), 50, np.uint8),
    masks=own,
    bboxes=np.array([[10.0, 10.0, 20.0, 20.0]]),
    label=["own"],
    copy_paste_metadata=[item(30, 100, "first"), item(64, 200, "second")],
)
print(f"AlbumentationsX {A.__version__}: the image holds the grey levels {np.unique(seen['image']).tolist()}")
for label, box, mask in zip(seen["label"], seen["bboxes"], seen["masks"]):
    print(f"{label}: box {box.tolist()}, mask of {int(mask.sum())} pixels")
same = seen["label"] == ["first", "second"] and [int(m.sum()) for m in seen["masks"]] == [900, 4096]
sys.exit(0 if same and (seen["image"] == 200).all() else 1)
PYTHON
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" "$folder/hidden.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
