"""TransMix: shares of attention as the authors' code computes them, for ViTs of three libraries."""

import contextlib

import pytest
import torch
from torch import nn

from vicinal import Choice, MixUp, TransMix
from vicinal.mixing.methods.transmix import _share_inside, class_attention
from vicinal.mixing.paste import Boxes

timm = pytest.importorskip("timm")
SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2}


def wave(*shape):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) * 1.7).sin().view(shape).float()


def vit(**options):
    torch.manual_seed(0)
    return timm.models.VisionTransformer(**SMALL, num_classes=3, **options)


def test_shares_are_the_authors():
    boxes = Boxes(torch.tensor([[3, 13, 2, 9]]).repeat(3, 1), (16, 16))
    own = 1 - _share_inside(wave(3, 16).abs().view(3, 4, 4), boxes)
    weight = (boxes.weight + own) / 2
    expected = torch.tensor([0.6580020189285278, 0.6926623582839966])  # of the first and the last
    assert torch.allclose(weight[[0, 2]], expected, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"reg_tokens": 3}, {"qk_norm": True, "drop_rate": 0.5}])
def test_the_attention_is_that_of_the_class_token_in_the_last_layer(options):
    model, x = vit(**options), wave(2, 3, 16, 16)
    fused = [block.attn.fused_attn for block in model.blocks]
    found = class_attention(model, contextlib.nullcontext, x, (4, 4))
    assert [block.attn.fused_attn for block in model.blocks] == fused
    seen = []
    attention = model.blocks[-1].attn
    attention.fused_attn = False
    attention.attn_drop.register_forward_hook(lambda _, args, output: seen.append(args[0]))
    model.eval()(x)
    assert torch.equal(found, seen[0][:, :, 0, -16:].mean(1).view(2, 4, 4))


def test_it_looks_at_the_mixed_images():
    model, x, y = vit(), wave(4, 3, 16, 16), torch.arange(4) % 3
    mix = TransMix(model, seed=0).draw(x, y)
    attention = class_attention(model, contextlib.nullcontext, mix(x), (4, 4))
    expected = (mix.patterns[0].weight + 1 - _share_inside(attention, mix.patterns[0])) / 2
    assert torch.allclose(mix.weight, expected)
    assert not torch.allclose(mix.weight, mix.patterns[0].weight, atol=1e-4)


def test_with_tokens_every_patch_comes_from_one_image():
    x = torch.arange(64.0).view(-1, 1, 1, 1).expand(64, 3, 16, 16)
    mixed, target = TransMix(vit(), tokens=True, seed=0)(x, torch.arange(64) % 3)
    patches = mixed[:, 0].unflatten(2, (4, 4)).unflatten(1, (4, 4)).movedim(2, 3).flatten(3)
    assert torch.equal(patches.amin(-1), patches.amax(-1))
    shares = (patches[..., 0] == x[:, :1, 0, 0, None]).double().mean((1, 2))
    assert 0.2 < shares.mean() < 0.8
    assert ((target.weight == 1) == (shares == 1)).all()


class Wrapped(nn.Module):
    """A network of the user's around one of timm's."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = vit(), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.backbone(x))


def torchvision_vit():
    models = pytest.importorskip("torchvision.models")
    return models.VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=8)


@pytest.mark.parametrize("make", [Wrapped, torchvision_vit])
def test_other_networks(make):
    model = make()
    _, y = TransMix(model, seed=0)(wave(4, 3, 16, 16), torch.arange(4) % 2)
    assert ((y.weight > 0) & (y.weight <= 1)).all()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.slow
def test_networks_of_transformers_give_their_own_attentions():
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.ViTConfig(**small, intermediate_size=8, image_size=16, patch_size=4)
    model, x = transformers.ViTForImageClassification(config), wave(2, 3, 16, 16)
    used = model.config._attn_implementation
    found = class_attention(model, contextlib.nullcontext, {"pixel_values": x}, (4, 4))
    assert model.config._attn_implementation == used
    model.set_attn_implementation("eager")
    expected = model.eval()(x, output_attentions=True).attentions[-1][:, :, 0, 1:].mean(1)
    assert torch.allclose(found, expected.view(2, 4, 4))
    mixed, _ = TransMix(model, seed=0)({"pixel_values": x}, torch.arange(2))
    assert mixed["pixel_values"].shape == x.shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vit(class_token=False, global_pool="avg"), "with a class token"),
        (lambda: vit(class_token=False, reg_tokens=2, global_pool="avg"), "with a class token"),
        (lambda: nn.Conv2d(3, 3, 3), "finds no patch_size in Conv2d"),
    ],
)
def test_networks_without_such_attention_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        TransMix(make())(wave(4, 3, 16, 16), torch.arange(4))


def test_a_batch_without_one_tensor_of_images_is_refused():
    images = wave(4, 3, 16, 16)
    with pytest.raises(ValueError, match=r"one tensor of images .*, and there are 2: name it"):
        TransMix(vit())((images, images.clone()), torch.arange(4))


def test_in_a_choice_it_labels_its_own_samples():
    x, y = wave(32, 3, 16, 16), torch.arange(32) % 3
    mix = Choice([TransMix(vit()), MixUp(2.0)], seed=0).draw(x, y)
    boxes, blend = mix.patterns
    assert ((boxes.weight == 1) | (blend.weight == 1)).all()
    is_cut, is_blended = boxes.weight < 1, blend.weight < 1
    assert is_cut.any()
    assert is_blended.any()
    assert torch.equal(mix.weight[is_blended], blend.weight[is_blended])
