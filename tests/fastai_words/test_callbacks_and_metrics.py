"""Callbacks, metrics and losses of fastai's names, each against fastai's on the same batches."""

import inspect
import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

import vicinal
from vicinal import Callback, DataLoaders, Learner

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]

g = torch.Generator().manual_seed(0)
X, Y = torch.randn(48, 2, generator=g), torch.randint(2, (48,), generator=g)


class Batches(Callback):
    """Records the training batches, so that fastai can train on them."""

    def __init__(self):
        self.seen = []

    def before_batch(self, learn):
        if learn.training:
            self.seen.append((learn.x, learn.y))


def sgd(groups, lr):
    return torch.optim.SGD(groups, lr=lr)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))


def ours(folder, cbs, epochs=1, lr=0.5, metrics=(), bs=8):
    dls = DataLoaders.from_tensors(X, Y, X, Y, bs=bs, device="cpu")
    batches = Batches()
    learn = Learner(
        dls, network(), nn.CrossEntropyLoss(), opt_func=sgd, metrics=metrics, path=folder
    )
    learn.fit(epochs, lr, cbs=[batches, *cbs])
    return learn, batches.seen


def theirs(folder, cbs, batches, epochs=1, lr=0.5, metrics=(), opt_func=fastai.SGD):
    one = [(X, Y)]  # a batch of all samples
    dls = fastai.DataLoaders(
        fastai.DataLoader(batches, bs=None), fastai.DataLoader(one, bs=None), device="cpu"
    )
    learn = fastai.Learner(
        dls, network(), nn.CrossEntropyLoss(), path=folder, metrics=list(metrics),
        opt_func=opt_func,
    )  # fmt: skip
    with learn.no_bar(), learn.no_logging():
        learn.fit(epochs, lr, cbs=cbs)
    return learn


def assert_same(one, other):
    for mine, its in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "args"), [
    ("GradientAccumulation", (8,)),
    ("GradientAccumulation", (16,)),
    ("GradientAccumulation", (24,)),
    ("GradientClip", ()),
    ("GradientClip", (0.01,)),
    ("GradientClip", (0.01, 1.0)),
    ("GradientClip", (0.01, float("inf"))),
])  # fmt: skip
def test_gradients_are_the_same(tmp_path, name, args):
    learn, batches = ours(tmp_path, [getattr(vicinal, name)(*args)])
    assert_same(learn, theirs(tmp_path, [getattr(fastai, name)(*args)], batches))
    plain, _ = ours(tmp_path, [])
    is_plain = (name, args) in [("GradientAccumulation", (8,)), ("GradientClip", ())]
    change = (plain.model[0].weight - learn.model[0].weight).abs().max()
    assert (change < 1e-6) == is_plain


def scripted(values):
    """A metric with given values, one for each validation, which is of one batch."""
    each = itertools.cycle(values)

    def script(output, target):
        return torch.tensor(next(each))

    return script


SCRIPTS = [[3.0, 2, 1, 2, 2, 0], [1.0, 2, 3, 4, 5, 6], [2.0, 2, 2, 1.5, 1.4, 1.3]]
SETTINGS = [
    {},
    {"comp": np.greater},
    {"comp": np.less, "patience": 2},
    {"comp": np.less, "min_delta": 0.4, "patience": 2},
    {"comp": np.greater, "min_delta": 1.0, "patience": 3},
]


def pairs(settings):
    """Each of the settings with one of the scripts."""
    return list(zip(settings, itertools.cycle(SCRIPTS), strict=False))


@pytest.mark.parametrize(("kwargs", "values"), pairs(SETTINGS))
def test_trainings_stop_at_the_same_epoch(tmp_path, kwargs, values):
    kwargs = {"monitor": "script", **kwargs}
    stop = vicinal.EarlyStoppingCallback(**kwargs)
    learn, _ = ours(tmp_path, [stop], 6, metrics=scripted(values), bs=48)
    other = theirs(
        tmp_path, [fastai.EarlyStoppingCallback(**kwargs)], [(X, Y)], 6, metrics=[scripted(values)]
    )
    assert len(learn.history) == len(other.recorder.values)


class Rates(fastai.Callback):
    order = 90  # after ReduceLROnPlateau

    def before_fit(self):
        self.rates = []

    def after_epoch(self):
        self.rates.append(self.opt.hypers[-1]["lr"])


