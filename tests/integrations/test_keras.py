"""Mixing in Keras 3, on its torch backend."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from by_hand import digits, half_mixed, scheduled
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import (
    Choice,
    CutMix,
    ManifoldMixUp,
    MixLoss,
    MixUp,
    PuzzleMix,
    Schedule,
    SnapMix,
    VicinalError,
    accuracy,
)
from vicinal.integrations.keras import Mix


@pytest.fixture(autouse=True)
def small_numbers():
    keras.backend.clear_session()


def data(count=320):
    """Images in Keras' layout, (B, H, W, C)."""
    x, y = digits(count)
    return x.movedim(1, -1).numpy().copy(), y.numpy()


def network(loss=None, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ])  # fmt: skip
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, **options)
    return model


class Losses(keras.callbacks.Callback):
    """Records the loss of each batch: Keras reports means over the epoch so far."""

    def on_epoch_begin(self, epoch, logs=None):
        self.means = []

    def on_train_batch_end(self, batch, logs=None):
        self.means.append(logs["loss"])

    def each(self, size=64):
        totals = np.array(self.means) * np.arange(1, len(self.means) + 1)
        return np.diff(totals, prepend=0.0)


def fit(model, mixer, x, y, **options):
    losses = Losses()
    options = {"batch_size": 64, "shuffle": False, "verbose": 0} | options
    history = model.fit(x, y, callbacks=[Mix(mixer), losses], **options)
    return losses.each(), history.history


def by_hand(model, mixer, criterion, x, y, epochs=1):
    """The same as a loop with torch's SGD; the losses of the last epoch."""
    criterion, parameters = MixLoss(criterion), list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(epochs):
        losses, right = [], []
        for rows in torch.arange(len(x)).split(64):
            images, target = mixer(torch.tensor(x)[rows].movedim(-1, 1), torch.tensor(y)[rows])
            output = model(images.movedim(1, -1), training=True)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if not target.own.is_floating_point():
                right.append(accuracy(output, target.own).item())
    return losses, right


@pytest.mark.parametrize("make", [MixUp, CutMix], ids=["mixup", "cutmix"])
def test_equals_the_loop_by_hand_step_by_step(make):
    model, other = network(), network()
    found, history = fit(model, make(seed=0), *data(), epochs=3)
    expected, _ = by_hand(other, make(seed=0), nn.CrossEntropyLoss(), *data(), epochs=3)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    for own, others in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(own, others, rtol=1e-3, atol=1e-5)
    assert history["loss"][-1] < history["loss"][0]


def test_a_schedule_knows_the_length_of_the_training():
    model, other = network(), network()
    found, _ = fit(model, half_mixed(), *data(), epochs=2)
    expected, _ = by_hand(other, scheduled(10), nn.CrossEntropyLoss(), *data(), epochs=2)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_metrics_see_the_samples_own_labels():
    top = keras.metrics.SparseTopKCategoricalAccuracy(3)
    model, other = network(metrics=["accuracy", top]), network()
    _, history = fit(model, MixUp(seed=0), *data())
    _, right = by_hand(other, MixUp(seed=0), nn.CrossEntropyLoss(), *data())
    assert history["accuracy"][0] == pytest.approx(np.mean(right), abs=1e-5)
    assert history[top.name][0] >= history["accuracy"][0]
    assert "compute_metrics" not in vars(model)


