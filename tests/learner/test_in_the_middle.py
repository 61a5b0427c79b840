"""What happens in the middle of a training: cells run again, cancels, batches without labels."""

import csv

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import (
    Callback,
    CancelBatch,
    CancelEpoch,
    CancelStep,
    CancelTrain,
    CancelValidate,
    Checkpoint,
    CSVLogger,
    DataLoaders,
    GradientAccumulation,
    Learner,
    ManifoldMixUp,
    TerminateOnNaNCallback,
)
from vicinal.errors import Diverged, VicinalError

X, Y = torch.randn(64, 4, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 2


def loaders(bs=16):
    return DataLoaders.from_tensors(X, Y, X, Y, bs=bs, device="cpu")


class InterruptOnce(Callback):
    def __init__(self, event, epoch):
        self.is_due = True
        setattr(self, event, self.interrupt)
        self.at = epoch

    order = 90  # after a CSVLogger, before a checkpoint

    def interrupt(self, learn):
        if self.is_due and learn.epoch == self.at:
            self.is_due = False
            raise KeyboardInterrupt


def test_a_cell_that_was_stopped_resumes_when_it_is_run_again(tmp_path):
    def learner(*cbs):
        torch.manual_seed(0)
        return Learner(loaders(), nn.Linear(4, 2), cbs=cbs)

    whole = learner()
    whole.fit(4, 0.1)
    learn = learner(
        Checkpoint(tmp_path / "checkpoint", resume=True), InterruptOnce("before_epoch", 3)
    )
    with pytest.raises(KeyboardInterrupt):
        learn.fit(4, 0.1)
    learn.fit(4, 0.1)
    assert [row["epoch"] for row in learn.history] == [1, 2, 3, 4]
    assert learn.model.weight.equal(whole.model.weight)
    learn.fit(4, 0.1)  # and once more, after its end, trains on
    assert [row["epoch"] for row in learn.history] == list(range(1, 9))


def test_a_file_that_is_appended_to_has_each_epoch_once_after_resuming(tmp_path):
    (tmp_path / "log.csv").write_text("")
    earlier = Learner(loaders(), nn.Linear(4, 2), path=tmp_path)
    earlier.fit(2, 0.1, cbs=CSVLogger("log.csv", append=True))

    def train(*cbs):
        learn = Learner(loaders(), nn.Linear(4, 2), path=tmp_path)
        logger = CSVLogger("log.csv", append=True)
        learn.fit(3, 0.1, cbs=[logger, Checkpoint(tmp_path / "c", resume=True), *cbs])

    with pytest.raises(KeyboardInterrupt):
        train(InterruptOnce("after_epoch", 1))
    with (tmp_path / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "1", "2"]
    train()
    with (tmp_path / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "1", "2", "3"]


@pytest.mark.parametrize(
    ("event", "cancel"),
    [
        ("after_epoch", CancelEpoch),
        ("before_epoch", CancelTrain),
        ("after_train", CancelTrain),
        ("before_train", CancelValidate),
        ("after_batch", CancelBatch),
        ("before_batch", CancelStep),
        ("after_validate", CancelStep),
    ],
)
def test_a_cancel_in_the_wrong_place_is_named_and_everything_is_closed(event, cancel):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    ended = []

    class Wrong(Callback):
        def after_fit(self, learn):
            ended.append(True)

    def wrong(learn):
        raise cancel

    callback = Wrong()
    setattr(callback, event, wrong)
    learn = Learner(loaders(), model, cbs=[ManifoldMixUp(model, [nn.ReLU]), callback])
    with pytest.raises(VicinalError, match=f"{cancel.__name__} where no {cancel.section} is"):
        learn.fit(1)
    assert ended == [True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_schedule_goes_on_where_steps_are_cancelled_wherever_the_callback_is_given():
    class EverySecond(Callback):
        def before_fit(self, learn):
            self.count = 0

        def before_step(self, learn):
            self.count += 1
            if self.count % 2:
                raise CancelStep

    usual, own, given = (Learner(loaders(), nn.Linear(4, 2)) for _ in range(3))
    usual.fit_one_cycle(2, 0.1)
    own.add_cb(EverySecond()).fit_one_cycle(2, 0.1)
    given.fit_one_cycle(2, 0.1, cbs=EverySecond())
    assert usual.recorder.lrs == own.recorder.lrs == given.recorder.lrs


def of_pixels(first, bs):
    """Rows of three labels each, of which those before ``first`` are to be ignored."""
    x, y = torch.randn(32, 4, 3), torch.randint(0, 2, (32, 3))
    y[:first] = 255
    data = TensorDataset(x, y)
    dls = DataLoaders(DataLoader(data, bs), DataLoader(data, bs), ["a", "b"], 2)
    return dls, nn.CrossEntropyLoss(ignore_index=255)


class TestTheTrainingLoss:
    def test_it_is_the_average_that_validation_takes(self):
        loss_func = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0]))
        labels = (torch.arange(64) > 50).long()
        dls = DataLoaders.from_tensors(X, labels, X, labels, bs=8, device="cpu")
        learn = Learner(dls, nn.Linear(4, 2), loss_func)
        learn.fit(1, 0.0)
        (row,) = learn.history
        assert row["train_loss"] == pytest.approx(row["valid_loss"], rel=1e-5)

    @pytest.mark.parametrize("first", [4, 28])
    def test_a_batch_without_labels_does_not_count(self, first):
        dls, loss_func = of_pixels(first, 4)
        learn = Learner(dls, nn.Conv1d(4, 2, 1), loss_func, cbs=TerminateOnNaNCallback())
        learn.fit(1, 0.0)
        (row,) = learn.history
        assert row["train_loss"] == pytest.approx(row["valid_loss"], rel=1e-5)
        smoothed = torch.tensor(learn.recorder.losses)
        assert len(smoothed) == len(learn.recorder.lrs) == 8
        assert smoothed[-1].isfinite()
        assert smoothed.isfinite().sum() >= (32 - first) // 4

    def test_the_learning_rate_is_found_in_spite_of_one(self):
        dls, loss_func = of_pixels(4, 4)
        found = Learner(dls, nn.Conv1d(4, 2, 1), loss_func).lr_find(1e-4, 1e-1, 40)
        assert len(found.losses) == 35  # each eighth batch has no label
        assert torch.tensor(found.losses).isfinite().all()

    def test_one_that_is_nan_still_ends_it(self):
        dls, loss_func = of_pixels(0, 4)
        learn = Learner(dls, nn.Conv1d(4, 2, 1), lambda o, y: loss_func(o, y) * float("nan"))
        with pytest.raises(Diverged):
            learn.fit(1)


