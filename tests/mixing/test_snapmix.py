"""SnapMix: boxes, activation maps and shares as the authors' code computes them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import Mix, SnapMix
from vicinal.mixing import Batch
from vicinal.mixing.methods.snapmix import Crops


def wave(*shape):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) * 1.7).sin().view(shape).float()


def network(channels=4, classes=3, **options):
    model = nn.Sequential(
        nn.Conv2d(3, channels, 3, **options),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )
    with torch.no_grad():
        for number, weights in enumerate(model.parameters()):
            weights.copy_(wave(*weights.shape) * (0.3 + 0.1 * number))
    return model


# What the authors' code gives for these networks, images and boxes.
OWN = [0.46636754274368286, 0.4894058108329773, 0.5119577646255493, 0.48179346323013306]
BROUGHT = [0.12439608573913574, 0.15553665161132812, 0.12518048286437988, 0.10568264126777649]
SUMS = [-1.072288155555725, -1.1433658599853516, -1.0942697525024414, -1.1341458559036255]
ROW = [0.1900162696838379, 0.493655800819397, 0.797295331954956]


def fixed(y, x=None, **options):
    x = wave(4, 3, 8, 8) if x is None else x
    crops = Crops(torch.tensor([1, 6, 2, 8, 0, 3, 4, 7]).repeat(len(x), 1), (8, 8))
    mix = Mix(torch.tensor([1, 2, 3, 0])[: len(x)], crops.weight, (crops,))
    mixer = SnapMix(network(stride=2, padding=1), **options)
    return x, mixer.complete(mix, Batch(x, y))


class TestShares:
    def test_are_those_of_the_authors_divided_by_their_sum(self):
        _, mix = fixed(torch.tensor([0, 1, 2, 1]))
        own, brought = torch.tensor(OWN), torch.tensor(BROUGHT)
        assert torch.allclose(mix.weight, own / (own + brought), atol=1e-6)

    def test_of_rows_of_shares_are_those_of_their_labels(self):
        labels = torch.tensor([0, 1, 2, 1])
        _, mix = fixed(F.one_hot(labels, 3).float())
        assert torch.allclose(mix.weight, fixed(labels)[1].weight, atol=1e-6)

    def test_of_maps_that_tell_nothing_are_those_of_the_area(self):
        x, y = torch.zeros(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
        model = network(stride=2)
        with torch.no_grad():
            model[0].bias.fill_(-1)
        mixer = SnapMix(model, seed=0)
        mix = mixer.draw(x, y)
        assert torch.allclose(mix.weight, mix.patterns[0].weight)

    def test_of_a_second_batch_are_those_of_its_own_maps(self):
        x, y = wave(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
        mixer = SnapMix(network(), seed=3)
        mix = mixer.draw(x, y)
        mixer.random.count -= 1
        other = x[mix.partner], y[mix.partner]
        assert torch.allclose(mixer.draw(x, y, other=other).weight, mix.weight)


class TestCrops:
    def test_are_the_authors_pixels(self):
        x, mix = fixed(torch.tensor([0, 1, 2, 1]))
        mixed = mix(x)
        assert torch.allclose(mixed.sum((1, 2, 3)), torch.tensor(SUMS), atol=1e-4)
        assert torch.allclose(mixed[0, 0, 1, 2:5], torch.tensor(ROW), atol=1e-5)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
    def test_are_what_torch_interpolates_row_by_row_and_all_at_once(self, dtype):
        size, count = (9, 7), 40
        mixer = SnapMix(alpha=1.0, seed=1)
        crops = mixer.pattern(count, size, torch.Generator().manual_seed(0))
        x = (wave(count, 2, *size) * 90 + 100).to(dtype)
        partner = torch.arange(count).roll(1)
        expected = x.clone()
        for row, edges in enumerate(crops.corners.tolist()):
            top, bottom, left, right, first, last, west, east = edges
            if top < bottom and left < right:
                crop = x[partner[row], :, first:last, west:east].double()[None]
                side = bottom - top, right - left
                crop = F.interpolate(crop, side, mode="bilinear", align_corners=True)[0]
                crop = crop.round() if dtype == torch.uint8 else crop
                expected[row, :, top:bottom, left:right] = crop.to(dtype)
        atol = {torch.bfloat16: 1.0, torch.uint8: 1.0}.get(dtype, 1e-3)
        for mixed in (Mix(partner, crops.weight, (crops,))(x), crops.apply(x, x[partner])):
            assert mixed.dtype == dtype
            assert torch.allclose(mixed.double(), expected.double(), atol=atol, rtol=0)

    def test_on_smaller_maps_they_cover_the_same_part(self):
        crops = Crops(torch.tensor([[0, 4, 4, 8, 4, 5, 6, 8]]).repeat(2, 1), (8, 8))
        x = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 1, 4, 4).contiguous()
        partner = torch.tensor([1, 0])
        expected = torch.zeros(4, 4)
        expected[:2, 2:] = 1
        for mixed in (Mix(partner, crops.weight, (crops,))(x), crops.apply(x, x[partner])):
            assert torch.equal(mixed[0, 0], expected)

    def test_both_boxes_are_drawn_as_those_of_cutmix(self):
        crops = SnapMix(alpha=1.0).pattern(4000, (32, 32), torch.Generator().manual_seed(0))
        corners = crops.corners.double()[crops.weight < 1]
        sides = corners[:, 1::2] - corners[:, ::2]
        assert ((sides > 0) & (sides <= 32)).all()
        assert torch.corrcoef(sides.T)[0, 2].abs() < 0.05  # of box and crop: independent
        assert torch.corrcoef(sides.T)[0, 1] > 0.5  # of height and width: one λ
        assert torch.allclose(sides[:, :2].mean(), sides[:, 2:].mean(), rtol=0.03)


class TestLayers:
    def test_maps_come_from_the_last_layer_before_pooling(self):
        model = nn.Sequential(network()[0], nn.ReLU(), network(4)[0:0], *network()[1:])
        x, y = wave(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
        mix, expected = (SnapMix(m, seed=0).draw(x, y) for m in (model, network()))
        assert torch.allclose(mix.weight, expected.weight)

    @pytest.mark.parametrize(
        "model",
        [
            nn.Sequential(nn.Flatten(), nn.Linear(192, 3)),
            nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, 3)),
            nn.Sequential(nn.Conv2d(3, 4, 5), nn.Conv2d(4, 4, 4), *network()[1:]),
            nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(2), nn.Flatten(), nn.Linear(196, 3)),
        ],
    )
    def test_a_network_without_maps_is_refused(self, model):
        with pytest.raises(ValueError, match=r"finds no feature maps .* in Sequential"):
            SnapMix(model)(wave(4, 3, 8, 8), torch.tensor([0, 1, 2, 1]))

    @pytest.mark.parametrize(
        ("y", "error", "message"),
        [
            (torch.rand(4), TypeError, "class indices .B,. or rows of shares .B, 3. as targets"),
            (torch.tensor([0, 1, 2, 3]), ValueError, "a label is out of range for 3 classes"),
            (None, TypeError, "not NoneType for 3"),
        ],
    )
    def test_targets_that_are_no_classes_are_refused(self, y, error, message):
        with pytest.raises(error, match=message):
            SnapMix(network()).draw(wave(4, 3, 8, 8), y)
