"""Networks for series."""

import pytest
import torch

from vicinal import VicinalError
from vicinal.methods import METHODS
from vicinal.models.made import rebuild
from vicinal.models.series import OWN, create_series_model, series_resnet


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("steps", [1, 4, 50])
def test_series_of_any_length(name, steps):
    model = create_series_model(name, 3, 5)
    assert model(torch.randn(2, 3, steps)).shape == (2, 5)
    keeping = model[:-2](torch.randn(2, 3, steps))
    assert keeping.shape[2] == steps  # where manifoldmixup blends, each step stays where it is


@pytest.mark.parametrize("name", OWN)
def test_one_channel_and_the_layers_that_are_mixed(name):
    model = create_series_model(name, 1, 2)
    assert model(torch.randn(2, 1, 9)).shape == (2, 2)
    children = {child for child, _ in model.named_children()}
    assert {*METHODS["manifoldmixup"].layers["series"]} - {"input"} <= children
    assert all(parameter.grad is None for parameter in model.parameters())
    model(torch.randn(2, 1, 9)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_size_of_the_published_network():
    """Wang et al.: 64, 128 and 128 channels; here the first width is 7 and no convolution has a
    bias, as a normalization follows."""
    channels, kernels = ((1, 64), (64, 128), (128, 128)), (7, 5, 3)
    expected = 0
    for before, after in channels:
        for inside, kernel in zip((before, after, after), kernels, strict=True):
            expected += inside * after * kernel + 2 * after
        expected += before * after + 2 * after
    expected += 128 * 10 + 10
    model = series_resnet(1, 10, width=64)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_it_is_made_again():
    model = create_series_model("series_resnet", 2, 3)
    again = rebuild(model.made_from)
    again.load_state_dict(model.state_dict())
    x = torch.randn(4, 2, 20)
    assert torch.equal(model.eval()(x), again.eval()(x))


def test_there_is_none_of_another_name():
    with pytest.raises(VicinalError, match="named series_resnt: did you mean series_resnet"):
        create_series_model("series_resnt", 1, 2)
    with pytest.raises(VicinalError, match="use series_resnet or series_inception"):
        create_series_model("gru", 1, 2)
