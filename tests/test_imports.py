"""What a command may import before its first line, as each second counts there."""

import subprocess
import sys

import pytest

HEAVY = ("torch._dynamo", "torchvision", "sklearn", "scipy", "pandas", "matplotlib", "datasets")
CODE = """
import contextlib, io, sys
from vicinal.cli import run
with contextlib.redirect_stdout(io.StringIO()):
    assert run(sys.argv[1:]) == 0
print([name for name in {heavy} if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [["advise", "digits"]])
def test_digits_need_no_heavy_packages(arguments):
    code = CODE.format(heavy=HEAVY)
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