def test_the_number_of_batches_is_known_while_a_rate_is_sought():
    seen = []

    class Reads(Callback):
        def before_batch(self, learn):
            seen.append(learn.n_iter)

    Learner(loaders(), nn.Linear(4, 2), cbs=Reads()).lr_find(1e-4, 1e-1, 20)
    assert seen == [20] * 20


def test_it_is_an_error_in_words_where_it_is_not():
    class Endless(Callback):
        def after_train(self, learn):
            learn.train_on(pair for pair in [(X[:8], Y[:8])])

        def before_batch(self, learn):
            self.count = learn.n_iter

    with pytest.raises(VicinalError, match="batches without a length"):
        Learner(loaders(), nn.Linear(4, 2), cbs=Endless()).fit(1)


def test_samples_are_not_accumulated_for_an_optimizer_with_a_closure():
    learn = Learner(loaders(), nn.Linear(4, 2), opt_func=torch.optim.LBFGS)
    with pytest.raises(VicinalError, match="the gradients of 2 batches cannot be accumulated"):
        learn.fit(1, cbs=GradientAccumulation(32))


@pytest.mark.parametrize(
    ("epochs", "lr", "message"),
    [
        (1.5, 0.1, "a whole number of 1 or more, not 1.5"),
        ("2", 0.1, "a whole number of 1 or more, not '2'"),
        (1, -1.0, "must be numbers above 0, not -1.0"),
        (1, float("nan"), "must be numbers above 0, not nan"),
        (1, "fast", "must be numbers above 0, not 'fast'"),
        (1, torch.ones(2), "must be numbers above 0, not tensor"),
    ],
)
def test_epochs_and_rates_that_are_none(epochs, lr, message):
    with pytest.raises(VicinalError, match=message):
        Learner(loaders(), nn.Linear(4, 2)).fit(epochs, lr)
