"""Mixing in skorch's nets."""

import pickle

import numpy as np
import pytest
import skorch
import torch
import torch.nn.functional as F
from by_hand import (
    assert_same_weights,
    digits,
    half_mixed,
    scheduled,
    small_network,
    train_by_hand,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EpochScoring
from skorch.dataset import ValidSplit
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import CutMix, ManifoldMixUp, MixLoss, MixUp, VicinalError
from vicinal.integrations.skorch import Mix


class Network(nn.Module):
    def __init__(self, seed=0, temperature=1.0):
        super().__init__()
        self.layers, self.temperature = small_network(seed), temperature

    def forward(self, x):
        return self.layers(x) / self.temperature


class Losses(Callback):
    def on_train_begin(self, net, **kwargs):
        self.each = []

    def on_batch_end(self, net, loss=None, training=None, **kwargs):
        if training:
            self.each.append(loss.item())


def net_of(mixer, criterion=nn.CrossEntropyLoss, kind=skorch.NeuralNetClassifier, **options):
    callbacks = [("mix", Mix(mixer)), ("losses", Losses())] if mixer is not None else []
    options = {
        "lr": 0.1, "optimizer__momentum": 0.0, "batch_size": 64, "verbose": 0, "max_epochs": 1,
        "train_split": None, "callbacks": callbacks,
    } | options  # fmt: skip
    return kind(Network, criterion=criterion, **options)


def data(count=320):
    x, y = digits(count)
    return x.numpy(), y.numpy()


def loader(count=320):
    return DataLoader(TensorDataset(*digits(count)), 64)


@pytest.mark.parametrize("make", [MixUp, CutMix], ids=["mixup", "cutmix"])
def test_equals_the_loop_by_hand_step_by_step(make):
    net, other = net_of(make(seed=0), max_epochs=3), Network()
    net.fit(*data())
    expected = train_by_hand(other, loader(), make(seed=0), epochs=3)
    assert dict(net.callbacks_)["losses"].each == expected
    assert expected[-1] < 0.7 * expected[0]
    assert_same_weights(net.module_, other)


def test_validation_prediction_and_scores_are_not_mixed():
    class Seen(Callback):
        def on_train_begin(self, net, **kwargs):
            self.valid = []

        def on_batch_end(self, net, batch=None, training=None, **kwargs):
            if not training:
                self.valid.append(batch)

    callbacks = [("mix", Mix(MixUp(seed=0))), ("seen", Seen())]
    callbacks += [("train_acc", EpochScoring("accuracy", False, True, "train_acc"))]
    net = net_of(MixUp(), callbacks=callbacks, train_split=ValidSplit(5), max_epochs=8)
    x, y = data()
    net.fit(x, y)
    for _, target in dict(net.callbacks_)["seen"].valid:
        assert type(target) is torch.Tensor
    assert "train_step_single" not in vars(net)
    assert net.score(x, y) > 0.8
    assert net.predict_proba(x).shape == (320, 10)
    # On training data: predictions for mixed images against the samples' own labels.
    assert 0.3 < net.history[-1, "train_acc"] < 1
    np.testing.assert_allclose(net.predict_proba(x), net.predict_proba(x))


def test_a_schedule_knows_the_length_of_the_training():
    net, other = net_of(half_mixed(), max_epochs=2), Network()
    net.fit(*data())
    expected = train_by_hand(other, loader(), scheduled(10), epochs=2)
    assert dict(net.callbacks_)["losses"].each == expected


def test_values():
    x, y = data()
    target = F.one_hot(torch.tensor(y), 10).float().numpy()
    net, other = net_of(MixUp(seed=0), nn.MSELoss, skorch.NeuralNetRegressor), Network()
    net.fit(x, target)
    values = DataLoader(TensorDataset(torch.tensor(x), torch.tensor(target)), 64)
    expected = train_by_hand(other, values, MixUp(seed=0), nn.MSELoss())
    assert dict(net.callbacks_)["losses"].each == expected


def test_several_targets():
    x, y = digits(64)
    values = torch.randn(64, generator=torch.Generator().manual_seed(0))

    class Both(nn.Module):
        def forward(self, output, target):
            label, value = target
            return F.cross_entropy(output, label) + F.mse_loss(output[:, 0], value)

    class Data(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, i):
            return x[i], (y[i], values[i])

    net = net_of(MixUp(seed=0), Both, kind=skorch.NeuralNet).fit(Data(), None)
    mixed, (label, value) = MixUp(seed=0)(x, (y, values))
    output = small_network().train()(mixed)
    expected = MixLoss(nn.CrossEntropyLoss())(output, label)
    expected += MixLoss(nn.MSELoss())(output[:, 0], value)
    losses = dict(net.callbacks_)["losses"].each
    assert losses[0] == pytest.approx(expected.item(), rel=1e-5)


def test_probabilities_and_nll():
    class Probabilities(Network):
        def forward(self, x):
            return super().forward(x).softmax(-1)

    net = net_of(MixUp(seed=0), nn.NLLLoss)
    net.module = Probabilities
    net.fit(*data())
    expected = train_by_hand(Network(), loader(), MixUp(seed=0))
    assert dict(net.callbacks_)["losses"].each == pytest.approx(expected, rel=1e-4)


def test_a_pickled_net_continues_with_the_same_draws():
    whole = net_of(MixUp(seed=0), max_epochs=2).fit(*data())
    first = net_of(MixUp(seed=0)).fit(*data())
    second = pickle.loads(pickle.dumps(first))
    second.partial_fit(*data())
    assert_same_weights(second.module_, whole.module_)


def test_a_pickled_net_is_without_what_mixes_inside_of_another_model():
    module = Network()
    net = skorch.NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, max_epochs=1, batch_size=64, verbose=0,
        train_split=None, callbacks=[Mix(ManifoldMixUp(module, "layers.0", seed=0))],
    )  # fmt: skip
    net.fit(*data(128))
    copied = pickle.loads(pickle.dumps(net))
    assert (copied.predict(data(64)[0]) == net.predict(data(64)[0])).all()
    with pytest.raises(VicinalError, match="ManifoldMixUp that mixed here belongs to the model"):
        copied.partial_fit(*data(128))


