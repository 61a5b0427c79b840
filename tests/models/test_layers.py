"""Sequences of torch's layers: the same network is made of what JSON holds of them."""

import json

import pytest
import torch
from torch import nn

from vicinal import create_model
from vicinal.models.layers import KINDS, layers_of, of_layers
from vicinal.stored import Misfit

LAYERS = [
    nn.Linear(3, 4),
    nn.Linear(3, 4, bias=False),
    nn.Conv2d(3, 4, (3, 5), stride=2, padding="valid", groups=1, bias=False),
    nn.Conv1d(3, 6, 3, padding=1, dilation=2, padding_mode="reflect"),
    nn.ConvTranspose2d(2, 3, 2, output_padding=0),
    nn.BatchNorm2d(4, eps=1e-3, momentum=None),
    nn.GroupNorm(2, 4),
    nn.LayerNorm((4, 2)),
    nn.MaxPool2d((2, 1)),
    nn.AdaptiveAvgPool2d(1),
    nn.AvgPool2d(2),
    nn.Dropout(0.3),
    nn.Flatten(2),
    nn.Unflatten(1, (2, 2)),
    nn.LeakyReLU(0.2),
    nn.GELU(approximate="tanh"),
    nn.Softmax(dim=1),
    nn.Embedding(5, 3, padding_idx=1),
    nn.Upsample(scale_factor=2.0, mode="nearest"),
    nn.Identity(),
    nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(inplace=True))),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_the_same_layer_is_made_again(layer):
    again = of_layers(json.loads(json.dumps(layers_of(layer))))
    assert str(again) == str(layer)
    shapes = {name: t.shape for name, t in layer.state_dict().items()}
    assert {name: t.shape for name, t in again.state_dict().items()} == shapes


def test_what_is_no_sequence_of_torchs_layers():
    shared = nn.Linear(2, 2)
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight

    class Own(nn.Linear):
        pass

    class Sequential(nn.Sequential):
        pass

    for model in (
        create_model("resnet9", 2),
        nn.Sequential(shared, shared),
        tied,
        Own(2, 2),
        Sequential(nn.ReLU()),
        nn.Sequential(Own(2, 2)),
        nn.ModuleList([nn.ReLU()]),
    ):
        assert layers_of(model) is None


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"kind": "system", "settings": {}}, "there is no layer system"),
        ({"kind": "Linear"}, "settings is missing"),
        ({"layers": [["a"]]}, "must have 2 values"),
        ({"layers": 3}, "must be a list"),
        (3, "must be an object"),
    ],
)
def test_what_describes_no_network(described, said):
    with pytest.raises(Misfit, match=said):
        of_layers(described)


def test_layers_without_end():
    described = {"kind": "ReLU", "settings": {}}
    for _ in range(30):
        described = {"layers": [["0", described]]}
    with pytest.raises(Misfit, match="too deep"):
        of_layers(described)


def test_kinds_are_torchs():
    assert KINDS["Linear"] is nn.Linear
    assert all(kind.__module__.startswith("torch.nn.modules.") for kind in KINDS.values())
    assert torch.nn.Module in KINDS.values()
