"""Stopping early and saving the best weights, by columns that are written by hand; resuming."""

import math
from functools import partial

import pytest
import torchmetrics
from disturbances import At
from small_trainings import Note, network, same, state
from torchmetrics.regression import TweedieDevianceScore

from vicinal import (
    EMA,
    AccumulateGradients,
    Callback,
    CancelFit,
    Checkpoint,
    ClipGradients,
    EarlyStopping,
    Learner,
    SaveBest,
    VicinalError,
    accuracy,
    error_rate,
    exp_rmspe,
)
from vicinal.learner.monitors import better
from vicinal.scores.masks import ClassIoU


class Scripted(Callback):
    """Writes given values into a column of the history, as if they had been measured."""

    order = 81

    def __init__(self, values, column="valid_loss"):
        self.values, self.column, self.weights = list(values), column, []

    def after_epoch(self, learn):
        learn.history[-1][self.column] = self.values[len(self.weights)]
        self.weights.append(state(learn.model))


NAN = math.nan


@pytest.mark.parametrize(("values", "kwargs", "epochs"), [
    ([5, 4, 3, 2, 1, 0], {"patience": 1}, 6),
    ([5, 4, 4, 4, 4, 4], {"patience": 2}, 4),
    ([5, 6, 4, 6, 6, 6], {"patience": 2}, 5),
    ([5, 4.5, 4, 3.5, 3, 3], {"patience": 2, "min_delta": 0.5}, 6),
    ([5, 4.7, 4.6, 3.5, 3, 3], {"patience": 2, "min_delta": 0.5}, 3),
    ([NAN, NAN, NAN, 1, 1, 1], {"patience": 3}, 3),
    ([5, NAN, 4, NAN, NAN, 1], {"patience": 2}, 5),
    ([1, 2, 3, 3, 3, 3], {"patience": 2, "mode": "max"}, 5),
])  # fmt: skip
def test_it_stops_when_nothing_improves(dls, values, kwargs, epochs):
    learn = Learner(dls, network(), cbs=[Scripted(values), EarlyStopping(**kwargs)])
    learn.fit(6)
    assert len(learn.history) == epochs


def test_all_callbacks_receive_the_last_epoch(dls, capsys):
    ends = []

    class End(Callback):
        order = 1000

        def after_epoch(self, learn):
            ends.append(learn.epoch)

    Learner(dls, network(), cbs=[EarlyStopping(patience=1), End, Scripted([1] * 5)]).fit(5)
    assert ends == [0, 1]
    *table, last = capsys.readouterr().out.strip().splitlines()
    assert len(table) == 3
    assert last == "stopped, as valid_loss has not improved for 1 epoch"


def test_each_training_is_monitored_separately(dls, tmp_path):
    script = Scripted([1, 9, 9, 8, 7, 7, 7])
    cbs = [script, EarlyStopping(patience=2), SaveBest()]
    learn = Learner(dls, network(), cbs=cbs, path=tmp_path)
    learn.fit(6)
    assert len(learn.history) == 3
    learn.fit(6)
    assert len(learn.history) == 7
    assert same(state(learn.model), script.weights[4])


@pytest.mark.parametrize(("values", "column", "mode", "best"), [
    ([3, 1, 2], "valid_loss", None, 1),
    ([3, 1, 1], "valid_loss", None, 1),
    ([3, 1, 4], "valid_accuracy", None, 2),
    ([3, 1, 4], "valid_error_rate", None, 1),
    ([3, 1, 4], "valid_loss", "max", 2),
    ([NAN, 3, NAN], "valid_loss", None, 1),
    ([-math.inf, 3, math.inf], "train_loss", None, 1),
])  # fmt: skip
def test_the_best_weights_are_saved_and_loaded(dls, tmp_path, values, column, mode, best):
    script = Scripted(values, column)
    learn = Learner(dls, network(), metrics=[accuracy, error_rate], path=tmp_path)
    learn.fit(3, 0.05, cbs=[script, SaveBest("chosen", column, mode)])
    assert same(state(learn.model), script.weights[best])
    assert same(state(learn.load("chosen").model), script.weights[best])
    assert [file.name for file in (tmp_path / "models").iterdir()] == ["chosen.safetensors"]


def test_without_a_number_nothing_is_saved_or_loaded(dls, tmp_path):
    script = Scripted([NAN, NAN])
    learn = Learner(dls, network(), cbs=[script, SaveBest()], path=tmp_path)
    learn.fit(2, 0.05)
    assert same(state(learn.model), script.weights[-1])
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("error", [CancelFit(), KeyboardInterrupt(), RuntimeError("broken")])
def test_the_best_weights_are_loaded_however_it_ends(dls, tmp_path, error):
    script = Scripted([2, 1, 3])
    cbs = [script, SaveBest(), At("after_backward", error, time=35)]
    learn = Learner(dls, network(), cbs=cbs, path=tmp_path)
    if isinstance(error, CancelFit):
        learn.fit(5, 0.05)
    else:
        with pytest.raises(type(error)):
            learn.fit(5, 0.05)
    assert same(state(learn.model), script.weights[1])


