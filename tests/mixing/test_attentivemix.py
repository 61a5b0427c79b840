"""AttentiveMix: OpenMixup's cells, and networks that are looked at."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import AttentiveMix
from vicinal.mixing.paste import Masks


def images(*shape):
    """Numbers that any program can write down."""
    return ((torch.arange(math.prod(shape)) * 37 % 101) / 100).view(shape)


def pooled(x):
    return F.avg_pool2d(x.float(), 2)


def cells_of(keep, side):
    """The numbers of the cells that are pasted, on a grid of (8 / side) ** 2 cells."""
    cells = F.avg_pool2d((~keep).float(), side)
    assert bool(((cells == 0) | (cells == 1)).all())  # whole cells
    return [row.flatten().nonzero().flatten().tolist() for row in cells]


def test_the_cells_are_the_published_ones():
    """As OpenMixup chooses them for these features; there, each image keeps them."""
    x = images(4, 3, 8, 8)
    mix = AttentiveMix(pooled, top_k=3, seed=0).draw(x)
    (pattern,) = mix.patterns
    assert type(pattern) is Masks
    published = [[5, 7, 12], [3, 8, 10], [4, 11, 13], [5, 12, 14]]
    assert cells_of(pattern.keep, 2) == [published[j] for j in mix.partner.tolist()]
    assert torch.equal(mix.weight, torch.full((4,), 1 - 0.1875))
    # The sum of the first channel that OpenMixup returns for partners 0, 1, 3, 2 of its samples.
    sums = torch.tensor([31.85, 31.39, 33.46, 35.01])
    background, pasted = x[[0, 1, 3, 2]], (x, torch.arange(4))
    mixed, _ = AttentiveMix(pooled, top_k=3)(background, torch.arange(4), other=pasted)
    assert torch.allclose(mixed[:, 0].sum((1, 2)), sums, atol=1e-3)


def test_the_partner_shows_in_its_cells_and_nowhere_else():
    x, y = torch.rand(6, 3, 12, 12), torch.arange(6)
    mix = AttentiveMix(lambda maps: F.avg_pool2d(maps, 3), top_k=5, seed=0).draw(x, y)
    keep = mix.patterns[0].keep[:, None]
    assert torch.equal(mix(x), torch.where(keep, x, x[mix.partner]))
    assert torch.allclose(mix.target(y).weight, torch.full((6,), 11 / 16))


@pytest.mark.parametrize("size", [(9, 10), (3, 3), (8, 1)])
def test_grids_that_do_not_divide_the_image_have_exact_weights(size):
    maps = torch.rand(4, 2, 4, 4)
    x, y = torch.rand(4, 1, *size), torch.arange(4)
    mix = AttentiveMix(lambda x: maps, top_k=6, seed=0).draw(x, y)
    assert torch.equal(mix.weight, mix.patterns[0].keep.float().mean((1, 2)))
    assert mix.patterns[0].keep.shape == (4, *size)


def test_more_cells_than_there_are_paste_all():
    x = torch.rand(4, 1, 8, 8)
    mix = AttentiveMix(pooled, top_k=99, seed=0).draw(x)
    assert torch.equal(mix(x), x[mix.partner])


def test_a_network_in_evaluation_mode_is_left_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.rand(5, 3, 16, 16, requires_grad=True)
    mixer = AttentiveMix(network, top_k=4, seed=0)
    mixed, target = mixer(x, torch.arange(5))
    assert torch.equal(target.weight, torch.full((5,), 0.75))
    assert mixed.requires_grad
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in network.parameters())
    network.train()
    with pytest.raises(ValueError, match=r"in training mode, .*: call its eval\(\)"):
        mixer(x, torch.arange(5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_gets_its_own_dtype(dtype):
    network = nn.Conv2d(3, 4, 4, stride=4).eval()
    x = torch.rand(5, 3, 16, 16).to(dtype)
    mixed, target = AttentiveMix(network, top_k=4, seed=0)(x, torch.arange(5))
    assert mixed.dtype == dtype
    assert torch.equal(target.weight, torch.full((5,), 0.75))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_small_batches(count):
    x = (images(count, 3, 8, 8) * 255).to(torch.uint8)
    mixed, target = AttentiveMix(pooled, top_k=2, seed=0)(x, torch.arange(count))
    assert mixed.dtype == torch.uint8
    assert len(target.weight) == count


@pytest.mark.parametrize(
    ("attention", "error", "found"),
    [
        (lambda x: x.flatten(1), ValueError, r"not \(4, 192\)"),
        (lambda x: x[:2], ValueError, r"not \(2, 8, 8\)"),
        (lambda x: [x], ValueError, "not list"),
        (lambda x: (x, x), ValueError, "not tuple"),
    ],
)
def test_what_is_no_feature_map_is_named(attention, error, found):
    with pytest.raises(error, match=f"attention must return feature maps .* {found}"):
        AttentiveMix(attention).draw(torch.rand(4, 3, 8, 8))


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="attention must be a network, or a function"):
        AttentiveMix("resnet50")
    with pytest.raises(ValueError, match="top_k must be 1 or more, not 0"):
        AttentiveMix(pooled, 0)
    with pytest.raises(TypeError, match="attention"):
        AttentiveMix()
    assert repr(AttentiveMix(pooled, seed=0)).startswith("AttentiveMix(top_k=6, ")
