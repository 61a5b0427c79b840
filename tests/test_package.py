"""The cost of importing, and the public names."""

import ast
import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

import vicinal

SRC = Path(vicinal.__file__).parent
HEAVY = {"accelerate", "datasets", "timm", "torchvision", "sklearn", "matplotlib", "rich", "typer"}


def loaded_after(code, before=""):
    """The packages that a fresh interpreter loads for some code, and had not loaded before it."""
    names = "{name.split('.')[0] for name in sys.modules}"
    script = f"import sys\n{before}\nold = {names}\n{code}\nprint(*{names} - old)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_mixing_loads_torch_and_nothing_heavier():
    code = "from vicinal import MixUp, MixLoss, MixedTarget, accuracy; MixUp()"
    loaded = loaded_after(code, before="import torch")
    assert "vicinal" in loaded
    assert not loaded - {"vicinal"} - set(sys.stdlib_module_names)


def test_the_help_does_not_load_torch():
    code = "from vicinal.cli import run; run(['--help']); run(['train', '--help'])"
    assert not loaded_after(code) & ({"torch", "numpy"} | HEAVY - {"rich", "typer"})


def test_every_public_name_exists():
    for name in vicinal.__all__:
        assert getattr(vicinal, name) is not None
    assert {*vicinal.__all__, "Path"} == set(vicinal._NAMES) <= set(dir(vicinal))


def test_only_the_star_import_of_all_replaces_a_path():
    for module, kind in (("vicinal", Path), ("vicinal.all", vicinal.Path)):
        names = {"Path": Path}
        exec(f"from {module} import *", names)
        assert names["Path"] is kind
        assert names["MixUp"] is vicinal.MixUp


def test_a_citation_names_this_version():
    citation = (SRC.parents[1] / "CITATION.cff").read_text()
    assert f"\nversion: {vicinal.__version__}\n" in citation


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'MixDown'"):
        vicinal.MixDown  # noqa: B018


def test_a_notebook_is_not_asked_for_widgets(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", vicinal)
    again = importlib.util.spec_from_file_location("vicinal_again", vicinal.__file__)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        again.loader.exec_module(importlib.util.module_from_spec(again))
        warnings.warn("IProgress not found. Please update jupyter", stacklevel=1)
    assert not heard


@pytest.mark.parametrize(("mistyped", "meant"), [
    ("SaveModelCalback", "SaveModelCallback"), ("acuracy", "accuracy"), ("Mixup_", "Mixup")
])  # fmt: skip
def test_a_mistyped_name_is_corrected(mistyped, meant):
    with pytest.raises(AttributeError, match=f"no attribute '{mistyped}': did you mean {meant}\\?"):
        getattr(vicinal, mistyped)


def test_type_checkers_see_the_same_names():
    stub = ast.parse((SRC / "__init__.pyi").read_text())
    named = {
        alias.asname
        for node in stub.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert named == set(vicinal._NAMES)


def star_import(monkeypatch, missing):
    """The names of a star import where packages are missing, and what is said of the others."""
    spec = importlib.util.spec_from_file_location("vicinal_alone", vicinal.__file__)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)

    def import_module(name):
        if name.startswith(missing):
            raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate")
        return importlib.import_module(name)

    monkeypatch.setattr(alone, "importlib", SimpleNamespace(import_module=import_module))
    monkeypatch.setitem(sys.modules, "vicinal_alone", alone)
    given = {}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        exec("from vicinal_alone import *", given)
    return given, [str(warning.message) for warning in heard]


def test_the_star_import_gives_what_torch_alone_needs_and_names_the_rest(monkeypatch):
    given, (said,) = star_import(monkeypatch, ("vicinal.learner", "vicinal.data", "pandas"))
    assert given["MixUp"] is vicinal.MixUp
    assert given["torch"] is vicinal.torch
    assert not {"Learner", "ImageDataLoaders", "pd"} & set(given)
    assert "for want of accelerate" in said
    assert "Learner" in said
    assert said.endswith("pip install 'vicinal[train]' brings them")


def test_the_star_import_of_all_packages_says_nothing(monkeypatch):
    given, said = star_import(monkeypatch, ("no such package",))
    assert set(vicinal._NAMES) - {"Path"} <= set(given)
    assert said == []


def test_dir_lists_every_name_and_loads_none():
    spec = importlib.util.spec_from_file_location("vicinal_alone", vicinal.__file__)
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert set(vicinal._NAMES) <= set(dir(alone))
    assert "MixUp" not in vars(alone)


@pytest.mark.slow
def test_a_missing_extra_is_named():
    code = """
import os, sys, torch, vicinal
for missing in sys.argv[1:]:
    if os.fork():
        os.wait()
        continue
    sys.modules[missing] = None
    try:
        vicinal.Learner
    except ModuleNotFoundError as error:
        print(error)
    break
"""
    extras = ["accelerate", "rich"]
    done = subprocess.run(
        [sys.executable, "-c", code, *extras], capture_output=True, text=True, check=True
    )
    for missing, said in zip(extras, done.stdout.splitlines(), strict=True):
        assert "pip install 'vicinal[train]'" in said
        assert missing in said
