#!/usr/bin/env bash
# pyarrow 26.0.1: a quote that is never closed swallows the rest of a CSV file, without an error.
#
# Expected: an error, as pandas raises ("EOF inside string starting at row 1"): the file is damaged, cut off, or its quotes
# mean something else, such as inches.
# What happens: all following rows become part of one value. newlines_in_values is False, its default, and does not help.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyarrow==26.0.1 pandas==3.0.1

cat > "$folder/quote.py" <<'PYTHON'
import io
import sys

import pandas as pd
import pyarrow as pa
from pyarrow import csv

screens = b'id,size\n1,15\n2,"17\n3,19\n4,21\n'  # the quote of the second row is never closed
found = csv.read_csv(io.BytesIO(screens)).to_pydict()
print(f"pyarrow {pa.__version__}: of four rows, {found}")
try:
    by_pandas = str(len(pd.read_csv(io.BytesIO(screens))))
except pd.errors.ParserError as error:
    by_pandas = f"ParserError: {error}"
print(f"pandas {pd.__version__}: {by_pandas}")
as_found = found == {"id": [1, 2], "size": ["15", "17\n3,19\n4,21\n"]} and "EOF inside string" in by_pandas
sys.exit(0 if as_found else 1)
PYTHON
"$folder/venv/bin/python" "$folder/quote.py"
