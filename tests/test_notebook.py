"""What is shown in a notebook: by a kernel's shell in this process, and by a real kernel."""

import atexit
import builtins
import re
from types import ModuleType

import pytest
import torch
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from torch import nn
from traitlets.config import Config

from vicinal import DataLoaders, Learner, MixUp, accuracy, notebook, plots, progress
from vicinal.errors import VicinalError
from vicinal.learner import progress_table
from vicinal.notebook import Area, in_notebook, shown
from vicinal.progress import progress_bar, status

PNG = b"\x89PNG"
SETUP = """
import torch
from torch import nn
from vicinal import DataLoaders, Learner, MixUp, accuracy
torch.manual_seed(0)
x, y = torch.randint(0, 256, (24, 3, 8, 8), dtype=torch.uint8), torch.arange(24) % 2
dls = DataLoaders.from_tensors(x, y, x, y, bs=8, vocab=["ant", "bee"], device="cpu")
model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
learn = Learner(dls, model, metrics=accuracy, cbs=MixUp(0.4, seed=0))
"""


class Results(DisplayHook):
    """Keeps what the last lines of cells give, and writes nothing."""

    def start_displayhook(self):
        pass

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.seen.append(format_dict)

    def finish_displayhook(self):
        pass


class Notebook:
    """A kernel's shell in this process: its cells, and what each shows."""

    def __init__(self, shell):
        self.shell = shell
        self.publisher = shell.display_pub = CapturingDisplayPublisher()
        shell.displayhook = shell.display_trap.hook = Results(shell=shell, cache_size=0)
        self.results = shell.displayhook.seen = []

    def run(self, code):
        """Run a cell; return each output as its formats, and afterwards what has replaced it."""
        self.publisher.outputs.clear()
        self.results.clear()
        self.shell.run_cell(code).raise_error()
        displayed = {}
        for place, output in enumerate(self.publisher.outputs):
            name = (output.get("transient") or {}).get("display_id", place)
            displayed[name] = output["data"]
        # A bar that has ended leaves an empty output.
        shown = [data for data in displayed.values() if any(data.values())]
        return list(self.results), shown


@pytest.fixture(scope="module")
def shell():
    # With a module of its own: it would take the place of pytest's __main__.
    options = {"HistoryManager": {"enabled": False}}
    made = InteractiveShell.instance(user_module=ModuleType("cells"), config=Config(options))
    made.showtraceback = lambda *args, **options: None
    yield made
    atexit.unregister(made.atexit_operations)
    InteractiveShell.clear_instance()
    for name in ("__IPYTHON__", "display", "get_ipython"):
        vars(builtins).pop(name, None)


@pytest.fixture
def cells(shell, monkeypatch):
    """A notebook; ``run(code)`` gives what its last line and what all else showed."""
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    yield Notebook(shell)
    notebook._waiting.clear()


@pytest.fixture
def learn(cells):
    cells.run(SETUP)
    return cells.shell.user_ns["learn"]


class TestFigures:
    def test_the_last_line_is_drawn_once(self, cells, learn):
        (last,), others = cells.run("dls.show_batch()")
        assert last["image/png"].startswith(PNG)
        assert not others

    @pytest.mark.parametrize(
        "line",
        [
            "dls.show_batch()",
            "learn.show_batch(nrows=1, ncols=3)",
            "dls.valid.show_batch()",
            "learn.show_results(max_n=4)",
            "found = learn.lr_find(num_it=40)",
            "learn.recorder.plot_loss()",
            "figure = learn.recorder.plot_sched()",
        ],
    )
    def test_a_line_before_the_last_is_drawn_when_the_cell_ends(self, cells, learn, line):
        with learn.no_logging():
            learn.fit_one_cycle(1, 0.1)
        last, (drawn,) = cells.run(f"{line}\nNone")
        assert not last
        assert drawn["image/png"].startswith(PNG)

    def test_what_is_displayed_by_hand_is_not_drawn_again(self, cells, learn):
        cells.run("from IPython.display import display")
        last, drawn = cells.run("figure = dls.show_batch()\ndisplay(figure)")
        assert not last
        assert len(drawn) == 1

    def test_it_is_drawn_in_a_later_cell_too(self, cells, learn):
        _, drawn = cells.run("figure = dls.show_batch()")
        assert len(drawn) == 1
        (last,), drawn = cells.run("figure")
        assert last["image/png"].startswith(PNG)
        assert not drawn

    def test_a_cell_that_fails_shows_what_it_drew(self, cells, learn):
        with pytest.raises(ZeroDivisionError):
            cells.run("dls.show_batch()\n1 / 0")
        assert len(cells.publisher.outputs) == 1
        assert not cells.run("None")[1]

    def test_a_range_test_shows_its_rate_and_its_figure(self, cells, learn):
        with learn.no_logging():
            (last,), others = cells.run("found = learn.lr_find(num_it=40)\nfound")
        assert re.fullmatch(r"RangeTest\(valley=[\d.e-]+, \d+ rates from .*\)", last["text/plain"])
        assert last["image/png"].startswith(PNG)
        assert not others

    def test_figures_that_are_only_made_are_not_drawn(self, cells):
        cells.run("import torch; from vicinal import plots")
        last, drawn = cells.run("figure = plots.images(torch.rand(1, 3, 8, 8), ['a'])")
        assert not last + drawn

    def test_elsewhere_nothing_waits_for_a_cell_to_end(self):
        assert not in_notebook()
        figure = shown(plots.images(torch.rand(1, 3, 8, 8), ["a"]))
        assert not notebook._waiting
        assert figure._repr_png_().startswith(PNG)


