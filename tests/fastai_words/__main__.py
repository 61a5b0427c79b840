"""Write the table of docs/fastai.md anew: ``python -m tests.fastai_words`` in the repository."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import differences  # noqa: F401
import differences_elsewhere  # noqa: F401
import differences_of_data  # noqa: F401
import differences_of_results  # noqa: F401
from rows import PAGE, written

if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
