"""fastai's names of callbacks: what they write, restore, stop and lower."""

import math
import operator

import numpy as np
import pytest
import torch
from small_trainings import network, same, state
from test_monitors import Scripted

from vicinal import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EarlyStoppingCallback,
    Learner,
    ReduceLROnPlateau,
    SaveBest,
    SaveModelCallback,
    TerminateOnNaNCallback,
    VicinalError,
    accuracy,
)
from vicinal.learner.tracker_callbacks import mode_of


class Rates(Callback):
    def __init__(self):
        self.rates = []

    def after_epoch(self, learn):
        self.rates.append(learn.optimizer.param_groups[0]["lr"])


def saved(folder):
    return sorted(file.stem for file in folder.rglob("*.safetensors"))


@pytest.mark.parametrize(("comp", "mode"), [
    (np.less, "min"), (np.greater, "max"), (torch.lt, None), (operator.lt, "min"), (None, None),
])  # fmt: skip
def test_comparisons(comp, mode):
    if comp is torch.lt:
        comp, mode = lambda a, b: torch.tensor(a) < torch.tensor(b), "min"
    assert mode_of(comp) == mode


@pytest.mark.parametrize("comp", ["less", np.equal, np.add, 3])
def test_a_comparison_that_says_nothing(comp):
    with pytest.raises(VicinalError, match=r"comp must be np\.less or np\.greater"):
        SaveModelCallback(comp=comp)


def test_early_stopping_has_a_patience_of_one(dls):
    learn = Learner(dls, network(), cbs=[Scripted([3, 2, 2, 1]), EarlyStoppingCallback()])
    learn.fit(4)
    assert len(learn.history) == 3
    assert isinstance(learn.early_stopping, EarlyStopping)


@pytest.mark.parametrize(("kwargs", "files", "ends_with"), [
    ({}, ["model"], 1),
    ({"fname": "best"}, ["best"], 1),
    ({"comp": np.greater}, ["model"], 0),
    ({"min_delta": 3}, ["model"], 0),
    ({"every_epoch": True}, ["model_0", "model_1", "model_2"], 2),
    ({"every_epoch": 2}, ["model_0", "model_2"], 2),
    ({"at_end": True}, ["model"], 2),
])  # fmt: skip
def test_what_is_saved(dls, tmp_path, kwargs, files, ends_with):
    script = Scripted([3, 1, 2])
    learn = Learner(dls, network(), path=tmp_path)
    learn.fit(3, 0.05, cbs=[script, SaveModelCallback(**kwargs)])
    assert saved(tmp_path) == files
    assert same(state(learn.model), script.weights[ends_with])
    assert same(state(learn.load(files[-1]).model), script.weights[ends_with])


def test_the_optimizer_is_kept_by_a_checkpoint():
    with pytest.raises(VicinalError, match=r"without with_opt, give Checkpoint\(file\)"):
        SaveModelCallback(with_opt=True)


def test_every_epoch_includes_the_last():
    with pytest.raises(VicinalError, match="takes one of every_epoch and at_end"):
        SaveModelCallback(every_epoch=True, at_end=True)


def test_two_that_save_the_best_disturb_each_other(dls, tmp_path):
    learn = Learner(dls, network(), path=tmp_path, cbs=[SaveModelCallback(), SaveBest()])
    with pytest.raises(VicinalError, match="2 callbacks SaveModelCallback and SaveBest, which"):
        learn.fit(1)


