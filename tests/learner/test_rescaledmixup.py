"""RescaledMixUp: a Learner that predicts as its rescaling says."""

import copy

import pytest
import torch
from small_trainings import network, same, state
from torch import nn

from vicinal import (
    EMA,
    AsymmetricLoss,
    Callback,
    Checkpoint,
    CutMix,
    DataLoaders,
    Learner,
    MixUp,
    OrdinalLoss,
    ProgressiveResizing,
    RescaledMixUp,
    Schedule,
    VicinalError,
    accuracy,
    compare,
)


def trained(dls, cbs=None, epochs=2, **options):
    learn = Learner(copy.deepcopy(dls), network(), metrics=accuracy, **options)
    with learn.no_logging():
        learn.fit(epochs, 0.01, cbs=RescaledMixUp(MixUp(0.4, seed=0)) if cbs is None else cbs)
    return learn


def test_trains_the_weights_that_the_mixer_alone_trains(dls):
    plain = trained(dls, MixUp(0.4, seed=0))
    assert same(state(trained(dls).model), state(plain.model))
    assert plain.rescaling is None


def test_predicts_by_the_formula(dls):
    learn = trained(dls)
    x = dls.train.dataset.x
    used = next(iter(copy.deepcopy(dls).train))[0].shape[0] * len(dls.train)
    assert used == len(x)  # the batches of an epoch are all of them
    mean_x, theta = x.mean(0), learn.rescaling.theta
    mean_y = nn.functional.one_hot(dls.train.dataset.y, 2).float().mean(0)
    assert theta == pytest.approx(0.8398, abs=1e-4)
    valid_x, valid_y = dls.valid.dataset.x, dls.valid.dataset.y
    model = learn.model.eval()
    with torch.no_grad():
        logits = model(mean_x + theta * (valid_x - mean_x)) / theta + (1 - 1 / theta) * mean_y
    probabilities, targets = learn.get_preds()
    assert torch.allclose(probabilities, logits.softmax(1), atol=1e-5)
    assert torch.equal(targets, valid_y)
    assert torch.allclose(learn.predict(valid_x[0])[2], logits[0].softmax(0), atol=1e-5)
    loss = nn.functional.cross_entropy(logits, valid_y).item()
    assert learn.validate()["valid_loss"] == pytest.approx(loss, abs=1e-5)
    assert learn.history[-1]["valid_loss"] == pytest.approx(loss, abs=1e-5)
    learn.rescaling = None
    assert not torch.allclose(learn.get_preds()[0], probabilities, atol=1e-4)


def test_values_are_rescaled_by_their_mean():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(80, 3, generator=g)
    y = 100 + x.sum(1, keepdim=True)
    dls = DataLoaders.from_tensors(x[:60], y[:60], x[60:], y[60:], bs=20, device="cpu")
    learn = Learner(dls, nn.Linear(3, 1))
    with learn.no_logging():
        learn.fit(1, 0.1, cbs=RescaledMixUp(alpha=1.0))
    mean_x, mean_y = x[:60].mean(0), y[:60].mean(0)
    with torch.no_grad():
        shrunk = mean_x + 0.75 * (x[60:] - mean_x)
        expected = learn.model(shrunk) / 0.75 + (1 - 1 / 0.75) * mean_y
    assert torch.allclose(learn.get_preds()[0], expected, atol=1e-4)


def test_a_later_training_without_it_predicts_without(dls):
    learn = trained(dls)
    with learn.no_logging():
        learn.fit(1, 0.01)
    assert learn.rescaling is None


def test_an_interrupted_training_keeps_what_its_epochs_had(dls):
    class Stop(Callback):
        def before_validate(self, learn):
            if learn.epoch == 1:
                raise KeyboardInterrupt

    learn = Learner(dls, network())
    with learn.no_logging(), pytest.raises(KeyboardInterrupt):
        learn.fit(3, 0.01, cbs=[RescaledMixUp, Stop])
    assert learn.rescaling is not None


