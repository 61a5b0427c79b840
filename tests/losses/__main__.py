"""Write the tables of docs/losses.md anew: ``python -m tests.losses`` in the repository."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from losses.page import PAGE, SECTIONS, verdicts, written
from losses.verdict import ERROR, WRONG

if __name__ == "__main__":
    for section in sys.argv[1:] or SECTIONS:
        PAGE.write_text(written(section, PAGE.read_text()))
        wrong = [entry.shown for entry, found, _ in verdicts(section) if {WRONG, ERROR} & {*found}]
        print(section, *(f"\n    wrong: {name}" for name in wrong))
