"""The table of a network's layers."""

import torch
from small_trainings import network
from torch import nn

from vicinal import EMA, DataLoaders, Learner, create_model


def of(model, size=(3, 8, 8), **kwargs):
    x, y = torch.randn(6, *size), torch.arange(6) % 2
    return Learner(DataLoaders.from_tensors(x, y, x, y, bs=3, device="cpu"), model, **kwargs)


def test_every_layer_with_its_output_and_parameters(dls):
    learn = Learner(dls, network(), cbs=EMA)
    learn.model[0].requires_grad_(False)
    text = learn.summary()
    assert repr(text) == str(text)
    assert str(text).splitlines() == [
        "Sequential, for a batch of shape (40, 2)",
        "",
        "layer  kind         output    parameters  trained",
        "0      Linear       (40, 16)          48     none",
        "1      BatchNorm1d  (40, 16)          32      all",
        "2      ReLU         (40, 16)",
        "3      Linear       (40, 2)           34      all",
        "",
        "parameters: 114, of which 66 trained",
        "loss function: CrossEntropyLossFlat",
        "callbacks: EMA",
    ]


def test_all_parameters_are_counted():
    """Also those of no layer that is called, as a class token and a projection of attention."""
    for model in (nn.MultiheadAttention(4, 2), nn.ModuleList([nn.Linear(2, 2)])):
        wrapped = Wrapped(model)
        text = str(of(wrapped, (4,)).summary())
        cells = [line.split() for line in text.split("\n\n")[1].splitlines()[1:]]
        counted = sum(int(each[-2].replace(",", "")) for each in cells if each[-1] == "all")
        assert counted == sum(p.numel() for p in wrapped.parameters())


class Wrapped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.head = inner, nn.Linear(4, 2)
        self.token = nn.Parameter(torch.zeros(1, 4))

    def forward(self, x):
        return self.head(x + self.token)


def test_a_layer_that_is_called_twice_has_one_row():
    layer = nn.Linear(4, 4)
    text = str(of(nn.Sequential(layer, layer, nn.Linear(4, 2)), (4,)).summary())
    assert [line.split()[0] for line in text.split("\n\n")[1].splitlines()[1:]] == ["0", "2"]
    assert "parameters: 30, of which all trained" in text


def test_it_changes_nothing():
    learn = of(create_model("resnet9", 2))
    learn.model.train()
    before = {name: t.clone() for name, t in learn.model.state_dict().items()}
    state = torch.get_rng_state()
    learn.summary()
    assert learn.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], t) for name, t in learn.model.state_dict().items())
    assert not any(module._forward_hooks for module in learn.model.modules())
