"""fastai's Learner and ours on one network and the same batches, and every step of both."""

import copy
import itertools
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

import vicinal

BATCHES, SIZE = 5, 6  # a prime number of batches: no schedule's parts end with one


class TheirSteps(fastai.Callback):
    """What fastai's optimizer does with each parameter that it trains, in each step."""

    order = 70  # after its schedules

    def before_step(self):
        names = {p: name for name, p in self.learn.model.named_parameters()}
        groups = zip(self.opt.param_lists, self.opt.hypers, strict=True)
        step = {}
        for parameters, hyper in groups:
            for p in (p for p in parameters if p.grad is not None and p.requires_grad):
                decay = hyper["wd"] if self.opt.state[p].get("do_wd", True) else 0
                step[names[p]] = (hyper["lr"], hyper.get("mom", 0), decay)
        steps_of(self.learn).append(step)


class OurSteps(vicinal.Callback):
    """The same of ours."""

    order = 1000

    def before_step(self, learn):
        names = {p: name for name, p in learn.model.named_parameters()}
        step = {}
        for group in learn.optimizer.param_groups:
            momentum = group["betas"][0] if "betas" in group else group.get("momentum", 0)
            for p in (p for p in group["params"] if p.grad is not None):
                step[names[p]] = (group["lr"], momentum, group["weight_decay"])
        steps_of(learn).append(step)


class GivenBatches(vicinal.Callback):
    """Train on the batches that fastai has, in its order."""

    order = -1000

    def __init__(self, batches):
        self.given = batches

    def before_train(self, learn):
        self.rest = itertools.cycle(self.given)

    def before_batch(self, learn):
        if learn.training:
            learn.x, learn.y = next(self.rest)


def steps_of(learn):
    """Of a learner of either library: for each step, name → (rate, momentum, weight decay)."""
    if not hasattr(learn, "steps_done"):
        learn.steps_done = []
    return learn.steps_done


def network(seed=0):
    """Three groups of layers, with norms of batches and of layers."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU()),
        nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU()),
        nn.Sequential(nn.Linear(8, 3)),
    ).double()  # so that equal trainings stay equal


def cross_entropy(output, target):
    """As fastai records losses of 32 bits."""
    return nn.functional.cross_entropy(output, target).float()


def thirds(model):
    return [list(part.parameters()) for part in model]


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(BATCHES * SIZE, 4, generator=generator, dtype=torch.float64)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0).long()


def two_learners(model=None, **options):
    """fastai's Learner and ours, with equal options, on copies of a network; neither prints."""
    model = network() if model is None else model
    options = {"splitter": thirds, "loss_func": cross_entropy, **options}
    return two_made(
        lambda dls, **cbs: fastai.Learner(dls, copy.deepcopy(model), **options, **cbs),
        lambda dls, **cbs: vicinal.Learner(dls, copy.deepcopy(model), **options, **cbs),
    )


def two_made(theirs, ours, x=None, y=None):
    """Both Learners by functions of the loaders and ``cbs=``; neither prints."""
    x, y = data() if x is None else (x, y)
    loader = DataLoader(TensorDataset(x, y), SIZE)
    dls = fastai.DataLoaders(loader, loader)
    dls.c = 3
    their_learner = theirs(dls, cbs=[TheirSteps()])
    their_learner.logger = lambda row: None
    their_learner.remove_cb(fastai.ProgressCallback)
    dls = vicinal.DataLoaders.from_tensors(x, y, x, y, bs=SIZE, device="cpu")
    our_learner = ours(dls, cbs=[GivenBatches([*loader]), OurSteps()])
    our_learner.is_logging = False
    steps_of(our_learner)  # before lr_find, which takes away what was not there
    return their_learner, our_learner


def assert_same_training(theirs, ours):
    """The same parameters had the same rate, momentum and decay in every step, and are equal."""
    expected, found = steps_of(theirs), steps_of(ours)
    assert len(found) == len(expected) > 0
    for number, (their_step, our_step) in enumerate(zip(expected, found, strict=True)):
        assert our_step.keys() == their_step.keys(), f"step {number}"
        for name, numbers in their_step.items():
            # fastai's schedules compute with positions of 32 bits
            assert our_step[name] == pytest.approx(numbers, rel=1e-5, abs=1e-10), (number, name)
    state = theirs.model.state_dict()
    for name, tensor in ours.model.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-5, atol=1e-6, msg=name)
    for name, parameter in ours.model.named_parameters():
        assert parameter.requires_grad == dict(theirs.model.named_parameters())[name].requires_grad
