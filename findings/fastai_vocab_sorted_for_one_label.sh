#!/usr/bin/env bash
# fastai 2.8.12: CategoryBlock and MultiCategoryBlock, each with a vocab of one's own.
#
# Expected: both keep the order of the vocab that they are given, so that column 0 of the predictions is its first class.
# What happens: MultiCategoryBlock keeps it, and CategoryBlock sorts it (unless sort=False).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/vocab.py" <<'PYTHON'
import sys

from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock, TransformBlock

given = ["dog", "cat"]
one = DataBlock((TransformBlock, CategoryBlock(vocab=given)), get_items=range, get_y=lambda i: given[i % 2])
several = DataBlock((TransformBlock, MultiCategoryBlock(vocab=given)), get_items=range, get_y=lambda i: [given[i % 2]])
kept = [list(block.datasets(8).vocab) for block in (one, several)]
print(f"given {given}: CategoryBlock has {kept[0]}, MultiCategoryBlock has {kept[1]}")
sys.exit(0 if kept == [["cat", "dog"], ["dog", "cat"]] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/vocab.py"
