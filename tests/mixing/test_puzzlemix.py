"""PuzzleMix: what the authors' code mixes, what is drawn, and what the extra pass leaves behind."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import DataLoaders, Learner, Mix, PuzzleMix, check_mixer
from vicinal.errors import VicinalError
from vicinal.mixing import Batch
from vicinal.mixing.checks import CHECKS
from vicinal.mixing.methods.puzzlemix import PendingPuzzle, scaled
from vicinal.mixing.puzzle import Rules, costs, edges_of


def wave(*shape, step):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) * step).sin().view(shape).float()


def images():
    """(6, 3, 16, 16), of which the cells of each channel span exactly 1, as bytes do."""
    x = (0.5 + wave(6, 3, 4, 4, step=2.3) / 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    x[0, :, :4, :4], x[1, :, :4, :4] = 0, 1
    return x


def maps(_=None):
    found = 0.1 + wave(6, 8, 8, step=0.9).abs() ** 4
    return found.repeat_interleave(2, 1).repeat_interleave(2, 2)


PARTNER = torch.arange(6).roll(1)


def solved(blocks, lam, x=None, **options):
    drawn = PendingPuzzle(torch.full((6,), lam), torch.full((6,), float(blocks)))
    mixer = PuzzleMix(saliency=maps, blocks=blocks, edge=2, **options)
    x = images() if x is None else x
    return mixer.complete(Mix(PARTNER, torch.ones(6), (drawn,)), Batch(x))


# Blocks, λ and pieces; shares, and pixels times their numbers, summed: what the authors' code gives
# wherever its solver finds the least energy.
THEIRS = [
    (2, 0.5, 8, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
     [200.846, 193.962, 191.917, 194.867, 190.593, 194.527]),
    (4, 0.3, None, [0.125, 0.1875, 0.125, 0.125, 0.1875, 0.1562],
     [195.445, 177.389, 180.543, 206.73, 231.692, 220.894]),
    (4, 0.4, 8, [0.375, 0.3438, 0.4062, 0.3438, 0.3438, 0.4062],
     [196.56, 170.286, 188.736, 203.862, 219.986, 217.245]),
    (4, 0.6, None, [0.5938, 0.6562, 0.5938, 0.625, 0.6875, 0.5938],
     [198.3, 173.431, 201.001, 204.206, 229.942, 213.436]),
    (4, 0.6, 8, [0.5938, 0.6562, 0.5938, 0.625, 0.6875, 0.5938],
     [198.3, 168.618, 198.655, 204.206, 225.369, 213.329]),
    (8, 0.6, None, [0.7344, 0.75, None, None, 0.7422, None],
     [194.873, 171.227, None, None, 216.581, None]),
    (8, 0.3, None, [0.2422, 0.2656, 0.2188, 0.25, None, 0.2188],
     [194.761, 171.483, 177.463, 209.334, None, 211.874]),
]  # fmt: skip


@pytest.mark.parametrize(("blocks", "lam", "pieces", "weights", "sums"), THEIRS)
def test_mixes_are_those_of_the_authors(blocks, lam, pieces, weights, sums):
    mix = solved(blocks, lam, pieces=pieces)
    numbers = torch.arange(1, 257).view(16, 16) / 256
    found = (mix(images()) * numbers).sum((1, 2, 3)).tolist()
    for row, (weight, total) in enumerate(zip(weights, sums, strict=True)):
        if weight is not None:
            assert float(mix.weight[row]) == pytest.approx(weight, abs=1e-4)
            assert found[row] == pytest.approx(total, abs=2e-3)


class TestCosts:
    rules = Rules(labels=3, beta=1.2, gamma=0.5, eta=0.2, price=None)

    def found(self, lam, labels=3, eta=0.2):
        saliency = torch.full((2, 1, 2, 2), 0.25)
        edges = edges_of(torch.zeros(1, 1, 2, 2), 2)
        rules = Rules(labels, 1.2, 0.5, eta, None)
        both = tuple(torch.stack((edge, edge)) for edge in edges)
        return costs(saliency, both, torch.tensor([lam], dtype=torch.float64), rules)

    @pytest.mark.parametrize("labels", [2, 3, 4, 7])
    @pytest.mark.parametrize("lam", [0.0, 1e-9, 0.1, 0.5, 0.999999, 1.0])
    def test_are_convex_in_the_label_for_every_weight(self, labels, lam):
        each = self.found(lam, labels)[0]
        assert (each.diff(dim=1).diff(dim=1) >= 0).all()

    def test_of_labels_are_the_logarithms_of_binomial_probabilities(self):
        each = self.found(0.3)[0][0, :, 0, 0]
        expected = torch.tensor([0.09, 0.42, 0.49]).log() * -0.2 * 1000 + 1000
        assert torch.allclose(each.double(), expected.double(), atol=1.01)

    def test_weights_are_beta_by_the_number_of_blocks(self):
        _, down, across = self.found(0.3)
        assert down.tolist() == [[[150, 150]]]  # 1000 · 4 · 1.2 / (2 · 16)
        assert across.tolist() == [[[150], [150]]]

    def test_weights_are_never_negative(self):
        """At most gamma of beta is lost: where the sample's edge is what both lack together."""
        own = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).view(1, 1, 2, 2)
        both = tuple(
            torch.stack(pair) for pair in zip(edges_of(own, 2), edges_of(1 - own, 2), strict=True)
        )
        saliency = torch.full((2, 1, 2, 2), 0.25)
        lam = torch.tensor([0.5], dtype=torch.float64)
        for gamma, least in ((0.5, 75), (1.0, 0)):
            rules = Rules(3, 1.2, gamma, 0.2, None)
            assert costs(saliency, both, lam, rules)[2].flatten().tolist() == [least, least]