class OurRates(Callback):
    order = 90

    def __init__(self):
        self.rates = []

    def after_epoch(self, learn):
        self.rates.append(learn.optimizer.param_groups[-1]["lr"])


@pytest.mark.parametrize(
    ("kwargs", "values"), pairs([*SETTINGS, {"factor": 3.0}, {"factor": 100.0, "min_lr": 0.01}])
)
def test_rates_are_lowered_alike(tmp_path, values, kwargs):
    kwargs = {"monitor": "script", **kwargs}
    mine, its = OurRates(), Rates()
    cbs = [vicinal.ReduceLROnPlateau(**kwargs), mine]
    learn, _ = ours(tmp_path, cbs, 6, metrics=scripted(values), bs=48)
    cbs = [fastai.ReduceLROnPlateau(**kwargs), its]
    other = theirs(tmp_path, cbs, [(X, Y)], 6, metrics=[scripted(values)])
    assert mine.rates == pytest.approx(its.rates)
    assert_same(learn, other)


@pytest.mark.parametrize(("kwargs", "values"), pairs([
    {"comp": np.less}, {}, {"comp": np.less, "min_delta": 0.3}, {"fname": "best"},
    {"every_epoch": True}, {"every_epoch": 4}, {"at_end": True},
]))  # fmt: skip
def test_the_same_weights_are_saved_and_kept(tmp_path, values, kwargs):
    kwargs = {"monitor": "script", **kwargs}
    save = vicinal.SaveModelCallback(**kwargs)
    learn, _ = ours(tmp_path / "ours", [save], 6, metrics=scripted(values), bs=48)
    other = theirs(
        tmp_path / "theirs", [fastai.SaveModelCallback(**kwargs)], [(X, Y)], 6,
        metrics=[scripted(values)],
    )  # fmt: skip
    files = [
        sorted(file.stem for file in tmp_path.glob(f"{who}/models/*")) for who in ("ours", "theirs")
    ]
    assert files[0] == files[1]
    assert_same(learn, other)
    for name in files[0]:
        assert_same(learn.load(name), other.load(name))


CALLBACKS = [
    "CSVLogger", "EarlyStoppingCallback", "GradientAccumulation", "GradientClip",
    "ReduceLROnPlateau", "SaveModelCallback",
]  # fmt: skip


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_take_the_same_arguments(name):
    mine, its = (inspect.signature(getattr(room, name)) for room in (vicinal, fastai))
    assert [(p.name, p.default) for p in mine.parameters.values()] == [
        (p.name, p.default) for p in its.parameters.values()
    ]


SCORES, LABELS = torch.randn(60, 4, generator=g), torch.randint(4, (60,), generator=g)
PAIR, TWO = torch.randn(60, 2, generator=g), torch.randint(2, (60,), generator=g)
MANY = torch.randint(2, (60, 4), generator=g)
GUESS, TRUTH = torch.randn(60, 1, generator=g), torch.randn(60, 1, generator=g)
MASK_SCORES, MASKS = torch.randn(6, 2, 4, 4, generator=g), torch.randint(2, (6, 4, 4), generator=g)

CLASSES, BINARY, SEVERAL = (SCORES, LABELS), (PAIR, TWO), (SCORES, MANY)
VALUES, PIXELS = (GUESS, TRUTH), (MASK_SCORES, MASKS)
MACRO = {"average": "macro"}
METRICS = [
    *((name, MACRO, CLASSES) for name in ("F1Score", "Precision", "Recall", "Jaccard")),
    *((name, {}, BINARY) for name in ("F1Score", "Precision", "Recall", "Jaccard")),
    ("F1Score", {"average": "weighted"}, CLASSES),
    ("F1Score", {"pos_label": 0}, BINARY),
    ("FBeta", {"beta": 2, **MACRO}, CLASSES),
    *((name, {}, CLASSES) for name in (
        "BalancedAccuracy", "CohenKappa", "HammingLoss", "MatthewsCorrCoef", "RocAuc")),
    ("RocAuc", {"multi_class": "ovo", "average": "weighted"}, CLASSES),
    *((name, {}, BINARY) for name in ("RocAucBinary", "APScoreBinary")),
    *((f"{name}Multi", {}, SEVERAL) for name in (
        "F1Score", "Precision", "Recall", "Jaccard", "HammingLoss", "RocAuc", "APScore")),
    ("F1ScoreMulti", {"thresh": 0.7, "average": "samples"}, SEVERAL),
    ("FBetaMulti", {"beta": 0.5}, SEVERAL),
    *((name, {}, VALUES) for name in (
        "R2Score", "ExplainedVariance", "PearsonCorrCoef", "SpearmanCorrCoef")),
    *((name, {}, PIXELS) for name in ("Dice", "DiceMulti", "JaccardCoeff", "JaccardCoeffMulti")),
]  # fmt: skip


