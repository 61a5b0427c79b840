"""What a command may import before its first line, as each second counts there."""

import ast
import subprocess
import sys

import pytest
import torch
from PIL import Image

from run_folders import silent
from vicinal import runs
from vicinal.tasks import TrainOptions

HEAVY = ("torch._dynamo", "torchvision", "sklearn", "scipy", "pandas", "pyarrow", "timm")
HEAVY += ("matplotlib", "datasets", "transformers", "numba", "ray")
AT_LINE = f"""
import os, sys

awaited = sys.argv[1]

class Output:
    def write(self, text):
        sys.__stdout__.write(text)
        if awaited in text:
            found = [name for name in {HEAVY} if name in sys.modules]
            print("imported:", found, file=sys.stderr, flush=True)
            os._exit(0)  # what the command does then is not tested here

    def flush(self):
        pass

    def isatty(self):
        return False

sys.stdout = Output()
from vicinal.cli import run
run(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with images of two classes, and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("imports")
    for label in "ab":
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(4):
            pixels = torch.randint(256, (8, 8, 3), dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(folder / "photos" / label / f"{number}.png")
    options = TrainOptions(data=str(folder / "photos"), epochs=1, size=8, precision="fp32")
    runs.train(options, folder / "run", log=silent)
    return folder


def check(folder, arguments, awaited="\n", allowed=()):
    command = [sys.executable, "-c", AT_LINE, awaited, *arguments.split()]
    found = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    assert found.stdout.strip()
    imported = found.stderr.splitlines()[-1].removeprefix("imported: ")
    assert set(ast.literal_eval(imported)) <= set(allowed)


def test_advice_needs_no_heavy_package(tmp_path):
    check(tmp_path, "advise digits", awaited="To measure it:")  # its last line


def test_the_first_line_of_a_comparison_needs_no_heavy_package(tmp_path):
    check(tmp_path, "compare digits --out out")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "advise photos",
        "bench",
        "cache",
        "compare photos --out out",
        "predict run photos/a/0.png",
        "show --data digits",
        "show --data photos",
        "train digits --out out",
        "train photos --out out",
    ],
)
def test_the_first_line_needs_no_heavy_package(folder, arguments):
    check(folder, arguments)


@pytest.mark.slow
def test_a_first_epoch_needs_no_compiler_and_no_heavy_package(tmp_path):
    """But for numba, which compiles the loops that mix, and looks for a part of SciPy."""
    row = f"{1:10}"  # the first of the table
    check(tmp_path, "train digits --out out", awaited=row, allowed=("numba", "scipy"))


@pytest.mark.slow
def test_the_measures_of_a_comparison_need_no_compiler(tmp_path):
    check(
        tmp_path,
        "compare digits --mix none,mixup --seeds 1 --epochs 1 --jobs 1 --out out",
        awaited="run 1 of 2",
        allowed=("numba", "scipy"),
    )
