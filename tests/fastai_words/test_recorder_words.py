"""``learn.recorder`` against fastai's: one network, one batch an epoch, the same steps."""

import copy
import functools
import inspect
import warnings

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

from vicinal import DataLoaders, Learner, accuracy
from vicinal.learner.recorder import Recorder

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]

EPOCHS = 8


@pytest.fixture(scope="module")
def learners():
    """Fastai's and ours after the same training."""
    torch.manual_seed(0)
    x = torch.randn(24, 3)
    y = (x[:, 0] > 0).long()
    model = nn.Linear(3, 2)
    rows = list(zip(x, y, strict=True))
    theirs = fastai.Learner(
        fastai.DataLoaders(fastai.DataLoader(rows, bs=24), fastai.DataLoader(rows, bs=24)),
        copy.deepcopy(model),
        loss_func=nn.CrossEntropyLoss(),
        opt_func=functools.partial(fastai.OptimWrapper, opt=torch.optim.SGD),
        metrics=fastai.accuracy,
    )
    sgd = functools.partial(torch.optim.SGD, momentum=0.9)
    ours = Learner(
        DataLoaders.from_tensors(x, y, x, y, bs=24, device="cpu"),
        copy.deepcopy(model),
        nn.CrossEntropyLoss(),
        sgd,
        metrics=accuracy,
    )
    theirs.opt_func = functools.partial(fastai.OptimWrapper, opt=sgd)
    with theirs.no_bar(), theirs.no_logging(), ours.no_logging():
        theirs.fit(EPOCHS, 0.5)
        ours.fit(EPOCHS, 0.5)
    return theirs, ours


def test_each_batch_has_fastais_smoothed_loss_and_rate(learners):
    theirs, ours = (learn.recorder for learn in learners)
    assert ours.losses == pytest.approx([float(loss) for loss in theirs.losses], rel=1e-4)
    assert ours.lrs == pytest.approx([float(rate) for rate in theirs.lrs])
    assert ours.iters == theirs.iters == list(range(1, EPOCHS + 1))


def test_the_values_are_the_columns_between_epoch_and_time(learners):
    theirs, ours = (learn.recorder for learn in learners)
    assert len(ours.metric_names) == len(theirs.metric_names) == 5
    for own, other in zip(ours.values, theirs.values, strict=True):
        # fastai's training loss is the smoothed one of the last batch, ours the epoch's mean.
        assert own[1:] == pytest.approx(list(other)[1:], rel=1e-4)
    assert ours.values[0][0] == pytest.approx(float(theirs.values[0][0]), rel=1e-4)


def test_a_second_training_begins_anew():
    x, y = torch.randn(8, 3), torch.arange(8) % 2
    learn = Learner(DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu"), nn.Linear(3, 2))
    with learn.no_logging():
        learn.fit(2)
        learn.fit_one_cycle(1, 0.1)
    assert len(learn.recorder.values) == 1
    assert len(learn.recorder.losses) == len(learn.recorder.lrs) == 2
    assert len(learn.history) == 3


@pytest.mark.parametrize("name", ["plot_loss", "plot_sched"])
def test_the_plots_take_fastais_arguments(name):
    theirs, ours = (inspect.signature(getattr(r, name)) for r in (fastai.Recorder, Recorder))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize("skip_start", [0, 3, 5])
def test_the_plot_of_the_losses_has_fastais_lines(learners, skip_start):
    matplotlib.use("Agg")
    theirs, ours = (learn.recorder for learn in learners)
    _, axes = plt.subplots()
    theirs.plot_loss(skip_start=skip_start, ax=axes)
    (own,) = ours.plot_loss(skip_start=skip_start).axes
    for line, other in zip(own.lines, axes.lines, strict=True):
        expected = list(map(float, other.get_ydata()))
        assert list(line.get_ydata()) == pytest.approx(expected, rel=1e-4)
        assert list(line.get_xdata()) == list(other.get_xdata())
    plt.close("all")