@pytest.mark.parametrize(
    ("name", "criterion"),
    [
        ("categorical_crossentropy", nn.CrossEntropyLoss()),
        ("binary_crossentropy", nn.BCEWithLogitsLoss()),
        ("mse", nn.MSELoss()),
        ("mae", nn.L1Loss()),
        ("huber", nn.HuberLoss()),
    ],
)
def test_losses_of_keras(name, criterion):
    made = {
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy(from_logits=True),
        "binary_crossentropy": keras.losses.BinaryCrossentropy(from_logits=True),
    }
    x, y = data(128)
    y = np.eye(10, dtype=np.float32)[y]
    model, other = network(made.get(name, name)), network()
    found, _ = fit(model, MixUp(seed=0), x, y)
    expected, _ = by_hand(other, MixUp(seed=0), criterion, x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_class_weights_apply_to_their_own_label():
    weights = {label: 1.0 + label for label in range(10)}
    x, y = data(64)
    model, other = network(), network()
    found, _ = fit(model, MixUp(seed=0), x, y, class_weight=weights)
    images, target = MixUp(seed=0)(torch.tensor(x), torch.tensor(y))
    output = other(images, training=True)
    each = nn.CrossEntropyLoss(reduction="none")
    own = (1 + target.own) * each(output, target.own)
    partner = (1 + target.partner) * each(output, target.partner)
    expected = (target.weight * own + (1 - target.weight) * partner).mean()
    assert found[0] == pytest.approx(expected.item(), rel=1e-4)


def test_validation_evaluation_and_prediction_are_not_mixed():
    x, y = data()
    model = network(metrics=["sparse_categorical_accuracy"])
    mixer = MixUp(seed=0)
    _, history = fit(model, mixer, x, y, validation_data=(x, y), epochs=2)
    assert mixer.state_dict()["draws"] == 10
    values = model.evaluate(x, y, verbose=0, return_dict=True)
    assert values["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-5)
    assert model.predict(x, verbose=0).shape == (320, 10)
    assert "train_step" not in vars(model)


def test_a_torch_loader():
    x, y = data()
    loader = DataLoader(TensorDataset(torch.tensor(x), torch.tensor(y)), 64)
    model, other = network(), network()
    found, _ = fit(model, MixUp(seed=0), loader, None, batch_size=None)
    expected, _ = by_hand(other, MixUp(seed=0), nn.CrossEntropyLoss(), x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"pixelwise": True}], ids=["by shape", "given"])
def test_masks_are_pasted_where_images_are(options):
    masks = np.random.default_rng(0).integers(0, 2, (8, 8, 8, 1)).astype("float32")

    def differing(target, output):
        return torch.as_tensor(target != output).float().mean(dim=(1, 2, 3)) + 0 * output.sum()

    scale = keras.layers.Rescaling(1.0)
    model = keras.Sequential([keras.Input((8, 8, 1)), scale, keras.layers.Conv2D(1, 1)])
    model.layers[-1].set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])  # the identity
    model.compile(keras.optimizers.SGD(0.0), differing)
    losses, _ = fit(model, CutMix(seed=0, **options), masks, masks, batch_size=8)
    assert losses.tolist() == [0.0]


def test_several_inputs_and_targets():
    keras.utils.set_random_seed(0)
    image, row = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="row")
    hidden = keras.layers.Concatenate()([keras.layers.Flatten()(image), row])
    outputs = {"label": keras.layers.Dense(10)(hidden), "value": keras.layers.Dense(1)(hidden)}
    model = keras.Model([image, row], outputs)
    losses = {"label": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "value": "mse"}
    model.compile(keras.optimizers.SGD(0.01), losses)
    x, y = data(128)
    random = np.random.default_rng(0)
    rows, values = random.random((128, 3), np.float32), random.random((128, 1), np.float32)
    targets = {"label": y, "value": values}
    _, history = fit(model, MixUp(seed=0), [x, rows], targets, epochs=2)
    assert history["loss"][-1] < history["loss"][0]


def test_a_saved_model_continues_with_the_same_draws(tmp_path):
    whole = network()
    fit(whole, MixUp(seed=0), *data(), epochs=2)
    model, mixer = network(), MixUp(seed=0)
    fit(model, mixer, *data())
    model.save(tmp_path / "model.keras")
    loaded, again = keras.models.load_model(tmp_path / "model.keras"), MixUp()
    again.load_state_dict(mixer.state_dict())
    fit(loaded, again, *data())
    for own, other in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)