def reported(metric, output, target):
    """What fastai's Learner would show, of three batches."""
    learn = fastai.Learner.__new__(fastai.Learner)
    metric = fastai.mk_metric(metric)
    metric.reset()
    for pred, y in zip(output.split(25), target.split(25), strict=True):
        learn.__dict__.update(pred=pred, yb=(y,), xb=(pred,), loss=torch.tensor(0.0))
        learn.to_detach = lambda value: value
        metric.accumulate(learn)
    return metric.name, float(metric.value)


@pytest.mark.parametrize(("name", "kwargs", "data"), METRICS)
def test_metrics_are_the_same(name, kwargs, data):
    metric = getattr(vicinal, name)(**kwargs)
    for part in zip(*(each.split(25) for each in data), strict=True):
        metric.update(*part)
    found = metric.__name__, metric.compute()
    its_name, its_value = reported(getattr(fastai, name)(**kwargs), *data)
    assert found == (its_name, pytest.approx(its_value, rel=1e-5))


POSITIVE = (torch.rand(60, 1, generator=g), torch.rand(60, 1, generator=g))
FUNCTIONS = [
    ("accuracy", {}, CLASSES), ("error_rate", {}, CLASSES), ("top_k_accuracy", {"k": 2}, CLASSES),
    ("accuracy_multi", {}, SEVERAL), ("accuracy_multi", {"thresh": 0.8}, SEVERAL),
    ("accuracy_multi", {"thresh": 0.2, "sigmoid": False}, SEVERAL),
    ("mae", {}, VALUES), ("mse", {}, VALUES), ("rmse", {}, VALUES), ("exp_rmspe", {}, VALUES),
    ("msle", {}, POSITIVE), ("foreground_acc", {}, PIXELS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "data"), FUNCTIONS)
def test_metric_functions_are_the_same(name, kwargs, data):
    found = getattr(vicinal, name)(*data, **kwargs)
    its = getattr(fastai, name)
    if name in ("rmse", "exp_rmspe"):
        assert found.item() == pytest.approx(reported(its, *data)[1], rel=1e-5)
    else:
        torch.testing.assert_close(found, torch.as_tensor(its(*data, **kwargs)))


@pytest.mark.parametrize("name", sorted({name for name, *_ in METRICS} - {"Dice"}))
def test_metrics_take_the_same_arguments(name):
    mine, its = (inspect.signature(getattr(room, name)).parameters for room in (vicinal, fastai))
    names = [each for each in its if each not in ("kwargs", "beta")]
    if name.startswith("FBeta"):  # the others are passed on
        names = []
    found = [each for each in mine if each not in ("args", "kwargs", "beta")]
    if name in ("PearsonCorrCoef", "SpearmanCorrCoef"):  # theirs are AccumMetric's
        assert not found
        return
    assert found[: len(names)] == names
    for each in names:
        assert mine[each].default == its[each].default, each


LOSSES = [
    ("DiceLoss", {}, PIXELS), ("DiceLoss", {"square_in_union": True, "smooth": 0.1}, PIXELS),
    ("DiceLoss", {"reduction": "mean"}, PIXELS),
    ("BCELossFlat", {}, (SCORES.sigmoid(), MANY)),
    ("LabelSmoothingCrossEntropy", {}, CLASSES),
    ("LabelSmoothingCrossEntropy", {"eps": 0.3, "reduction": "sum"}, CLASSES),
    ("LabelSmoothingCrossEntropyFlat", {}, CLASSES),
    ("CrossEntropyLossFlat", {"weight": torch.tensor([1.0, 2, 3, 4])}, CLASSES),
    ("CrossEntropyLossFlat", {"axis": 1}, PIXELS),
    ("FocalLoss", {}, CLASSES), ("FocalLoss", {"gamma": 0.5}, CLASSES),
    ("FocalLoss", {"weight": torch.tensor([1.0, 2, 3, 4])}, CLASSES),
    ("FocalLoss", {"reduction": "sum"}, CLASSES),
    ("FocalLossFlat", {"gamma": 1.0}, CLASSES), ("FocalLossFlat", {"axis": 1}, PIXELS),
    ("MSELossFlat", {}, VALUES), ("MSELossFlat", {}, (GUESS, TRUTH[:, 0])),
    ("L1LossFlat", {}, (GUESS[:, 0], TRUTH)),
    ("BCEWithLogitsLossFlat", {}, SEVERAL),
    ("BCEWithLogitsLossFlat", {"reduction": "sum"}, SEVERAL),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "data"), LOSSES)