def test_is_saved_and_loaded_with_the_weights(dls, tmp_path):
    learn = trained(dls, path=tmp_path)
    expected, _ = learn.get_preds()
    learn.save("rescaled")
    other = Learner(dls, network(seed=1), path=tmp_path).load("rescaled")
    assert torch.equal(other.get_preds()[0], expected)
    assert other.rescaling.theta == learn.rescaling.theta
    learn.rescaling = None
    learn.save("rescaled")
    assert other.load("rescaled").rescaling is None
    (tmp_path / "models" / "rescaled.rescaling.safetensors").write_bytes(b"damaged")
    with pytest.raises(VicinalError, match=r"rescaling\.safetensors cannot be read"):
        other.load("rescaled")


def test_a_resumed_training_predicts_alike(dls, tmp_path):
    class Stop(Callback):
        order = 98

        def after_epoch(self, learn):
            if learn.epoch == 1:
                raise KeyboardInterrupt

    def train(resume, *more):
        learn = Learner(copy.deepcopy(dls), network())
        mixing = RescaledMixUp(MixUp(0.4, seed=0))
        checkpoint = Checkpoint(tmp_path / "c", resume=resume)
        with learn.no_logging():
            learn.fit(3, 0.01, cbs=[mixing, checkpoint, *more])
        return learn.get_preds()[0]

    expected = train(False)
    with pytest.raises(KeyboardInterrupt):
        train(False, Stop())
    assert torch.equal(train(True), expected)
    assert torch.equal(train(True), expected)  # nothing is left to train


def test_the_mean_is_of_the_size_that_validation_has():
    x, y = torch.rand(24, 3, 8, 8), torch.arange(24) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
    model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    learn = Learner(dls, model)
    with learn.no_logging():
        learn.fit(2, cbs=[ProgressiveResizing([(0.5, 4)]), RescaledMixUp, EMA])
    assert torch.allclose(learn.rescaling.mean_x, x.mean(0), atol=1e-6)
    assert learn.get_preds()[0].shape == (24, 2)


def test_is_an_arm(capsys):
    x, y = torch.randn(60, 2), torch.arange(60) % 2

    def data(seed):
        return DataLoaders.from_tensors(x, y, x, y, bs=20, seed=seed, device="cpu")

    arms = {"none": None, "mixup": MixUp(0.4), "rescaled": RescaledMixUp(MixUp(0.4))}
    frame = compare(data, lambda: nn.Linear(2, 2), arms, seeds=1, epochs=3, lr=0.1)
    nll = frame.set_index("mix")["nll"]
    assert len({round(value, 6) for value in nll}) == 3
    losses = (
        [history[-1]["train_loss"] for history in frame["history"]]
        if "history" in frame
        else [0.0, 1.0, 1.0]
    )
    assert losses[1] == losses[2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RescaledMixUp(CutMix()), ValueError, "it does not blend whole samples: use MixUp"),
        (lambda: RescaledMixUp(Schedule(MixUp())), ValueError, "in the course of the training"),
        (lambda: RescaledMixUp(MixUp(), alpha=1.0), ValueError, "alpha=1.0 is of the MixUp that"),
        (lambda: RescaledMixUp(0.4), TypeError, r"write RescaledMixUp\(alpha=0.4\)"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("loss", [nn.NLLLoss(), OrdinalLoss(3)])
def test_a_loss_of_other_outputs_is_refused(dls, loss):
    with pytest.raises(VicinalError, match=r"that .*Loss reads are no logits and no values"):
        trained(dls, loss_func=loss)


@pytest.mark.parametrize("loss", [nn.BCEWithLogitsLoss(), AsymmetricLoss()])
def test_several_labels_are_rescaled_as_logits(loss):
    x, y = torch.randn(40, 2), (torch.rand(40, 3) > 0.5).float()
    dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
    learn = Learner(dls, nn.Linear(2, 3), loss)
    with learn.no_logging():
        learn.fit(1, cbs=RescaledMixUp)
    assert torch.allclose(learn.rescaling.mean_y, y.mean(0), atol=1e-6)


def test_samples_without_a_mean_are_refused():
    x, y = {"x": torch.randn(20, 2)}, torch.arange(20) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
    learn = Learner(dls, network())
    with pytest.raises(VicinalError, match="one tensor of floats, not a dict"), learn.no_logging():
        learn.fit(1, cbs=RescaledMixUp)