def test_a_training_that_fails_leaves_the_model_usable():
    class Broken(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise OSError("the disk is gone")

    model, mix = network(), Mix(MixUp(seed=0))
    with pytest.raises(OSError, match="disk"):
        model.fit(*data(), callbacks=[mix, Broken()], verbose=0)
    model.evaluate(*data(), verbose=0)
    model.fit(*data(), callbacks=[mix], verbose=0)
    assert "train_step" not in vars(model)


@pytest.mark.parametrize("event", ["on_train_batch_end", "on_epoch_end"])
def test_after_a_failed_training_nothing_is_mixed_without_the_callback(event):
    def fail(self, *args, **kwargs):
        raise KeyboardInterrupt

    broken = type("Broken", (keras.callbacks.Callback,), {event: fail})()
    model, other = network(), network()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data(64), batch_size=64, verbose=0, callbacks=[Mix(MixUp(seed=0)), broken])
    assert not {"train_step", "compute_metrics"} & vars(model).keys()
    model.set_weights(other.get_weights())
    for each in (model, other):
        each.fit(*data(), shuffle=False, verbose=0)
    for own, others in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(own, others)


def test_a_custom_step_is_mixed_and_restored():
    def counted(data):
        steps.append(data)
        return type(model).train_step(model, data)

    model, other, steps = network(), network(), []
    model.train_step = counted
    found, _ = fit(model, MixUp(seed=0), *data())
    expected, _ = by_hand(other, MixUp(seed=0), nn.CrossEntropyLoss(), *data())
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert model.train_step is counted
    assert len(steps) == 5


@pytest.mark.parametrize(("first", "mixed"), [(0, 10), (1, 5), (2, 0)])
def test_a_training_from_a_later_epoch_continues_the_schedule(first, mixed):
    shares = []

    def loss(target, output):
        shares.append(float(getattr(target, "weight", torch.ones(1)).min()))
        return nn.functional.cross_entropy(output, target.long(), reduction="none")

    mixer = Schedule(MixUp(1.0, folded=False), until=0.5, seed=0)
    fit(network(loss), mixer, *data(), initial_epoch=first, epochs=4)
    is_mixed = [share < 1 for share in shares[-5 * (4 - first) :]]
    assert is_mixed == [True] * mixed + [False] * 10


def autoencoder():
    """A model whose loss depends only on its inputs."""
    layers = [keras.Input((8, 8, 1)), keras.layers.ActivityRegularization(l2=0.1)]
    model = keras.Sequential([*layers, keras.layers.Conv2D(1, 3)])
    model.compile(keras.optimizers.SGD(0.1))
    return model


def test_bad_input():
    with pytest.raises(TypeError, match=r"mixer such as MixUp\(\) is needed.*call it, MixUp\(\)"):
        Mix(MixUp)
    with pytest.raises(ValueError, match="the data have no targets, which mixing needs"):
        fit(autoencoder(), MixUp(), data()[0], None)

    def hardest(target, output):
        losses = nn.functional.cross_entropy(output, target.long(), reduction="none")
        return losses.topk(8).values

    with pytest.raises(ValueError, match="topk cannot be computed from mixed targets"):
        fit(network(hardest), MixUp(), *data(64))

    def hiding(target, output):
        return nn.functional.cross_entropy(output, torch.tensor(target.tolist()).long())

    with pytest.raises(RuntimeError, match="the model computed a loss, but not from the mixed"):
        fit(network(hiding), MixUp(), *data(64))


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(ValueError, match=r"Keras runs on numpy, .* set KERAS_BACKEND=torch"):
        Mix(MixUp())


@pytest.mark.slow
def test_on_another_backend():
    script = "from vicinal.integrations.keras import Mix; from vicinal import MixUp; Mix(MixUp())"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"KERAS_BACKEND": "numpy"},
        capture_output=True, text=True,
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    assert "set KERAS_BACKEND=torch before Keras is imported" in last


def inside():
    return ManifoldMixUp(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))


@pytest.mark.parametrize("make", [SnapMix, PuzzleMix, inside])
def test_mixers_that_need_a_network_of_torch_are_refused(make):
    """They would call Keras' with the channels first, or find none of its layers."""
    wrapped = Choice([MixUp(), make()], per="batch")
    for mixer in (make(), wrapped, *([] if make is inside else [Schedule(make(), steps=2)])):
        with pytest.raises(VicinalError, match="needs a network of torch's layers, which those of"):
            Mix(mixer)
    assert Mix(PuzzleMix(saliency=lambda images: images.mean(1))).mixer