class TestDraws:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [((32, 40), {2, 4, 8, 16}), ((28, 28), {2, 4, 8}), ((8, 8), {2, 4}), ((3, 9), {2})],
    )
    def test_blocks_have_at_least_two_pixels(self, size, expected):
        drawn = PuzzleMix().pattern(200, size, torch.Generator().manual_seed(0))
        assert {int(count) for count in drawn.blocks} == expected
        counts = torch.tensor([int((drawn.blocks == count).sum()) for count in expected])
        assert (counts > 200 / len(expected) - 40).all()  # missed once in 10⁵ or more

    def test_of_a_batch_are_one(self):
        x = torch.rand(5, 3, 16, 16)
        drawn = PuzzleMix(saliency=maps, per="batch", seed=0)
        patterns = drawn.patterns(1, 5, (16, 16), torch.Generator().manual_seed(0), 0)
        assert len(patterns[0].values.unique(dim=0)) == 1
        assert PuzzleMix(saliency=lambda x: x.mean(1), per="batch")(x, None)[0].shape == x.shape

    def test_alpha_0_mixes_nothing(self):
        x = images()
        mixed, target = PuzzleMix(saliency=maps, alpha=0.0)(x, torch.arange(6))
        assert torch.equal(mixed, x)
        assert target.weight.tolist() == [1] * 6

    def test_images_with_fewer_pixels_than_blocks_are_refused(self):
        for mixer in (PuzzleMix(saliency=maps, blocks=8), PuzzleMix(saliency=maps, pieces=8)):
            with pytest.raises(VicinalError, match="4 x 9 pixels cannot be divided into 8 blocks"):
                mixer(torch.rand(2, 1, 4, 9), None)


