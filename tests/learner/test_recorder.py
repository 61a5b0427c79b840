"""The Recorder: what it keeps of every batch and epoch, and its figures."""

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from vicinal import Callback, DataLoaders, Learner, VicinalError, accuracy
from vicinal.learner.events import CancelBatch


def learner(batches=4, **options):
    torch.manual_seed(1)
    x = torch.randn(4 * batches, 3)
    y = (x[:, 0] > 0).long()
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    learn = Learner(dls, nn.Linear(3, 2), **{"metrics": accuracy, **options})
    learn.is_logging = False
    return learn


class Note(Callback):
    """The loss of each training batch, and the rate and momentum when it is stepped."""

    def __init__(self):
        self.losses, self.lrs, self.momenta = [], [], []

    def before_step(self, learn):
        group = learn.optimizer.param_groups[-1]
        self.losses.append(learn.loss.item())
        self.lrs.append(group["lr"])
        self.momenta.append(group["betas"][0])


def test_the_rates_are_those_of_the_steps():
    learn = learner(cbs=(note := Note()))
    learn.fit_one_cycle(3, 0.1)
    assert learn.recorder.lrs == note.lrs
    assert learn.recorder.hps == {"lr": note.lrs, "mom": note.momenta}
    assert len(set(note.lrs)) > 6


def test_the_losses_are_smoothed_from_the_first_on():
    learn = learner(cbs=(note := Note()))
    learn.fit(2, 0.1)
    total = weight = 0.0
    expected = []
    for loss in note.losses:
        total, weight = 0.98 * total + 0.02 * loss, 0.98 * weight + 0.02
        expected.append(total / weight)
    assert learn.recorder.losses == pytest.approx(expected)


def test_the_values_are_those_of_the_history():
    learn = learner()
    learn.fit(2, 0.1)
    names = learn.recorder.metric_names
    assert names == ["epoch", "train_loss", "valid_loss", "valid_accuracy", "seconds"]
    assert learn.recorder.values == [[row[name] for name in names[1:-1]] for row in learn.history]
    assert learn.recorder.iters == [4, 8]


def test_batches_that_are_cancelled_are_not_recorded():
    class Skip(Callback):
        def before_batch(self, learn):
            if learn.training and learn.epoch == 0:
                raise CancelBatch

    learn = learner(cbs=Skip)
    learn.fit(2, 0.1)
    assert len(learn.recorder.losses) == len(learn.recorder.lrs) == 4
    assert learn.recorder.iters == [0, 4]


def test_a_range_test_leaves_the_record():
    learn = learner()
    learn.fit(1, 0.1)
    before = list(learn.recorder.losses)
    learn.lr_find(num_it=20)
    assert learn.recorder.losses == before


def test_an_interrupted_training_can_be_plotted():
    class Stop(Callback):
        def before_epoch(self, learn):
            if learn.epoch == 1:
                raise KeyboardInterrupt

    learn = learner()
    with pytest.raises(KeyboardInterrupt):
        learn.fit(3, 0.1, cbs=Stop)
    (axes,) = learn.recorder.plot_loss(skip_start=0).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [4, 1]


class TestPlots:
    @pytest.mark.parametrize(
        ("options", "lines", "scale"),
        [({}, 2, "linear"), ({"with_valid": False}, 1, "linear"), ({"log": True}, 2, "log")],
    )
    def test_losses(self, options, lines, scale):
        learn = learner()
        learn.fit(3, 0.1)
        (axes,) = learn.recorder.plot_loss(**options).axes
        assert len(axes.lines) == lines
        assert axes.get_yscale() == scale
        assert axes.lines[0].get_xdata().tolist() == list(range(5, 12))
        if lines == 2:  # the end of the first epoch is among the batches that are left out
            assert axes.lines[1].get_xdata().tolist() == [8, 12]
            valid = [row["valid_loss"] for row in learn.history[1:]]
            assert axes.lines[1].get_ydata().tolist() == valid

    def test_the_ends_of_epochs(self):
        learn = learner()
        learn.fit(3, 0.1)
        (axes,) = learn.recorder.plot_loss(show_epochs=True, with_valid=False).axes
        assert [line.get_xdata()[0] for line in axes.lines[1:]] == [4, 8, 12]

    def test_into_axes_of_the_user(self):
        learn = learner()
        learn.fit(2, 0.1)
        _, axes = plt.subplots()
        assert learn.recorder.plot_loss(ax=axes) is axes
        assert len(axes.lines) == 2
        plt.close("all")

    def test_fewer_batches_than_are_skipped(self):
        learn = learner(batches=1)
        learn.fit(1, 0.1)
        (axes,) = learn.recorder.plot_loss().axes
        assert [line.get_ydata().tolist() for line in axes.lines] == [
            learn.recorder.losses,
            [learn.history[0]["valid_loss"]],
        ]

    def test_schedules(self):
        learn = learner()
        learn.fit_one_cycle(3, 0.1)
        rates, momenta = learn.recorder.plot_sched(figsize=(8, 3)).axes
        assert rates.lines[0].get_ydata().tolist() == learn.recorder.lrs
        assert momenta.lines[0].get_ydata().tolist() == learn.recorder.hps["mom"]
        assert rates.figure.get_size_inches().tolist() == [8, 3]
        assert len(learn.recorder.plot_sched("lr").axes) == 1

    def test_without_a_momentum(self):
        learn = learner(opt_func=torch.optim.Rprop)
        learn.fit(1, 0.1)
        assert len(learn.recorder.plot_sched().axes) == 1
        with pytest.raises(VicinalError, match="'mom' was not recorded: use lr"):
            learn.recorder.plot_sched("mom")

    @pytest.mark.parametrize("name", ["plot_loss", "plot_sched"])
    def test_nothing_to_plot(self, name):
        with pytest.raises(VicinalError, match=r"no training to plot: call fit\(\) before"):
            getattr(learner().recorder, name)()
