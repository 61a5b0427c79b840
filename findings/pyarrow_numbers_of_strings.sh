#!/usr/bin/env bash
# pyarrow 26.0.1: "0x1A" is the integer 26 but no float, and "+1" is the float 1.0 but no integer.
#
# Expected: what is an integer is also a float, and a plus sign does not depend on the type. A CSV column of codes such as
# 0x1A stays strings, as in pandas; a column of +1 and 2 is one of integers, as in pandas.
# What happens: hexadecimal numbers are cast to int64, but not with a sign and not to float64; a plus sign is read by
# float64 alone. So a column of codes becomes one of numbers when read_csv infers the types, and +1 and 2 become floats.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyarrow==26.0.1

cat > "$folder/codes.py" <<'PYTHON'
import io
import sys

import pyarrow as pa
from pyarrow import csv


def cast(text, kind):
    """The number of a string, or None where pyarrow says that there is none."""
    try:
        return pa.array([text]).cast(kind)[0].as_py()
    except pa.ArrowInvalid:
        return None


def read(*cells):
    return csv.read_csv(io.BytesIO("\n".join(["code", *cells]).encode()))["code"]


found = {text: (cast(text, pa.int64()), cast(text, pa.float64())) for text in ("0x1A", "-0x1A", "+1", "1")}
print(f"pyarrow {pa.__version__}, strings as int64 and as float64:", found)
columns = {cells: (str(read(*cells).type), read(*cells).to_pylist()) for cells in (("0x1A", "2"), ("+1", "2"))}
print("CSV columns:", columns)
as_found = found == {"0x1A": (26, None), "-0x1A": (None, None), "+1": (None, 1.0), "1": (1, 1.0)}
as_found = as_found and columns == {("0x1A", "2"): ("int64", [26, 2]), ("+1", "2"): ("double", [1.0, 2.0])}
sys.exit(0 if as_found else 1)
PYTHON
"$folder/venv/bin/python" "$folder/codes.py"
