#!/usr/bin/env bash
# fastai 2.8.12 with pandas 3.1.1: add_datepart on dates that pandas keeps in microseconds.
#
# Expected: Elapsed is the seconds since 1970, whatever resolution pandas keeps the dates in.
# What happens: it is the stored integer divided by 10**9. Of dates in microseconds, which pandas 3 makes of texts
# by default, that is a thousandth: two days that follow each other differ by 86 or 87 in place of 86,400.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q fastai==2.8.12 pandas==3.1.1 torch==2.14.1

cat > "$folder/dates.py" <<'PYTHON'
import sys

import pandas as pd
from fastai.tabular.all import add_datepart

days = ["2011-11-16", "2011-11-17"]
true = [pd.Timestamp(day).timestamp() for day in days]
found = {}
for unit in ("ns", "us"):
    table = pd.DataFrame({"sold": pd.to_datetime(days).as_unit(unit)})
    found[unit] = add_datepart(table, "sold")["soldElapsed"].tolist()
    print(f"datetime64[{unit}]: Elapsed is {found[unit]}, and the seconds since 1970 are {true}")
print(f"pandas {pd.__version__} makes {pd.to_datetime(days).dtype} of texts")
off = [1000 * elapsed <= seconds for elapsed, seconds in zip(found["us"], true)]
sys.exit(0 if found["ns"] == true and all(off) and found["us"][0] > 0 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/dates.py"
