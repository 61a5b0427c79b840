"""fastai's network for tables."""

import pytest
import torch

from vicinal import VicinalError
from vicinal.models.tabular_model import TabularModel

X = {"numbers": torch.rand(6, 2), "categories": torch.randint(3, (6, 2))}


def names(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "Linear ReLU BatchNorm1d Linear ReLU BatchNorm1d Linear"),
        ({"use_bn": False}, "Linear ReLU Linear ReLU Linear"),
        ({"ps": 0.1}, "Linear ReLU BatchNorm1d Dropout Linear ReLU BatchNorm1d Dropout Linear"),
        ({"ps": [0, 0.1]}, "Linear ReLU BatchNorm1d Linear ReLU BatchNorm1d Dropout Linear"),
        ({"bn_final": True}, "Linear ReLU BatchNorm1d Linear ReLU BatchNorm1d Linear BatchNorm1d"),
        (
            {"y_range": (0, 5)},
            "Linear ReLU BatchNorm1d Linear ReLU BatchNorm1d Linear SigmoidRange",
        ),
    ],
)
def test_the_layers_follow_from_the_settings(settings, expected):
    model = TabularModel([(3, 2), (3, 4)], 2, 3, [5, 4], **settings)
    assert names(model) == expected.split()
    assert model(X).shape == (6, 3)


def test_dropouts_of_another_number_of_layers_are_refused():
    with pytest.raises(VicinalError, match="ps has 1 values for 2 hidden layers"):
        TabularModel([], 2, 3, [5, 4], ps=[0.1])


def test_tables_of_numbers_or_of_categories_alone():
    assert TabularModel([], 2, 3, [5])({"numbers": X["numbers"]}).shape == (6, 3)
    model = TabularModel([(3, 2), (3, 4)], 0, 3, [5])
    assert model({"categories": X["categories"]}).shape == (6, 3)


def test_no_prediction_lies_outside_its_range():
    model = TabularModel([], 2, 1, [5], y_range=(2, 3)).eval()
    out = model({"numbers": 1e6 * torch.randn(50, 2)})
    assert out.min() >= 2
    assert out.max() <= 3


def test_initial_embeddings_are_small():
    weight = TabularModel([(500, 40)], 0, 1, [3]).embeds[0].weight
    assert weight.abs().max() <= 0.02
    assert float(weight.detach().std()) == pytest.approx(0.0088, rel=0.05)


def test_a_network_can_be_made_again():
    model = TabularModel([(3, 2)], 1, 3, [5, 4], ps=[0.1, 0.2], y_range=(0, 5))
    settings = {name: value for name, value in model.made_from.items() if name != "maker"}
    assert str(TabularModel(**settings)) == str(model)