class TestImages:
    @pytest.mark.parametrize("shape", [(5, 3, 28, 28), (5, 1, 13, 30), (5, 17, 9), (3, 2, 4, 8, 8)])
    def test_of_any_sides_and_channels_are_mixed(self, shape):
        x = torch.rand(shape)
        mixer = PuzzleMix(saliency=lambda images: images.std(1, correction=0), seed=0)
        mixed, target = mixer(x, torch.arange(len(x)))
        assert mixed.shape == x.shape
        assert ((target.weight >= 0) & (target.weight <= 1)).all()

    def test_bytes_and_floats_give_the_same_puzzle(self):
        x = (images() * 255).round().to(torch.uint8)
        one, two, three = (solved(4, 0.6, each) for each in (x, x.float(), x.double() / 255 - 3))
        assert torch.equal(one.weight, two.weight)
        assert torch.equal(one.weight, three.weight)

    def test_that_are_not_finite_or_not_salient_are_mixed_all_the_same(self):
        x = images()
        x[0], x[1, 0, 0, 0], x[2] = torch.nan, torch.inf, 0.5
        mixer = PuzzleMix(saliency=lambda images: torch.zeros_like(images[:, 0]), seed=0)
        assert mixer(x, None)[0].shape == x.shape

    def test_of_a_second_batch_bring_their_own_saliency(self):
        x, y = images(), torch.arange(6)
        mixer = PuzzleMix(saliency=lambda images: images.mean(1), seed=0)
        mix = mixer.draw(x, y)
        mixer.random.count -= 1
        other = mixer.draw(x, y, other=(x[mix.partner], y[mix.partner]))
        assert torch.equal(mix.patterns[0].blocks, other.patterns[0].blocks)

    def test_cells_span_1_over_both_batches(self):
        cells = torch.tensor([2.0, 3.0]).view(2, 1, 1, 1), torch.full((1, 1, 1, 1), 6.0)
        one, two = scaled([*cells])
        assert torch.allclose(one.flatten(), torch.tensor([0.0, 0.25]))
        assert two.item() == 1
        assert scaled([torch.ones(2, 1, 1, 1)])[0].tolist() == [[[[0]]], [[[0]]]]


def test_with_a_saliency_all_checks_pass_but_that_of_compiled_code():
    skip = ["compiled"]
    mixer = PuzzleMix(saliency=lambda images: images.float().abs().amax(1))
    assert check_mixer(mixer, skip=skip) == tuple(name for name in CHECKS if name not in skip)


@pytest.mark.slow
def test_compiled_functions_are_refused():
    mixer = PuzzleMix(saliency=maps, seed=0)
    compiled = torch.compile(lambda x: mixer(x, None), backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="PuzzleMix cannot be compiled: compile the model"):
        compiled(images())


