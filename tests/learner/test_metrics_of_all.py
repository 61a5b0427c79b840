"""Metrics in a training: of all samples together, by objects and classes, and what is no metric."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics
from small_trainings import network
from torch import nn

from vicinal import (
    AccumMetric,
    BCEWithLogitsLossFlat,
    Callback,
    CohenKappa,
    CrossEntropyLossFlat,
    DataLoaders,
    DiceMulti,
    F1Score,
    FocalLossFlat,
    Learner,
    MixUp,
    OrdinalLoss,
    RocAuc,
    RocAucBinary,
    SaveModelCallback,
    VicinalError,
    accuracy,
    accuracy_multi,
    error_rate,
    foreground_acc,
    mae,
    ordinal_class,
    rmse,
    skm_to_fastai,
    top_k_accuracy,
)
from vicinal.learner.callbacks import as_metrics


def four_classes(bs=8):
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(90, 2, generator=g), torch.randint(4, (90,), generator=g)
    return DataLoaders.from_tensors(x[:60], y[:60], x[60:], y[60:], bs=bs, device="cpu")


def outputs(learn):
    batches = [(learn.model.eval()(x), y) for x, y in learn.dls.valid]
    return tuple(torch.cat(each).detach() for each in zip(*batches, strict=True))


def test_a_score_is_of_the_whole_part_and_no_mean_of_batches():
    dls = four_classes()
    learn = Learner(dls, nn.Linear(2, 4), metrics=[accuracy, F1Score(average="macro"), RocAuc()])
    learn.fit(2, 0.1, cbs=MixUp)
    scores, y = outputs(learn)
    row = learn.history[-1]
    f1 = sklearn.metrics.f1_score(y, scores.argmax(1), average="macro")
    assert row["valid_f1_score"] == pytest.approx(f1)
    auc = sklearn.metrics.roc_auc_score(y, scores.softmax(1), multi_class="ovr")
    assert row["valid_roc_auc_score"] == pytest.approx(auc)
    each = [sklearn.metrics.f1_score(y, s.argmax(1), average="macro")
            for s, y in zip(scores.split(16), y.split(16), strict=True)]  # fmt: skip
    assert f1 != pytest.approx(sum(each) / len(each), abs=0.01)
    assert list(row) == [
        *("epoch", "train_loss", "valid_loss", "valid_accuracy"),
        *("valid_f1_score", "valid_roc_auc_score", "seconds"),
    ]


def test_a_metric_of_torchmetrics():
    metric = torchmetrics.F1Score(task="multiclass", num_classes=4, average="macro")
    learn = Learner(four_classes(), nn.Linear(2, 4), metrics=metric)
    learn.fit(1)
    scores, y = outputs(learn)
    f1 = sklearn.metrics.f1_score(y, scores.argmax(1), average="macro")
    assert learn.history[-1]["valid_MulticlassF1Score"] == pytest.approx(f1)
    assert learn.validate()["valid_MulticlassF1Score"] == pytest.approx(f1)
    assert metric._update_count == 0  # the learner's is a copy


def test_a_callback_may_validate_within_a_validation():
    class Validate(Callback):
        def after_batch(self, learn):
            if not learn.training and not learn.history:
                learn.validate()

    pair = []
    for cbs in ([], [Validate]):
        torch.manual_seed(0)
        metrics = [F1Score(average="macro"), rmse_of_classes]
        learn = Learner(four_classes(), nn.Linear(2, 4), metrics=metrics, cbs=cbs)
        learn.fit(1)
        pair.append({k: v for k, v in learn.history[-1].items() if k != "seconds"})
    assert pair[0] == pair[1]


def rmse_of_classes(output, target):
    return rmse(output.argmax(1).float(), target.float())


def test_a_score_may_be_monitored(dls, tmp_path):
    learn = Learner(dls, network(), metrics=F1Score, path=tmp_path)
    learn.fit(2, 0.05, cbs=SaveModelCallback("f1_score"))
    assert learn.validate()["valid_f1_score"] == max(r["valid_f1_score"] for r in learn.history)


@pytest.mark.parametrize("metrics", [[accuracy], accuracy, (accuracy,), None, []])
def test_metrics_may_be_replaced(dls, metrics):
    learn = Learner(dls, network())
    learn.metrics = metrics
    assert list(learn.validate().keys()) == ["valid_loss"] + ["valid_accuracy"] * bool(metrics)


def test_the_numbers_of_a_validation(dls):
    learn = Learner(dls, network(), metrics=[accuracy, F1Score()])
    loss, acc, f1 = scores = learn.validate()
    assert (loss, acc, f1) == scores == tuple(dict(scores).values())
    assert scores[1] == scores["valid_accuracy"] == acc
    assert "valid_f1_score" in scores
    assert {**scores} == dict(scores.items())


def test_another_part_is_validated(dls):
    learn = Learner(dls, network(), metrics=accuracy)
    train, valid = learn.validate(0), learn.validate(1)
    assert train != valid
    assert learn.validate(dl=dls.train) == train  # the order of the next training is the same
    assert learn.validate(dl=dls.valid) == valid
    assert learn.validate(dl=list(dls.valid)) == valid
    assert dls.train.sampler.epoch == 0
    with pytest.raises(VicinalError, match="ds_idx is 0 for the training part"):
        learn.validate(2)


@pytest.mark.parametrize(("metrics", "message"), [
    ("accuracy", "'accuracy' is a text and no metric: write accuracy without quotes"),
    ("acuracy", "did you mean accuracy, without quotes"),
    ([3], "3 is no metric: give one such as accuracy"),
    (nn.CrossEntropyLoss, "is no metric"),
    (F1Score, r'F1Score\(\) is for two classes, and there are 4: give F1Score\(average="macro"\)'),
    (RocAucBinary(), r"is for two classes, and there are 4: use RocAuc\(\)"),
    (sklearn.metrics.f1_score, r"scikit-learn's f1_score .* give skm_to_fastai\(f1_score\)"),
    (torchmetrics.Accuracy, r"Accuracy has no default: give Accuracy\(task=…\)"),
    ([accuracy, accuracy], "two metrics are called accuracy"),
])  # fmt: skip
def test_what_is_no_metric(metrics, message):
    with pytest.raises(VicinalError, match=message):
        Learner(four_classes(), nn.Linear(2, 4), metrics=metrics)


@pytest.mark.parametrize("metric", [
    torchmetrics.F1Score(task="multiclass", num_classes=4, average="none"),
    torchmetrics.MetricCollection([torchmetrics.Accuracy(task="multiclass", num_classes=4)]),
])  # fmt: skip
def test_a_metric_that_gives_several_numbers(metric):
    with pytest.raises(VicinalError, match=r"and not one number: average over"):
        Learner(four_classes(), nn.Linear(2, 4), metrics=metric).validate()


def test_scores_of_one_name_can_be_renamed():
    macro, micro = F1Score(average="macro"), F1Score(average="micro")
    micro.__name__ = "micro"
    assert as_metrics([macro, micro], None) == [macro, micro]


def test_a_function_of_ones_own(dls):
    largest = AccumMetric(lambda output, y: output.max(), name="largest", flatten=False)
    zero_one = skm_to_fastai(sklearn.metrics.zero_one_loss)
    learn = Learner(dls, network(), metrics=[largest, zero_one, partial(accuracy)])
    scores, _ = outputs(learn)
    found = learn.validate()
    assert found["valid_largest"] == pytest.approx(scores.max().item())
    assert found["valid_zero_one_loss"] == pytest.approx(1 - found["valid_accuracy"])


def test_a_metric_may_return_any_number(dls):
    class Largest:
        def reset(self):
            self.found = []

        def update(self, output, target):
            self.found.append(output.max().numpy(force=True))

        def compute(self):
            return np.max(self.found)  # a NumPy float32

    learn = Learner(dls, network(), metrics=Largest)
    assert learn.validate()["valid_Largest"] == pytest.approx(outputs(learn)[0].max().item())


ORDINAL = [accuracy, error_rate, F1Score(average="macro"), CohenKappa(weights="quadratic")]


@pytest.mark.parametrize("metric", [*ORDINAL, partial(accuracy, ignore_index=9)])
def test_thresholds_are_not_taken_for_scores_of_classes(metric):
    """An ordinal network has an output less than there are classes."""
    y = torch.arange(20) % 5
    z = torch.where(y[:, None] > torch.arange(4), 8.0, -8.0)
    dls = DataLoaders.from_tensors(z, y, z, y, bs=10, device="cpu")
    learn = Learner(dls, nn.Linear(4, 4), OrdinalLoss(5), metrics=metric)
    sentence = "needs a score for each of the 5 classes, and the network has 4 outputs"
    with pytest.raises(VicinalError, match=sentence):
        learn.validate()
    with pytest.raises(VicinalError, match=sentence):
        learn.fit(1, cbs=MixUp)
    assert learn.history == []
    own = Learner(dls, nn.Identity(), OrdinalLoss(5), metrics=class_error)
    assert own.validate()["valid_class_error"] == 0


class OrdinalRight(torchmetrics.MeanMetric):
    def update(self, output, y):
        super().update((ordinal_class(output) == y).float())


def test_what_finds_the_class_itself_and_scores_of_fewer_classes_are_taken():
    y = torch.arange(20) % 5
    z = torch.where(y[:, None] > torch.arange(4), 8.0, -8.0)
    dls = DataLoaders.from_tensors(z, y, z, y, bs=10, device="cpu")
    learn = Learner(dls, nn.Identity(), OrdinalLoss(5), metrics=OrdinalRight())
    assert learn.validate()["valid_OrdinalRight"] == 1
    halves = Learner(dls, nn.Linear(4, 2), nn.CrossEntropyLoss(), metrics=accuracy)
    assert 0 <= halves.validate(dl=[(z, y % 2)])["valid_accuracy"] <= 1


def class_error(output, y):
    return mae(ordinal_class(output), y)


def test_one_logit_of_two_classes():
    y = (torch.arange(20) % 4 == 0).long()
    x = torch.where(y == 1, 5.0, -5.0)[:, None]
    dls = DataLoaders.from_tensors(x, y, x, y, bs=10, vocab=["no", "yes"], device="cpu")
    learn = Learner(dls, nn.Identity(), BCEWithLogitsLossFlat(), metrics=accuracy_multi)
    assert learn.validate()["valid_accuracy_multi"] == 1
    learn.metrics = accuracy
    with pytest.raises(VicinalError, match="the network has 1 output: give it 2"):
        learn.validate()


@pytest.mark.parametrize("bs", [2, 3, 8])
@pytest.mark.parametrize("loss", [
    nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.0])),
    nn.CrossEntropyLoss(ignore_index=0),
    CrossEntropyLossFlat(ignore_index=1, weight=torch.tensor([1.0, 2.0])),
    nn.CrossEntropyLoss(label_smoothing=0.1),
])  # fmt: skip
def test_the_loss_of_a_part_is_the_criterion_of_all_its_samples(loss, bs):
    """Where its mean weights labels or skips them, too; batches have unlike ones, or only such."""
    x, y = torch.randn(8, 2), torch.tensor([0, 0, 0, 1, 0, 1, 1, 1])
    dls = DataLoaders.from_tensors(x, y, x, y, bs=bs, device="cpu")
    learn = Learner(dls, nn.Identity(), loss)
    batches = list(zip(x.split(bs), y.split(bs), strict=True))
    assert learn.validate(dl=batches)["valid_loss"] == pytest.approx(loss(x, y).item())


AXES = [
    (accuracy, r"accuracy takes the classes from axis 1 of outputs \(10, 4, 4\), and the loss from "
     r"axis -1: give both the same axis, as in partial\(accuracy, axis=-1\)"),
    (partial(error_rate, ignore_index=9), "error_rate takes the classes from axis 1"),
    (partial(top_k_accuracy, k=2), r"the same axis, as in partial\(top_k_accuracy, axis=-1"),
    (F1Score(axis=1, average="macro"), r"from axis -1: give both the same axis$"),
    (foreground_acc, r"the same axis, as in partial\(foreground_acc, axis=-1"),
    (DiceMulti(), "dice_multi takes the classes from axis 1"),
]  # fmt: skip


def positions():
    """Sequences of as many positions as there are classes, of which most are predicted."""
    y = torch.arange(80).view(20, 4) ** 2 % 4
    x = torch.eye(4)[y] * 3  # (B, T, C)
    dl = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=10)
    return DataLoaders(dl, dl)


@pytest.mark.parametrize(("metric", "sentence"), AXES)
def test_metrics_and_the_loss_take_the_classes_from_the_same_axis(metric, sentence):
    for learn in (
        Learner(positions(), nn.Identity(), CrossEntropyLossFlat(), metrics=metric),
        Learner(positions(), nn.Identity(), FocalLossFlat(), metrics=metric),
    ):
        with pytest.raises(VicinalError, match=sentence):
            learn.validate()


def test_with_the_classes_last_metrics_score_them():
    metrics = [partial(accuracy, axis=-1), partial(error_rate, axis=-1), DiceMulti(axis=-1)]
    metrics += [F1Score(average="macro"), partial(top_k_accuracy, k=1, axis=-1)]
    learn = Learner(positions(), nn.Identity(), CrossEntropyLossFlat(), metrics=metrics)
    names = ("accuracy", "error_rate", "dice_multi", "f1_score", "top_k_accuracy")
    found = learn.validate()
    assert [found[f"valid_{name}"] for name in names] == pytest.approx([1, 0, 1, 1, 1])


def test_of_a_loss_of_ones_own_nobody_knows_the_axis():
    def loss(output, y):
        return nn.functional.cross_entropy(output.movedim(-1, 1), y)

    metrics = [partial(accuracy, axis=-1), F1Score(average="macro")]
    found = Learner(positions(), nn.Identity(), loss, metrics=metrics).validate()
    assert found["valid_accuracy"] == 1