class TestTraining:
    def test_it_shows_one_table_that_grows(self, cells, learn):
        last, (table,) = cells.run("learn.fit(3, 0.1)")
        assert not last
        rows = re.findall("<tr>(.*?)</tr>", table["text/html"])
        assert len(rows) == 4
        head = re.findall("<th>(.*?)</th>", rows[0])
        assert head == list(learn.history[-1])
        assert [re.findall("<td>(.*?)</td>", row)[0] for row in rows[1:]] == ["1", "2", "3"]
        assert "<progress" not in table["text/html"]
        assert len(table["text/plain"].splitlines()) == 4

    def test_the_bar_counts_training_and_validation_batches(self, cells, learn, monkeypatch):
        monkeypatch.setattr(progress_table, "OFTEN", -1)
        cells.run("learn.fit(2, 0.1)")
        drawn = [output["data"]["text/html"] for output in cells.publisher.outputs]
        counts = re.findall(r'<progress value="(\d+)" max="10">', "".join(drawn))
        assert set(map(int, counts)) == set(range(11))
        assert "epoch 2/2  6/10" in "".join(drawn)

    def test_without_a_bar_there_is_the_table(self, cells, learn):
        learn.shows_bar = False
        cells.run("learn.fit(1, 0.1)")
        drawn = [output["data"]["text/html"] for output in cells.publisher.outputs]
        assert "<progress" not in "".join(drawn)
        assert "<table" in drawn[-1]

    def test_without_logging_nothing_is_shown(self, cells, learn):
        assert cells.run("with learn.no_logging(): learn.fit(1, 0.1)") == ([], [])

    def test_a_training_that_fails_leaves_its_table_without_a_bar(self, cells, learn):
        code = """
from vicinal import Callback
class Fail(Callback):
    def before_epoch(self, learn):
        if learn.epoch == 1: 1 / 0
learn.fit(3, 0.1, cbs=Fail)
"""
        with pytest.raises(ZeroDivisionError):
            cells.run(code)
        last = cells.publisher.outputs[-1]["data"]["text/html"]
        assert last.count("<tr>") == 2
        assert "<progress" not in last


class TestBars:
    def test_a_bar_is_one_output_that_ends_empty(self, cells, monkeypatch):
        monkeypatch.setattr(progress, "OFTEN", -1)
        with progress_bar() as bar:
            task = bar.add_task("reading <images>", total=40)
            for _ in range(40):
                bar.advance(task)
        shown = [output["data"]["text/html"] for output in cells.publisher.outputs]
        names = {output["transient"]["display_id"] for output in cells.publisher.outputs}
        assert len(names) == 1
        assert "reading &lt;images&gt; 0/40" in shown[0]
        assert "40/40" in shown[-2]
        assert shown[-1] == ""

    def test_a_range_test_counts_its_batches(self, cells, learn, monkeypatch):
        monkeypatch.setattr(progress, "OFTEN", -1)
        cells.run("found = learn.lr_find(num_it=12)")
        *bars, last, figure = cells.publisher.outputs
        counts = re.findall(
            r'value="(\d+)" max="12"', "".join(b["data"]["text/html"] for b in bars)
        )
        assert list(dict.fromkeys(map(int, counts))) == list(range(len(set(counts))))
        assert len(set(counts)) > 5
        assert last["data"]["text/html"] == ""
        assert "image/png" in figure["data"]
        cells.run("with learn.no_logging(): found = learn.lr_find(num_it=40)")
        assert len(cells.publisher.outputs) == 1

    def test_what_takes_a_moment_leaves_no_output(self, cells):
        with progress_bar() as bar:
            task = bar.add_task("reading images", total=40)
            for _ in range(40):
                bar.advance(task)
        assert not cells.publisher.outputs

    def test_one_bar_is_shown_at_a_time(self, cells, monkeypatch):
        monkeypatch.setattr(progress, "OFTEN", -1)
        with status("outer") as say:
            with progress_bar() as bar:
                bar.add_task("inner", total=2)
            say("outer again")
        shown = [output["data"]["text/html"] for output in cells.publisher.outputs]
        texts = [re.sub("<.*?>", "", text).strip() for text in shown]
        assert texts == ["outer", "", "inner 0/2", "", "outer", "outer again", ""]

    def test_an_area_is_replaced(self, cells):
        area = Area()
        area.show("<b>1</b>", "1")
        area.show("<b>2</b>", "2")
        first, second = cells.publisher.outputs
        assert (first["update"], second["update"]) == (False, True)
        assert second["data"] == {"text/html": "<b>2</b>", "text/plain": "2"}


