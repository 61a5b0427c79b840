"""Write the tables of docs/losses.md anew: ``python -m tests.losses`` in the repository."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from losses.page import PAGE, SECTIONS, written

if __name__ == "__main__":
    for section in sys.argv[1:] or SECTIONS:
        PAGE.write_text(written(section, PAGE.read_text()))
        print(section)
