"""The notebooks run from the first cell to the last, and show what they draw."""

import re
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import printed
import pytest
from printed import type_in

from vicinal import create_model

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))
SMALL = {
    "epochs": 1,
    "images": 100,
    "per_class": 10,
    "size": 16,
    "batches": 10,
    "seeds": 2,
    "long": 1,
}

every_notebook = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)


def read(file):
    return nbformat.read(file, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_two():
    assert len(NOTEBOOKS) == 2


@every_notebook
def test_nothing_of_a_run_is_stored(file):
    notebook = read(file)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in code(notebook):
        assert not cell.outputs
        assert cell.execution_count is None


@every_notebook
def test_the_cells_run_on_few_samples(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(plt, "show", lambda *_, **__: None)
    names = {}
    for cell in code(read(file)):
        last = type_in(cell.source, names)
        if "parameters" in cell.metadata.get("tags", ()):
            names |= {name: SMALL[name] for name in names.keys() & SMALL.keys()}
            names["xresnet18"] = partial(create_model, "resnet9")
    plt.close("all")
    predicted, index, probabilities = last
    assert predicted == names["dls"].vocab[int(index)]
    assert probabilities.sum().item() == pytest.approx(1)


@pytest.mark.slow
@every_notebook
def test_the_whole_in_a_plain_kernel(file, tmp_path):
    from nbclient import NotebookClient

    notebook = read(file)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in code(notebook):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if re.search(r"\b(plot_\w+|show_\w+|lr_find)\(", cell.source):
            assert "image/png" in kinds, cell.source
        for output in cell.outputs:
            assert output.get("name") != "stderr", output
            shown = output.get("data", {})
            # A figure that does not draw itself.
            is_figure = str(shown.get("text/plain", "")).startswith("<Figure")
            assert not is_figure or "image/png" in shown, cell.source


DATA = """
from vicinal.all import *
width, height = np.random.default_rng(0).normal(size=(2, 120))
colour = np.array(["red", "green"])[np.arange(120) % 2]
table = pd.DataFrame({"width": width, "height": height, "colour": colour, "price": width / 2})
texts = pd.DataFrame({"text": ["a good day", "a bad night"] * 60, "label": ["good", "bad"] * 60})
"""


@pytest.mark.slow
@pytest.mark.parametrize("text", [printed.TABLE, printed.TEXTS], ids=["table", "texts"])
def test_lines_of_the_book_in_a_plain_kernel(text, tmp_path):
    from nbclient import NotebookClient

    sources = [DATA, *text.strip().splitlines()]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in notebook.cells:
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if re.match(r"(dls|learn|to_nn|interp)\.(show|plot)_?\w*\(", cell.source):
            assert kinds & {"image/png", "text/html"}, cell.source
        assert "stderr" not in {output.get("name") for output in cell.outputs}
    assert notebook.cells[-1].outputs[-1]["data"]["text/plain"] == "True"