def test_a_module_that_fit_makes_anew_is_not_mixed_inside():
    net = net_of(None).initialize()
    with pytest.raises(VicinalError, match="was made for another module than the net trains: fit"):
        net.set_params(callbacks=[Mix(ManifoldMixUp(net.module_, "layers.0"))]).fit(*data(64))


def test_a_step_of_the_nets_own_is_called_and_comes_back():
    net, seen = net_of(MixUp(seed=0)), []

    def step(batch, **options):
        seen.append(type(batch[1]).__name__)
        return type(net).train_step_single(net, batch, **options)

    net.train_step_single = step
    net.fit(*data(128))
    assert seen == ["MixedTensor"] * 2
    assert net.train_step_single is step


def test_an_optimizer_that_takes_several_losses_of_a_batch_sees_one_mix():
    mixer = MixUp(seed=0)
    net = net_of(mixer, optimizer=torch.optim.LBFGS, optimizer__max_iter=3)
    del net.optimizer__momentum
    net.fit(*data(64))
    assert dict(net.callbacks_)["mix"].mixer.state_dict()["draws"] == 1


def test_it_is_searched_over():
    net = net_of(MixUp(seed=0), max_epochs=2)
    assert clone(net).callbacks[0][1].mixer.alpha == 0.4
    search = GridSearchCV(net, {"lr": [0.01, 0.1]}, cv=2, scoring="accuracy")
    search.fit(*data(128))
    assert search.best_params_ == {"lr": 0.1}


def test_a_training_that_fails_leaves_the_net_usable():
    class Broken(Callback):
        def on_batch_end(self, net, **kwargs):
            raise OSError("the disk is gone")

    net = net_of(MixUp(seed=0), callbacks=[Mix(MixUp(seed=0)), ("broken", Broken())])
    with pytest.raises(OSError, match="disk"):
        net.fit(*data())
    net.predict(data()[0])
    net.set_params(callbacks__broken=None)
    net.fit(*data())
    assert "train_step_single" not in vars(net)


def broken(event):
    """A callback that fails at an event."""

    def fail(self, net, **kwargs):
        raise OSError("the disk is gone")

    return type("Broken", (Callback,), {event: fail})()


@pytest.mark.parametrize("event", ["on_batch_begin", "on_grad_computed", "on_batch_end"])
def test_after_a_failed_training_nothing_is_mixed_without_the_callback(event):
    plain, net = net_of(None), net_of(MixUp(seed=0))
    net.set_params(callbacks=[*net.callbacks, ("broken", broken(event))])
    with pytest.raises(OSError, match="disk"):
        net.fit(*data())
    net.set_params(callbacks=None)
    assert_same_weights(net.fit(*data()).module_, plain.fit(*data()).module_)


def test_a_step_that_fails_leaves_the_net_its_own_step():
    class Failing(nn.Module):
        def forward(self, output, target):
            raise OSError("the disk is gone")

    net = net_of(MixUp(seed=0), Failing)
    with pytest.raises(OSError, match="disk"):
        net.fit(*data(64))
    assert "train_step_single" not in vars(net)


def test_a_step_on_another_batch_raises():
    class Net(skorch.NeuralNetClassifier):
        def train_step(self, batch, **fit_params):
            return super().train_step([part.clone() for part in batch], **fit_params)

    with pytest.raises(RuntimeError, match="train_step did not pass its batch to train_step_sing"):
        net_of(MixUp(), kind=Net).fit(*data(64))


def test_bad_input():
    with pytest.raises(TypeError, match=r"mixer such as MixUp\(\) is needed.*call it, MixUp\(\)"):
        net_of(MixUp).fit(*data(64))

    class Hardest(nn.Module):
        def forward(self, output, target):
            return F.cross_entropy(output, target, reduction="none").topk(8).values.mean()

    with pytest.raises(ValueError, match="topk cannot be computed from mixed targets"):
        net_of(MixUp(), Hardest).fit(*data(64))

    class Hiding(nn.Module):
        def forward(self, output, target):
            return F.cross_entropy(output, torch.tensor(target.tolist()))

    with pytest.raises(RuntimeError, match="the net computed a loss, but not from the mixed"):
        net_of(MixUp(), Hiding).fit(*data(64))
