"""Memorising: it records of noisy labels what the network predicts, and changes nothing."""

import pytest
import torch
from analyses import MIXUP, NONE, analysis

from vicinal import DataLoaders, Learner, MixUp
from vicinal.study import memorising
from vicinal.study.answer import answer
from vicinal.study.curve_points import points
from vicinal.study.figures import learning_curves
from vicinal.study.measures import MEASURES
from vicinal.study.memorising import Memorising
from vicinal.study.report import write_report
from vicinal.study.scores import memorised

NOISY = torch.arange(0, 64, 2)


def trained(epochs, *callbacks):
    """A network that can learn 64 random labels by heart."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 12), torch.randint(4, (64,))
    dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu", seed=0)
    network = torch.nn.Sequential(
        torch.nn.Linear(12, 64), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(64, 4)
    )
    learn = Learner(dls, network, cbs=[MixUp(0.4, seed=0), *callbacks])
    with learn.no_logging():
        learn.fit(epochs, 0.01)
    return learn


def test_the_points_of_a_curve_are_what_the_network_predicts():
    learn = trained(30, Memorising(NOISY))
    found = {row["epoch"] - 1: row["memorised"] for row in learn.history if "memorised" in row}
    assert set(found) == points(30)
    assert found[29] == memorised(learn, NOISY).mean().item()
    outputs, targets = learn.get_preds(ds_idx=0)
    right = outputs.argmax(1) == targets
    assert found[29] == right[NOISY].double().mean().item() > found[1]


def test_the_weights_are_those_without_it():
    alone, watched = trained(3), trained(3, Memorising(NOISY))
    for one, other in zip(alone.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_of_many_some_are_taken_evenly(monkeypatch):
    monkeypatch.setattr(memorising, "SAMPLES", 10)
    assert Memorising(NOISY).noisy.tolist() == NOISY[::3].tolist()
    assert Memorising(NOISY[:9]).noisy.tolist() == NOISY[:9].tolist()


def with_curves(found):
    """The same analysis, of runs that record how much they memorise."""
    for run in found.results:
        for epoch, row in enumerate(run.history):
            row["memorised"] = 0.1 * epoch
    return found


@pytest.mark.parametrize("made", [lambda found: found, with_curves], ids=["none", "some"])
def test_the_report_draws_them_where_there_are_any(made, tmp_path):
    found = made(analysis({NONE: [0.7], MIXUP: [0.7]}))
    write_report(tmp_path / "report.html", found, answer(found))
    page = (tmp_path / "report.html").read_text()
    assert ("noisy labels that the network predicts, in the course" in page) == (
        made is with_curves
    )


def test_a_line_is_what_was_recorded():
    found = with_curves(analysis({NONE: [0.7], MIXUP: [0.7]}))
    (axes,) = learning_curves(found, MEASURES["memorised"], "memorised").axes
    assert axes.get_title(loc="left").startswith("noisy labels memorised")
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
