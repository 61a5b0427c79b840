"""What importing costs, and what the package shows of itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vicinal

SRC = Path(vicinal.__file__).parent
HEAVY = {"accelerate", "datasets", "timm", "torchvision", "sklearn", "matplotlib", "rich", "typer"}


def loaded_after(code):
    """The packages that a fresh interpreter has loaded after running some code."""
    report = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_mixing_loads_torch_and_nothing_heavier():
    code = "from vicinal import MixUp, MixLoss, MixedTarget, accuracy; MixUp()"
    assert (
        not loaded_after(code)
        - loaded_after("import torch")
        - {"vicinal"}
        - set(sys.stdlib_module_names)
    )


def test_the_help_does_not_load_torch():
    code = "from vicinal.cli import run; run(['--help']); run(['train', '--help'])"
    assert not loaded_after(code) & ({"torch", "numpy"} | HEAVY - {"rich", "typer"})


def test_every_name_is_there():
    for name in vicinal.__all__:
        assert getattr(vicinal, name) is not None
    assert set(vicinal.__all__) <= set(dir(vicinal))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'MixDown'"):
        vicinal.MixDown  # noqa: B018


def test_type_checkers_see_the_same_names():
    stub = ast.parse((SRC / "__init__.pyi").read_text())
    named = {
        alias.asname
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert named == set(vicinal.__all__)


def test_the_mixing_room_imports_nothing_else_of_the_package():
    for file in (SRC / "mixing").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("vicinal"):
                assert node.module.startswith(("vicinal.mixing", "vicinal.rng")), file


ROOMS = [
    "errors",
    "methods",
    "kinds",
    "rng",
    "files",
    "memory",
    "mixing",
    "detection",
    "sound",
    "cross_entropy",
    "losses",
    "mixed",
    "batches",
    "integrations",
    "criteria",
    "metrics",
    "processes",
    "data",
    "models",
    "plots",
    "learner",
    "recipes",
    "tasks",
    "runs",
    "bench",
    "cli",
]


def test_integrations_need_mixing_and_their_trainer_alone():
    for file in (SRC / "integrations").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("vicinal"):
                room = node.module.split(".")[1]
                assert room in ("rng", "mixing", "mixed", "batches", "integrations"), file


def test_imports_run_downwards():
    for level, room in enumerate(ROOMS):
        files = (SRC / room).rglob("*.py") if (SRC / room).is_dir() else [SRC / f"{room}.py"]
        above = tuple(f"vicinal.{name}" for name in ROOMS[level + 1 :])
        for file in files:
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ImportFrom):
                    assert not node.module.startswith(above), (file, node.module)


@pytest.mark.parametrize("missing", ["accelerate", "rich"])
def test_a_missing_extra_is_named(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
import vicinal
try:
    vicinal.Learner
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'vicinal[train]'" in done.stdout
    assert missing in done.stdout
