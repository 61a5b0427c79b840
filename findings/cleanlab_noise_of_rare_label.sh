#!/usr/bin/env bash
# cleanlab 2.9.0: rank_classes_by_multilabel_quality divides the label issues of a class by the size of the dataset.
#
# Expected: "Label Noise" is the share of the class's own examples that are mislabeled, as its documentation says, and
# the classes with the worst labels come first.
# What happens: it is the share of all examples. Of a rare class, half of whose labels are wrong, 99% are said to be
# right, and it is ranked behind a frequent class a tenth of whose labels is wrong.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.3.5 scikit-learn==1.9.1 pandas==3.1.1 cleanlab==2.9.0

cat > "$folder/rare.py" <<'PYTHON'
import sys

import cleanlab
import numpy as np
from cleanlab.multilabel_classification.dataset import rank_classes_by_multilabel_quality

rng = np.random.default_rng(0)
true = np.zeros((1000, 2), dtype=bool)
true[:450, 0] = True  # frequent
true[440:460, 1] = True  # rare
given = true.copy()
given[450:500, 0] = True  # 50 of the 500 examples with the frequent label are wrong
given[500:520, 1] = True  # 20 of the 40 examples with the rare label are wrong
probs = np.where(true, 0.97, 0.03) + rng.uniform(-0.02, 0.02, true.shape)  # a model that knows the truth
labels = [np.flatnonzero(row).tolist() for row in given]

table = rank_classes_by_multilabel_quality(labels, probs, class_names=["frequent", "rare"]).set_index("Class Name")
issues, noise = {}, {}
for name, row in table.iterrows():
    count = int(given[:, int(row["Class Index"])].sum())
    issues[name] = int(row["Label Issues"])
    noise[name] = row["Label Noise"]
    print(
        f"cleanlab {cleanlab.__version__}: {name}: {issues[name]} of its {count} examples are issues, label noise "
        f"{noise[name]:.3f} ({issues[name] / count:.3f} expected), label quality {row['Label Quality Score']:.3f}"
    )
is_same = issues["rare"] > 8 and noise["rare"] < 0.05 and list(table.index) == ["frequent", "rare"]
sys.exit(0 if is_same else 1)
PYTHON
"$folder/venv/bin/python" "$folder/rare.py" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