def test_facts_are_escaped():
    html = notebook.html_facts("<b>", {"a&b": "<script>"})
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


def make_learner(**options):
    x, y = torch.rand(12, 3, 8, 8), torch.arange(12) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, vocab=["ant", "bee"], device="cpu")
    return Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), **options)


class TestReprs:
    def test_a_learner(self):
        learn = make_learner(metrics=accuracy, cbs=MixUp(0.4, seed=3))
        assert repr(learn) == (
            "Learner(Sequential of 386 parameters; DataLoaders(12 training and 12 validation "
            "samples, 2 classes); not trained)"
        )
        with learn.no_logging():
            learn.fit(2, 0.1)
        learn.model[1].bias.requires_grad_(False)
        assert "386 parameters, of which 384 are trained" in repr(learn)
        assert re.search(r"2 epochs: train_loss \d.*, valid_accuracy \d", repr(learn))
        html = learn._repr_html_()
        for text in ("CrossEntropyLossFlat", "accuracy", "AdamW", "MixUp(alpha=0.4", "on cpu"):
            assert text in html
        assert repr(learn.cbs).startswith("[MixBatches(MixUp(alpha=0.4")

    def test_a_network_with_a_name(self):
        learn = make_learner()
        learn.model.made_from = {"maker": "create_model", "name": "resnet9"}
        assert repr(learn).startswith("Learner(resnet9 of 386 parameters")

    def test_loaders(self):
        dls = make_learner().dls
        html = dls._repr_html_()
        assert "12 samples in 3 batches of 4" in html
        assert "12 samples in 2 batches of 8" in html
        assert "2: ant, bee" in html
        assert repr(dls.valid) == "Batches(12 samples in 2 batches of 8)"

    def test_many_classes_are_not_all_named(self):
        x, y = torch.rand(40, 2), torch.arange(40)
        dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
        assert "40: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …<" in dls._repr_html_()

    def test_a_mixer(self):
        html = MixUp(0.4, seed=3)._repr_html_()
        assert html.startswith("<table>")
        for text in ("MixUp", "alpha", "0.4", "seed", "3"):
            assert f">{text}<" in html

    def test_to_show_a_mixer_is_not_its_first_use(self):
        mixer = MixUp(0.4)
        assert "seed" not in mixer._repr_html_()
        assert not mixer.random.has_seed

    def test_an_interpretation(self):
        learn = make_learner()
        with torch.no_grad():
            learn.model[1].weight.zero_()
            learn.model[1].bias.copy_(torch.tensor([5.0, 0.0]))
        found = learn.interpret()
        assert "samples: 12" in repr(found)
        assert "wrong: 6 (50.0 %)" in repr(found)
        assert "bee as ant (6)" in found._repr_html_()


def test_the_loader_of_data_that_are_gone():
    valid = make_learner().dls.valid
    with pytest.raises(VicinalError, match=r"keep the DataLoaders in a variable dls"):
        valid.show_batch()


@pytest.mark.slow
def test_a_real_kernel_shows_it_without_a_magic():
    import nbclient
    import nbformat

    sources = [SETUP, "learn.fit(2, 0.1)", "dls.show_batch()\nlearn", "learn.lr_find()"]
    made = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    nbclient.NotebookClient(made, timeout=300, kernel_name="python3").execute()
    _, fit, batch, rates = (cell.outputs for cell in made.cells)
    (table,) = fit
    assert table["data"]["text/html"].count("<tr>") == 3
    assert ["image/png" in output["data"] for output in batch] == [False, True]
    assert "<table>" in batch[0]["data"]["text/html"]
    assert "image/png" in rates[-1]["data"]
    assert "RangeTest(valley=" in rates[-1]["data"]["text/plain"]
    assert not any(output.output_type == "stream" for cell in made.cells for output in cell.outputs)
