"""A small network, what its weights are, and a callback that records a training."""

import torch
from torch import nn

from vicinal import Callback


def network(seed=0, norm=True):
    torch.manual_seed(seed)
    middle = nn.BatchNorm1d(16) if norm else nn.Identity()
    return nn.Sequential(nn.Linear(2, 16), middle, nn.ReLU(), nn.Linear(16, 2))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def sgd(groups, lr):
    return torch.optim.SGD(groups, lr=lr)


class Note(Callback):
    """Records the losses, the learning rate of every step, and the weights after it."""

    order = 76

    def __init__(self):
        self.rates, self.losses, self.weights = [], [], []

    def after_batch(self, learn):
        if learn.training:
            self.losses.append(learn.loss.item())

    def before_step(self, learn):
        self.rates.append(learn.optimizer.param_groups[0]["lr"])

    def after_step(self, learn):
        self.weights.append(state(learn.model))