@pytest.mark.parametrize("backwards", [False, True])
def test_the_best_average_is_what_was_validated(dls, tmp_path, backwards):
    class Shown(Callback):
        order = 74  # before the average goes out

        def __init__(self):
            self.weights = []

        def after_validate(self, learn):
            self.weights.append(state(learn.model))

    shown, note = Shown(), Note()
    cbs = [Scripted([3, 1, 2]), SaveBest(), EMA(0.9), shown, note]
    learn = Learner(dls, network(), cbs=cbs[::-1] if backwards else cbs, path=tmp_path)
    learn.fit(3, 0.05)
    assert same(state(learn.model), shown.weights[1])
    assert not same(shown.weights[1], note.weights[19])
    assert same(state(learn.load("best").model), shown.weights[1])
    assert len(note.weights) == 30


def test_a_metric_is_monitored_by_its_own_name(dls, tmp_path):
    script = Scripted([3, 1, 4, 2], "valid_accuracy")
    learn = Learner(dls, network(), metrics=accuracy, path=tmp_path)
    learn.fit(4, 0.05, cbs=[script, SaveBest(monitor="accuracy")])
    assert same(state(learn.model), script.weights[2])


def test_it_says_which_weights_it_ends_with(dls, tmp_path, capsys):
    learn = Learner(dls, network(), path=tmp_path, cbs=[Scripted([3, 1.5, 2, 9]), SaveBest()])
    learn.fit(3)
    said = "the weights are those of epoch 2, the best by valid_loss: 1.5000"
    assert capsys.readouterr().out.splitlines()[-1] == said
    with learn.no_logging():
        learn.fit(1)
    assert not capsys.readouterr().out


def test_a_mistyped_column_is_corrected(dls):
    learn = Learner(dls, network(), metrics=accuracy, cbs=SaveBest(monitor="acuracy"))
    with pytest.raises(
        VicinalError, match=r"'acuracy', .*: did you mean valid_accuracy, of train_"
    ):
        learn.fit(1)


@pytest.mark.parametrize(("reset", "best"), [(True, 2), (False, 1)])
def test_the_best_may_be_of_an_earlier_training(dls, tmp_path, reset, best):
    script = Scripted([3, 1, 2, 5])
    callback = SaveBest(reset_on_fit=reset)
    learn = Learner(dls, network(), path=tmp_path, cbs=[script, callback])
    learn.fit(2, 0.05)
    learn.fit(2, 0.05)
    assert same(state(learn.model), script.weights[best])


def test_a_history_that_was_cleared_has_no_best(dls, tmp_path):
    script, callback = Scripted([3, 1, 2, 5]), SaveBest(reset_on_fit=False)
    learn = Learner(dls, network(), path=tmp_path, cbs=[script])
    learn.fit(1)
    learn.fit(1, cbs=callback)
    learn.history.clear()
    learn.fit(2, 0.05, cbs=callback)
    assert same(state(learn.model), script.weights[2])


def test_patience_begins_anew_with_each_training(dls):
    stop = EarlyStopping(patience=2, reset_on_fit=False)
    learn = Learner(dls, network(), cbs=[Scripted([1, 9, 9, 9, 9, 9, 9]), stop])
    learn.fit(2)
    learn.fit(9)
    assert len(learn.history) == 4  # of the second training, none is better than the first's


def test_the_best_by_min_delta_is_not_the_last_that_is_better(dls, tmp_path):
    script = Scripted([5, 4.8, 4, 3.9])
    learn = Learner(dls, network(), path=tmp_path)
    learn.fit(4, 0.05, cbs=[script, SaveBest(min_delta=0.5)])
    assert same(state(learn.model), script.weights[2])


@pytest.mark.parametrize("kind", [EarlyStopping, SaveBest])
def test_a_missing_column(dls, kind):
    learn = Learner(dls, network(), metrics=accuracy, cbs=kind(monitor="f1"))
    message = f"{kind.__name__} cannot monitor 'f1', which is not a column.*: use one of "
    with pytest.raises(VicinalError, match=message + "train_loss, valid_loss, valid_accuracy"):
        learn.fit(1)
    assert learn.history == []