def network(channels=3, classes=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(0.5),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


LABELS = torch.arange(6) % 3


class TestGradients:
    def expected(self, model, y):
        x, model = images().requires_grad_(), copy.deepcopy(model).eval()
        loss = F.cross_entropy(model(x), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        return gradient.square().mean(1).sqrt()

    def seen(self, model, y):
        return PuzzleMix(model)._seen(Batch(images(), y))[1]

    def test_are_those_of_the_cross_entropy_up_to_their_size(self):
        model = network()
        found, expected = self.seen(model, LABELS), self.expected(model, LABELS)
        shares = [each / each.sum((1, 2), keepdim=True) for each in (found, expected)]
        assert torch.allclose(*shares, atol=1e-6)

    def test_of_rows_of_shares_are_those_of_their_labels(self):
        model = network()
        found = self.seen(model, F.one_hot(LABELS, 3).float())
        assert torch.allclose(found, self.seen(model, LABELS))
        mixed = F.one_hot(LABELS, 3).float().lerp(torch.full((6, 3), 1 / 3), 0.3)
        shares = [
            each / each.sum((1, 2), keepdim=True)
            for each in (self.seen(model, mixed), self.expected(model, mixed))
        ]
        assert torch.allclose(*shares, atol=1e-6)

    def test_leave_no_trace_in_the_model(self):
        model = network().train()
        model[1].eval()  # frozen, as in fine-tuning
        model(images()).sum().backward()
        modes = [module.training for module in model.modules()]
        gradients = [p.grad.clone() for p in model.parameters()]
        before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
        x = images()
        mixed, _ = PuzzleMix(model, seed=0)(x, LABELS)
        assert [module.training for module in model.modules()] == modes
        assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())
        assert torch.equal(torch.get_rng_state(), state)
        assert not mixed.requires_grad
        assert not x.requires_grad
        assert all(map(torch.equal, gradients, [p.grad for p in model.parameters()]))
        assert all(p.requires_grad for p in model.parameters())

    def test_inside_of_autocast_the_training_pass_keeps_its_gradients(self):
        model = network()
        with torch.autocast("cpu", torch.bfloat16):
            mixed, _ = PuzzleMix(model, seed=0)(images(), LABELS)
            model(mixed).sum().backward()
        assert all(p.grad is not None for p in model.parameters())

    def test_are_computed_where_gradients_are_off_and_parameters_frozen(self):
        model = network().requires_grad_(False)
        with torch.no_grad():
            found = self.seen(model, LABELS)
        assert torch.allclose(found, self.seen(network(), LABELS))

    def test_of_a_second_batch_are_those_of_its_labels(self):
        mixer = PuzzleMix(network(), seed=3)
        mix = mixer.draw(images(), LABELS)
        mixer.random.count -= 1
        other = images()[mix.partner], LABELS[mix.partner]
        found = mixer.draw(images(), LABELS, other=other).patterns[0].blocks
        assert (found == mix.patterns[0].blocks).float().mean() > 0.99

    def test_of_a_sample_that_is_certain_are_spread_evenly(self):
        class Certain(nn.Module):
            def forward(self, x):
                return torch.cat((x.sum((1, 2, 3))[:, None] * 0 + 1e4, torch.zeros(len(x), 1)), 1)

        mix = PuzzleMix(Certain(), seed=0).draw(images(), torch.zeros(6).long())
        assert mix.patterns[0].blocks.isfinite().all()

    @pytest.mark.parametrize(
        ("y", "error", "message"),
        [
            (torch.rand(6), TypeError, r"class indices \(B,\) or rows of shares \(B, 3\) as targ"),
            (torch.tensor([0, 1, 2, 3, 0, 0]), ValueError, "a label is out of range for 3 classes"),
            (None, TypeError, "not NoneType for 3"),
        ],
    )
    def test_need_classes(self, y, error, message):
        with pytest.raises(error, match=message):
            PuzzleMix(network()).draw(images(), y)

    def test_need_floats_and_a_network_with_a_slope(self):
        with pytest.raises(TypeError, match="Sequential has no gradients with regard to uint8 im"):
            PuzzleMix(network())((images() * 255).to(torch.uint8), LABELS)

        class Flat(nn.Module):
            def forward(self, x):
                return x.mean((2, 3)).detach()

        with pytest.raises(ValueError, match="the output of Flat has no gradient with regard to i"):
            PuzzleMix(Flat())(images(), LABELS)
        with pytest.raises(ValueError, match="Identity must return a tensor"):
            PuzzleMix(nn.Identity(), fields="image")({"image": images()}, LABELS)


def test_a_learner_trains_with_it_in_its_precision():
    x, y = images().repeat(2, 1, 1, 1), LABELS.repeat(2)
    learn = Learner(DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu"), network())
    learn.fit(1, cbs=PuzzleMix(seed=0))
    learn.to_bf16().fit(1, cbs=PuzzleMix(seed=0))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"blocks": 1}, ValueError, "blocks must be 2 or more, not 1"),
        ({"labels": 1}, ValueError, "labels must be 2 or more, not 1"),
        ({"gamma": 1.5}, ValueError, "gamma must be between 0 and 1, not 1.5"),
        ({"beta": 1e30}, ValueError, r"beta must be between 0 and 1e\+06, not 1e\+30"),
        ({"eta": float("inf")}, ValueError, r"eta must be between 0 and 1e\+06, not inf"),
        ({"price": -1}, ValueError, "price must be 0 or more, not -1"),
        ({"edge": 0}, ValueError, "edge must be 1 or more, not 0"),
        ({"pieces": 6}, ValueError, "pieces must be a power of two, not 6"),
        ({"pieces": 8, "blocks": 3}, ValueError, "pieces must be a multiple of blocks=3, not 8"),
        ({"saliency": 3}, TypeError, "saliency must be a function from images"),
    ],
)
def test_arguments_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        PuzzleMix(**options)


def test_a_second_batch_of_another_shape_is_refused():
    other = images()[:4], torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"second batch has shape \(4, 3, 16, 16\)"):
        PuzzleMix(saliency=lambda x: x.mean(1))(
            images(), torch.zeros(6, dtype=torch.int64), other=other
        )


def test_without_price_nothing_moves_and_two_labels_copy():
    mix = solved(4, 0.5, price=None, labels=2)
    keep, *sources = mix.patterns[0].blocks.unbind(1)
    assert ((keep == 0) | (keep == 1)).all()
    here = torch.arange(16.0).view(4, 4)
    assert all(torch.equal(source, here.expand(6, -1, -1)) for source in sources)
