"""Which modules of a model are layers: those that are called."""

import pytest
import torch
from torch import nn

from vicinal.mixing.layers import is_called, select_layers


class Block(nn.ModuleDict):
    """A container with a forward(), as the dense blocks of timm are."""

    def forward(self, x):
        return self["only"](x)


class Assigned(nn.Module):
    def __init__(self):
        super().__init__()
        self.forward = torch.relu


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
def test_those_with_a_forward():
    scripted = torch.jit.script(nn.Linear(2, 2))
    called = [Block({"only": nn.ReLU()}), Assigned(), scripted, nn.Sequential(), nn.Linear(1, 1)]
    assert all(map(is_called, called))
    assert not any(map(is_called, [nn.ModuleDict(), nn.ModuleList(), nn.Module()]))


def test_a_container_that_is_called_can_be_named():
    model = nn.Sequential(Block({"only": nn.Linear(2, 2)}), nn.ModuleList([nn.ReLU()]))
    assert select_layers(model, ["0"]) == ("0",)
    with pytest.raises(ValueError, match="no layer of the model is '1'"):
        select_layers(model, ["1"])