def test_losses_are_the_same(name, kwargs, data):
    found = getattr(vicinal, name)(**kwargs)(*data)
    its = getattr(fastai, name)(**kwargs)(*data)
    torch.testing.assert_close(found, its.as_subclass(torch.Tensor))


def test_label_smoothing_with_class_weights_is_torchs():
    """A difference: torch weights the smoothed part, too."""
    weight = torch.tensor([1.0, 2, 3, 4])
    found = vicinal.LabelSmoothingCrossEntropy(weight=weight)(*CLASSES)
    torchs = nn.CrossEntropyLoss(weight, label_smoothing=0.1)(*CLASSES)
    torch.testing.assert_close(found, torchs)
    its = fastai.LabelSmoothingCrossEntropy(weight=weight)(*CLASSES)
    assert abs(found - its) > 1e-3


@pytest.mark.parametrize(("column", "mine", "its"), [
    ("valid_loss", "min", np.less), ("error_rate", "min", np.less),
    ("accuracy", "max", np.greater), ("f1_score", "max", np.greater),
    ("rmse", "min", np.greater), ("mae", "min", np.greater), ("mse", "min", np.greater),
])  # fmt: skip
def test_what_is_better(column, mine, its):
    """A difference: fastai takes the highest of errors whose name lacks loss and error."""
    assert vicinal.SaveModelCallback(column).mode == mine
    assert fastai.SaveModelCallback(column).comp is its


def test_what_is_left_of_an_epoch_steps_at_its_end(tmp_path):
    """A difference: fastai carries the gradients over, and divides by n_acc whatever it has."""
    steps = []

    class Steps(Callback):
        def after_step(self, learn):
            steps.append(learn.epoch)

    ours(tmp_path, [vicinal.GradientAccumulation(32), Steps()], 2)  # of 6 batches of 8
    assert steps == [0, 0, 1, 1]
    whole, batches = ours(tmp_path, [vicinal.GradientAccumulation(4)])
    assert_same(whole, ours(tmp_path, [])[0])
    its = theirs(tmp_path, [fastai.GradientAccumulation(4)], batches)  # gradients twice as large
    assert_same(its, theirs(tmp_path, [], batches, lr=1.0))


def test_perplexity_is_of_all_samples():
    dls = DataLoaders.from_tensors(X[:, :1], Y, X[:, :1], Y, bs=16, device="cpu")
    for metric in (vicinal.perplexity, vicinal.Perplexity, vicinal.Perplexity()):
        learn = Learner(dls, nn.Linear(1, 2), metrics=metric)
        loss, found = learn.validate()
        assert found == pytest.approx(np.exp(loss))
        assert "valid_perplexity" in learn.validate()
    assert fastai.Perplexity().name == "perplexity"


@pytest.mark.parametrize(("cbs", "message"), [
    (fastai.SaveModelCallback(), "fastai's SaveModelCallback works in fastai's Learner alone: imp"),
    (fastai.MixUp, "import MixUp from vicinal"),
    (fastai.ShowGraphCallback, r"fastai's ShowGraphCallback .* alone: give MixUp\(\)"),
])  # fmt: skip
def test_fastais_callbacks_are_named(cbs, message):
    dls = DataLoaders.from_tensors(X, Y, X, Y, bs=16, device="cpu")
    with pytest.raises(vicinal.VicinalError, match=message):
        Learner(dls, network(), cbs=cbs)


@pytest.mark.parametrize(("name", "hint"), [
    ("F1Score", "such as F1Score, from vicinal"), ("Dice", "import Dice from vicinal"),
])  # fmt: skip
def test_fastais_metrics_are_named(name, hint):
    dls = DataLoaders.from_tensors(X, Y, X, Y, bs=16, device="cpu")
    with pytest.raises(vicinal.VicinalError, match=f"works in fastai's Learner .* {hint}"):
        Learner(dls, network(), metrics=getattr(fastai, name)())
