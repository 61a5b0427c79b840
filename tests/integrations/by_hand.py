"""The loops that the integrations must equal, written by hand, on scikit-learn's digits."""

import copy

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import MixLoss, MixUp, Remix, Schedule


def digits(count=320):
    """Images (B, 1, 8, 8) in [0, 1] and their classes."""
    data = load_digits()
    x = torch.tensor(data.images[:count], dtype=torch.float32).unsqueeze(1) / 16
    return x, torch.tensor(data.target[:count])


def small_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 64, 10),
    )  # fmt: skip


def batches(count=320, size=64):
    """A loader that yields the same batches in the same order each time."""
    return DataLoader(TensorDataset(*digits(count)), batch_size=size)


def train_by_hand(model, loader, mixer, criterion=None, *, epochs=1):
    """The losses of each step of SGD; the model is trained in place."""
    criterion = MixLoss(nn.CrossEntropyLoss() if criterion is None else criterion)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            x, y = mixer(x, y)
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def assert_same_weights(model, other):
    state, expected = model.state_dict(), other.state_dict()
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0, msg=name)


def twins(seed=0):
    """Two networks with the same weights."""
    model = small_network(seed)
    return model, copy.deepcopy(model)


def half_mixed():
    """Mixes the first half of a training, whose length a trainer must announce."""
    return Schedule(MixUp(), until=0.5, seed=0)


def scheduled(batches):
    """The same, with the length given beforehand."""
    return Schedule(MixUp(), until=0.5, steps=batches, seed=0)


def remix(seed):
    """Reads the targets, half of which it treats as rare."""
    return Remix([1000] * 5 + [10] * 5, seed=seed)
