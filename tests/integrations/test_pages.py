"""The scripts of docs/trainers, before and after: both run, and differ by one line."""

import difflib
import os
import re
import runpy
import warnings
from pathlib import Path

import pytest

from vicinal import Mixer

PAGES = sorted((Path(__file__).parents[2] / "docs" / "trainers").glob("*.md"))


def scripts(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return [block for block in blocks if not block.startswith(">>>")]


def changed(before, after):
    """The lines that are new or changed, except imports."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line.startswith("+ ") and " import " not in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_script_changes_by_one_line(page):
    before, after = scripts(page)
    assert len(changed(before, after)) == (0 if page.stem == "timm" else 1)  # there an import
    assert "vicinal" not in before


SLOW = {"transformers", "timm"}
TRAINED = [pytest.param(p, marks=[pytest.mark.slow] if p.stem in SLOW else []) for p in PAGES]


@pytest.mark.parametrize("page", TRAINED, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore")
def test_both_scripts_train(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    draw, draws, found = Mixer.draw, [], []

    def counted(mixer, *args, **kwargs):
        draws.append(mixer)
        return draw(mixer, *args, **kwargs)

    monkeypatch.setattr(Mixer, "draw", counted)
    for number, script in enumerate(scripts(page)):
        (tmp_path / f"{number}.py").write_text(script)
        with warnings.catch_warnings(), monkeypatch.context() as patch:
            patch.setattr(os, "environ", os.environ.copy())
            runpy.run_path(f"{number}.py", run_name="__main__")
        printed = re.findall(r"accuracy: (\d\.\d+)", capsys.readouterr().out)
        found.append((float(printed[-1]), len(draws)))
    (plain, none), (mixed, some) = found
    assert min(plain, mixed) > 0.6
    assert none == 0 < some