@pytest.mark.parametrize(("values", "kwargs", "rates"), [
    ([3, 2, 1, 0], {}, [1, 1, 1, 1]),
    ([3, 3, 3, 3], {}, [1, 0.1, 0.01, 0.001]),
    ([3, 3, 3, 3], {"patience": 2}, [1, 1, 0.1, 0.1]),
    ([3, 4, 2, 2], {"factor": 2}, [1, 0.5, 0.5, 0.25]),
    ([3, 3, 3, 3], {"min_lr": 5e-5}, [1, 0.1, 0.05, 0.05]),
    ([3, 3, 3, 3], {"min_lr": 5e-3}, [1, 1, 1, 1]),
    ([3, 2, 1, 0], {"comp": np.greater}, [1, 0.1, 0.01, 0.001]),
    ([math.nan, 1, 1, 0], {}, [0.1, 0.1, 0.01, 0.01]),
])  # fmt: skip
def test_the_rate_is_lowered(dls, values, kwargs, rates):
    note = Rates()
    note.order = 99
    learn = Learner(dls, network(), cbs=[Scripted(values), ReduceLROnPlateau(**kwargs), note])
    learn.fit(4, 1e-3)
    assert note.rates == pytest.approx([1e-3 * rate for rate in rates])


def test_each_group_has_a_rate_of_its_own(dls):
    learn = Learner(
        dls,
        network(),
        splitter=lambda model: [
            list(part.parameters()) for part in model if list(part.parameters())
        ],
    )
    note = []

    class Look(Callback):
        order = 99

        def after_epoch(self, learn):
            note.append([group["lr"] for group in learn.optimizer.param_groups])

    learn.fit(2, slice(1e-3, 1e-1), cbs=[Scripted([1, 1]), ReduceLROnPlateau(), Look])
    assert note[1] == pytest.approx([rate / 10 for rate in note[0]])


def test_a_schedule_sets_the_rate_anew(dls):
    learn = Learner(dls, network(), cbs=[Scripted([1, 1, 1]), ReduceLROnPlateau()])
    with pytest.warns(UserWarning, match="ReduceLROnPlateau has no effect, as a schedule sets"):
        learn.fit_one_cycle(3)


def test_a_resumed_training_continues_to_wait(dls, tmp_path):
    def train(resume, stops):
        note = Rates()
        note.order = 99
        lower = ReduceLROnPlateau(patience=2)
        checkpoint = Checkpoint(tmp_path / "checkpoint", resume=resume)
        values = [3, 3, 3, 3, 3] if not resume else [3, 3, 3]

        class Stop(Callback):
            def before_epoch(self, learn):
                if stops and learn.epoch == 2:
                    raise KeyboardInterrupt

        learn = Learner(dls, network(), cbs=[Scripted(values), lower, note, checkpoint, Stop])
        learn.fit(5, 1e-3)
        return note.rates

    whole = train(False, False)
    with pytest.raises(KeyboardInterrupt):
        train(False, True)
    assert train(True, False) == whole[2:]


@pytest.mark.parametrize("factor", [1, 0.5])
def test_the_factor_divides(factor):
    with pytest.raises(ValueError, match=f"factor must be above 1, not {factor}"):
        ReduceLROnPlateau(factor=factor)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_training_ends_at_a_loss_that_is_no_number(dls, bad, capsys):
    class Break(Callback):
        def after_loss(self, learn):
            if learn.training and len(steps) == 3:
                learn.loss = learn.loss * bad

    steps = []

    class Count(Callback):
        def after_step(self, learn):
            steps.append(state(learn.model))

    learn = Learner(dls, network(), cbs=[Break, Count, TerminateOnNaNCallback])
    learn.fit(2)
    assert len(steps) == 3
    assert not learn.history
    assert same(state(learn.model), {**steps[-1], **buffers(learn.model)})
    assert "stopped, as the loss became" in capsys.readouterr().out


def buffers(model):
    return {name: value.clone() for name, value in model.named_buffers()}


def test_they_run_together_by_uncalled_classes(dls, tmp_path):
    cbs = [SaveModelCallback, EarlyStoppingCallback, ReduceLROnPlateau, TerminateOnNaNCallback]
    learn = Learner(dls, network(), metrics=accuracy, path=tmp_path, cbs=cbs)
    learn.fit(2)
    assert saved(tmp_path) == ["model"]
