"""U-Nets around timm's networks."""

import sys

import pytest
import torch

from vicinal import VicinalError
from vicinal.models.unet import encoder_and_decoder, unet


@pytest.fixture(scope="module")
def network():
    return unet("xresnet18", 3).eval()


@pytest.mark.parametrize("shape", [(32, 64), (40, 24), (17, 33)])
def test_each_pixel_of_any_image_has_scores(network, shape):
    with torch.no_grad():
        assert network(torch.rand(1, 3, *shape)).shape == (1, 3, *shape)


def test_all_parameters_are_in_one_of_three_groups(network):
    groups = encoder_and_decoder(network)
    ids = [id(parameter) for group in groups for parameter in group]
    assert len(groups) == 3
    assert len(ids) == len(set(ids)) == len(list(network.parameters()))
    decoded = {id(parameter) for parameter in network.decoder.parameters()}
    assert decoded < {id(parameter) for parameter in groups[2]}


def test_a_network_can_be_made_again(network):
    assert network.made_from == {"maker": "unet", "name": "xresnet18", "n_out": 3}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet9", "features at several scales, not resnet9"),
        ("resnet18x", "there is no network named resnet18x: did you mean"),
        ("vit_tiny_patch16_224", "cannot be the encoder of a U-Net"),
    ],
)
def test_networks_without_features_at_several_scales_are_refused(name, message):
    with pytest.raises(VicinalError, match=message):
        unet(name, 3)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(VicinalError, match=r"pip install 'vicinal\[train\]'"):
        unet("resnet18", 3)
