#!/usr/bin/env bash
# fastai 2.8.12: FillMissing appends to the list of column names that the caller gave.
#
# Expected: TabularDataLoaders.from_df leaves its arguments as they are, so that one list of names serves for several
# tables.
# What happens: the names of the indicator columns stay in the list, and the next table, of the same columns but without
# a missing number, fails with a KeyError for a column that nobody named.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 torch==2.14.1

cat > "$folder/tables.py" <<'PYTHON'
import sys

import fastai
import pandas as pd
from fastai.tabular.all import Categorify, FillMissing, Normalize, TabularDataLoaders

names = ["kind"]


def read(numbers):
    table = pd.DataFrame({"size": numbers * 4, "kind": [*"xyzw"] * 4, "label": [*"pq"] * 8})
    procs = [Categorify, FillMissing, Normalize]
    TabularDataLoaders.from_df(
        table, procs=procs, cat_names=names, cont_names=["size"], y_names="label", bs=4
    )


read([1.0, None, 3.0, 4.0])
print(f"fastai {fastai.__version__}: after a table with a missing number the caller's list is {names}")
try:
    read([1.0, 2.0, 3.0, 4.0])
    failed = ""
except KeyError as error:
    failed = str(error)
print(f"the next table, without one, raises a KeyError: {failed}")
sys.exit(0 if names == ["kind", "size_na"] and "size_na" in failed else 1)
PYTHON
"$folder/venv/bin/python" "$folder/tables.py"
