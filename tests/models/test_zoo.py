"""Networks by name."""

import pytest
import torch

from vicinal.learner.vision import body_and_head
from vicinal.models.zoo import (
    ALIASES,
    OWN,
    SMALL_VITS,
    count_parameters,
    create_model,
    is_vision_transformer,
)


@pytest.mark.parametrize("name", [*OWN, "mobilenetv3_small_050"])
def test_parameters_are_counted_without_memory_for_them(name):
    built = sum(parameter.numel() for parameter in create_model(name, 7).parameters())
    assert count_parameters(name, 7) == built


@pytest.mark.parametrize(("name", "layers"), [("vit4", 4), ("vit6", 6)])
class TestSmallVisionTransformers:
    @pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (64, 48)])
    def test_they_take_sides_that_are_multiples_of_4(self, name, layers, size):
        model = create_model(name, 3).eval()
        patches = []
        model.blocks[0].register_forward_hook(lambda _, given, __: patches.append(given[0].shape))
        assert model(torch.zeros(2, 3, *size)).shape == (2, 3)
        assert patches == [(2, size[0] * size[1] // 16, 192)]  # no class token
        assert len(model.blocks) == layers

    def test_they_have_feature_maps_and_a_head(self, name, layers):
        model = create_model(name, 3)
        modules = [info["module"] for info in model.feature_info]
        assert modules == [f"blocks.{n}" for n in range(layers)]
        first, second, head = body_and_head(model)
        assert [p.shape for p in head] == [(3, 192), (3,)]
        assert len(first) + len(second) + 2 == len(list(model.parameters()))

    def test_places_matter(self, name, layers):
        torch.manual_seed(0)
        model = create_model(name, 3).eval()
        x = torch.randn(1, 3, 32, 32)
        moved = x.roll(4, dims=3)  # the same patches, one place further
        assert not torch.allclose(model(x), model(moved), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *((name, name in SMALL_VITS) for name in (*OWN, *ALIASES)),
        ("vit_tiny_patch16_224", True),
        ("vit_tiny_patch16_224.augreg_in21k", True),
        ("deit_tiny_patch16_224", True),
        ("resnet18", False),
    ],
)
def test_vision_transformers_are_known(name, is_one):
    assert is_vision_transformer(name) == is_one
