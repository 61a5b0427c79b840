import copy

import torch
from torch import nn

from vicinal import Embedding, Module


class WithCall(Module):
    def __init__(self, width):
        self.linear = nn.Linear(2, width)
        super().__init__()
        self.factors = Embedding(3, width)


def test_a_module_keeps_its_layers_also_if_it_calls_super():
    model = WithCall(width=4)
    assert len(list(model.parameters())) == len(list(copy.deepcopy(model).parameters())) == 3


def test_an_embedding_begins_small():
    torch.manual_seed(0)
    weight = Embedding(1000, 10).weight
    assert weight.abs().max() <= 0.02
    assert 0.008 < weight.std() < 0.01