@pytest.mark.parametrize(("column", "mode"), [
    ("valid_loss", "min"), ("train_loss", "min"), ("valid_error_rate", "min"),
    ("valid_rmse", "min"), ("valid_mae", "min"), ("valid_MeanSquaredError", "min"),
    ("valid_expected_calibration_error", "min"), ("valid_perplexity", "min"),
    ("valid_accuracy", "max"), ("valid_top_k_accuracy", "max"), ("valid_f1", "max"),
    ("valid_r2", "max"), ("valid_precise", "max"),
])  # fmt: skip
def test_whether_lower_is_better(column, mode):
    assert better(column) == EarlyStopping(column).mode == SaveBest("best", column).mode == mode


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: AccumulateGradients(0), ValueError, "batches must be 1 or more, not 0"),
    (lambda: AccumulateGradients(1.5), TypeError, "batches must be a whole number, not 1.5"),
    (lambda: ClipGradients(0), ValueError, "norm must be above 0, not 0"),
    (lambda: ClipGradients(-1), ValueError, "norm must be 0 or more, not -1"),
    (lambda: ClipGradients("1"), TypeError, "norm must be a number, not '1'"),
    (lambda: EMA(1), ValueError, "decay must be below 1, not 1: the average would never move"),
    (lambda: EMA(1.5), ValueError, "decay must be between 0 and 1, not 1.5"),
    (lambda: EMA(None), TypeError, "decay must be a number, not None"),
    (lambda: EarlyStopping(patience=0), ValueError, "patience must be 1 or more, not 0"),
    (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be 0 or more, not -1"),
    (lambda: EarlyStopping(mode="up"), ValueError, "mode must be one of 'min', 'max', not 'up'"),
    (lambda: SaveBest(mode=1), ValueError, "mode must be one of 'min', 'max', not 1"),
])  # fmt: skip
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "make", [lambda: AccumulateGradients(2), lambda: ClipGradients(1.0), EMA, SaveBest]
)
def test_a_second_one_is_refused(dls, make):
    cbs = [make(), make()]
    name = type(cbs[0]).__name__
    with pytest.raises(VicinalError, match=f"has 2 callbacks {name}, .*: give one"):
        Learner(dls, network(), cbs=cbs).fit(1)


class Killed(Callback):
    """Stands for a process that is killed after an epoch whose checkpoint was written."""

    order = 1000

    def __init__(self, after):
        self.after = after

    def after_epoch(self, learn):
        if learn.epoch + 1 == self.after:
            raise SystemExit


class ScriptedByEpoch(Scripted):
    def after_epoch(self, learn):
        learn.history[-1][self.column] = self.values[learn.epoch]


@pytest.mark.parametrize("killed", [1, 2, 3, 4])
def test_a_killed_training_resumes_with_all_of_them(dls, tmp_path, killed):
    def start(folder, after=None, resume=False):
        dls.train.sampler.epoch = 0
        cbs = [EMA(0.9), SaveBest(), EarlyStopping(patience=2), AccumulateGradients(3)]
        cbs += [ScriptedByEpoch([3, 2, 4, 5, 1, 1]), ClipGradients(0.5), Killed(after)]
        learn = Learner(dls, network(), cbs=cbs, path=folder)
        return learn, lambda: learn.fit_one_cycle(
            6, 0.05, cbs=Checkpoint(folder / "checkpoint", resume=resume)
        )

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, train = start(tmp_path / "whole")
    train()
    _, train = start(tmp_path / "killed", after=killed)
    with pytest.raises(SystemExit):
        train()
    resumed, train = start(tmp_path / "killed", resume=True)
    train()
    assert len(whole.history) == len(resumed.history) == 4
    assert same(state(whole.model), state(resumed.model))
    assert same(state(whole.load("best").model), state(resumed.load("best").model))


@pytest.mark.parametrize(("column", "metric", "mode"), [
    ("valid_exp_rmspe", None, "min"), ("valid_smape", None, "min"), ("valid_wer", None, "min"),
    ("valid_blossom", None, "max"), ("valid_brierloss", None, "min"),
    ("valid_ErrorRate", None, "min"), ("valid_loss1", None, "min"), ("valid_lossfn", None, "min"),
    ("valid_MeanAbsoluteErrorMetric", None, "min"), ("valid_iou_glossy", None, "max"),
    ("valid_score", partial(exp_rmspe), "min"), ("valid_iou_loss", ClassIoU(0, "loss"), "max"),
    ("valid_TweedieDevianceScore", TweedieDevianceScore(), "min"),
    ("valid_MeanMetric", torchmetrics.MeanMetric(), "max"),  # which does not say
])  # fmt: skip
def test_a_metric_says_which_direction_is_better(column, metric, mode):
    assert better(column, metric) == mode


def test_the_best_of_a_metric_that_says_what_is_better(dls, tmp_path):
    class Waste:
        __name__ = "score"
        higher_is_better = False

        def __call__(self, output, target):
            return output.square().mean()

    script = Scripted([3, 1, 2], "valid_score")
    callback = SaveBest(monitor="score")
    learn = Learner(dls, network(), metrics=Waste(), path=tmp_path)
    learn.fit(3, 0.05, cbs=[script, callback])
    assert same(state(learn.model), script.weights[1])
    stop = EarlyStopping("score", mode="max", patience=1)  # what the user says counts
    learn.fit(3, 0.0, cbs=stop)
    assert stop.mode == "max"
